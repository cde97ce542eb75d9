"""Files that hold a table, written piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.domain.export_order import ExportFormat
    from shared.domain.fleet.export import Kind, Row


class TableWriter(Protocol):
    """A file being made: what it returns are its next bytes, which are kept nowhere."""

    def write(self, rows: Sequence[Row]) -> bytes:
        """Take more rows."""
        ...

    def finish(self) -> bytes:
        """The last bytes."""
        ...


class TableFiles(Protocol):
    """Makes files of each format."""

    def begin(self, file_format: ExportFormat, columns: Sequence[tuple[str, Kind]]) -> TableWriter:
        """Begin a file of these columns."""
        ...
