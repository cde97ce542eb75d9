"""Writes tables as CSV (RFC 4180, UTF-8) or Parquet, for which alone pyarrow is imported."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.domain.export_order import ExportFormat
from shared.domain.fleet.export import Kind, Row, Value
from shared.ports import TableWriter

if TYPE_CHECKING:
    import pyarrow

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""Spreadsheets run a cell that begins so: devices choose their ids and groups."""


class FileTables:
    """Implements `ports.TableFiles`."""

    def begin(self, file_format: ExportFormat, columns: Sequence[tuple[str, Kind]]) -> TableWriter:
        """See the port."""
        if file_format is ExportFormat.CSV:
            return _Csv(columns)
        return _Parquet(columns)


class _Csv:
    def __init__(self, columns: Sequence[tuple[str, Kind]]) -> None:
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text)
        self._writer.writerow(name for name, _ in columns)

    def write(self, rows: Sequence[Row]) -> bytes:
        self._writer.writerows([_cell(value) for value in row] for row in rows)
        content = self._text.getvalue().encode()
        self._text.seek(0)
        self._text.truncate()
        return content

    def finish(self) -> bytes:
        return self.write([])


def _cell(value: Value) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value.startswith(_FORMULA):
        return "'" + value
    return "" if value is None else str(value)


class _Parquet:
    """One row group for each piece of rows; only one is held at a time."""

    def __init__(self, columns: Sequence[tuple[str, Kind]]) -> None:
        import pyarrow
        from pyarrow import parquet

        types = {
            "text": pyarrow.string(),
            "number": pyarrow.int64(),
            "flag": pyarrow.bool_(),
            "time": pyarrow.timestamp("us", tz="UTC"),
        }
        self._kinds = [kind for _, kind in columns]
        self._schema = pyarrow.schema([(name, types[kind]) for name, kind in columns])
        self._file = _Pipe()
        self._writer = parquet.ParquetWriter(self._file, self._schema, compression="zstd")

    def write(self, rows: Sequence[Row]) -> bytes:
        if rows:
            self._writer.write_table(self._table(rows))
        return self._file.take()

    def finish(self) -> bytes:
        self._writer.close()
        return self._file.take()

    def _table(self, rows: Sequence[Row]) -> pyarrow.Table:
        import pyarrow

        columns: list[Any] = [list(column) for column in zip(*rows, strict=True)]
        for at, kind in enumerate(self._kinds):
            if kind == "time":
                columns[at] = [value and datetime.fromisoformat(value) for value in columns[at]]
        return pyarrow.table(columns, schema=self._schema)


class _Pipe(io.RawIOBase):
    """A file that hands on what is written to it."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        return True

    def write(self, content: Any) -> int:
        piece = bytes(content)
        self._pieces.append(piece)
        self._position += len(piece)
        return len(piece)

    def tell(self) -> int:
        return self._position

    def take(self) -> bytes:
        """What was written since the last time."""
        taken, self._pieces = b"".join(self._pieces), []
        return taken
