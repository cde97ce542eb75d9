"""What a command prints: one JSON document, or tables and lines for people.

Results go to stdout; progress, notes and errors to stderr. Text of others (names, messages from
devices) is shown without control characters, which a terminal would obey.
"""

from __future__ import annotations

import json
import sys
import tempfile
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence

    from rich.console import Console
    from rich.table import Table

    from odu_cli.failures import Refused


_ROWS_OF_A_TABLE = 500
_IN_MEMORY_BYTES = 4 << 20
_ENDLESS = 10_000
"""Columns of a console that is no terminal: who reads it wants whole lines."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its heading, and what it shows of an item."""

    heading: str
    value: Callable[[Any], object]
    is_number: bool = False


FAILURES = [
    Column("CODE", lambda item: item["code"]),
    Column("DEVICES", lambda item: item["deviceCount"], is_number=True),
    Column("WHY", lambda item: item["message"]),
    Column("WHAT TO DO", lambda item: item["nextStep"]),
]
"""Why devices have failed."""


def plain(value: object) -> str:
    """A value as text that is safe on a terminal; None is a dash."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "".join(
        each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in str(value)
    )


def json_text(value: object, indent: int | None = None) -> str:
    """A value as JSON in which whatever a terminal would not show, or obey, is escaped."""
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    return "".join(
        each if each.isprintable() or each == "\n" else json.dumps(each)[1:-1] for each in text
    )


def moment(text: str | None) -> str:
    """A time of the API to the second, in UTC."""
    if not text:
        return "-"
    return f"{plain(text[:19]).replace('T', ' ')}Z"


def update_name(info: Mapping[str, Any] | None) -> str:
    """An update as it is written on the command line: provider/name/version."""
    identity = (info or {}).get("updateId", info)
    if not identity:
        return "-"
    return plain("/".join(str(identity[part]) for part in ("provider", "name", "version")))


def device_name(item: Mapping[str, Any]) -> str:
    """A device or module as it is written on the command line: device or device/module."""
    return "/".join(filter(None, (item["deviceId"], item.get("moduleId"))))


class Output:
    """Prints the results of one command."""

    def __init__(self, *, is_json: bool) -> None:
        self.is_json = is_json

    @cached_property
    def results(self) -> Console:
        """Where results are printed for people."""
        return _console(is_error=False)

    @cached_property
    def progress(self) -> Console:
        """Where everything else is printed for people."""
        return _console(is_error=True)

    def document(self, value: object) -> None:
        """Print the JSON document."""
        print(json_text(value, indent=2))

    def note(self, text: str) -> None:
        """Say something by the way."""
        if not self.is_json:
            self.progress.print(plain(text), style="dim", soft_wrap=True)

    def done(self, text: str) -> None:
        """Say that something is done."""
        if not self.is_json:
            from rich.text import Text

            self.progress.print(Text.assemble(("✓ ", "green"), plain(text)), soft_wrap=True)

    def fields(self, pairs: Iterable[tuple[str, object]]) -> None:
        """Print names with their values; those without a value are left out."""
        from rich.table import Table
        from rich.text import Text

        grid = Table.grid(padding=(0, 2))
        grid.add_column(style="dim", no_wrap=True)
        grid.add_column(overflow="fold")
        for name, value in pairs:
            if value not in (None, "-", ""):
                grid.add_row(name, Text(plain(value)))
        self._print(grid)

    def table(
        self, columns: Sequence[Column], items: Iterable[Any], *, title: str | None = None
    ) -> None:
        """Print a table, if there is anything to put in it."""
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
        for column in columns:
            table.add_column(
                column.heading, justify="right" if column.is_number else "left", overflow="fold"
            )
        for item in items:
            table.add_row(*(Text(plain(column.value(item))) for column in columns))
        if not table.row_count:
            return
        if title:
            self.results.print(f"\n{title}", style="bold")
        self._print(table)

    def _print(self, table: Table) -> None:
        """Print a table; for programs without the blanks that fill its lines."""
        if self.results.is_terminal:
            self.results.print(table)
            return
        with self.results.capture() as text:
            self.results.print(table)
        for line in text.get().splitlines():
            print(line.rstrip())

    async def listing(
        self, items: AsyncIterator[Any], columns: Sequence[Column], nothing: str
    ) -> None:
        """Print a list of any length, in bounded memory.

        Args:
            items: The list, as it comes.
            columns: What to show of each.
            nothing: What to say when it is empty.
        """
        if self.is_json:
            await _stream_json(items)
            return
        rows: list[Any] = []
        count = 0
        async for item in items:
            count += 1
            rows.append(item)
            if len(rows) == _ROWS_OF_A_TABLE:
                self.table(columns, rows)
                rows = []
        self.table(columns, rows)
        if not count:
            self.note(nothing)

    def refused(self, refusal: Refused) -> None:
        """Say why the command fails: on stderr for people, as the document for programs."""
        from odu_cli.failures import details

        if self.is_json:
            self.document(refusal.document or {"error": dict(refusal.error)})
        print(f"odu: {plain(refusal.sentence)}", file=sys.stderr)
        found = details(refusal.error)
        width = max((len(item.target) for item in found), default=0)
        for item in found:
            place = "  " * (item.depth + 1) + plain(item.target or "document").ljust(width)
            print(f"{place}  {plain(item.message)}", file=sys.stderr)


async def _stream_json(items: AsyncIterator[Any]) -> None:
    """Print an array once all of it has come: an error halfway leaves no half document."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES, "w+", encoding="utf-8") as text:
        separator = "[\n"
        async for item in items:
            text.write(f"{separator}  {json_text(item)}")
            separator = ",\n"
        text.write("[]\n" if separator == "[\n" else "\n]\n")
        text.seek(0)
        for line in text:
            sys.stdout.write(line)


def _console(*, is_error: bool) -> Console:
    from rich.console import Console

    stream = sys.stderr if is_error else sys.stdout
    width = None if stream.isatty() else _ENDLESS
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)
