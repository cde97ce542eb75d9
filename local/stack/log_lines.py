"""Log lines of the parts of a stack: read as they are written, and taken apart.

A line of the service ends with what it is about: `{function=fetch_import operation=...}`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_LINE = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.,]\d{3}Z?) (?P<level>[A-Z]+) (?P<logger>[^\s:]+)"
    r"(?: \[(?P<function>\S+) (?P<invocation>\S+)\])?: (?P<message>.*)"
)
_FACTS = re.compile(r"(?P<plain>.*) \{(?P<facts>[a-z_]+=[^{}]*)\}$")
_READ_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line. `at` is ISO 8601 in UTC; a line without a time has that of the one before it."""

    part: str
    at: str
    level: str
    logger: str
    message: str
    function: str = ""
    facts: dict[str, str] = field(default_factory=dict)

    @property
    def is_worth(self) -> int:
        """Its level as a number that grows with it."""
        return LEVELS.index(self.level) if self.level in LEVELS else 1


def parsed(part: str, text: str, before: LogLine | None = None) -> LogLine:
    """A line taken apart; one of another form goes with the line before it."""
    found = _LINE.fullmatch(text)
    if found is None:
        level = before.level if before is not None else "INFO"
        return LogLine(part, before.at if before is not None else "", level, part, text)
    message, facts = found["message"], {}
    if about := _FACTS.fullmatch(message):
        message = about["plain"]
        pairs = (pair.partition("=") for pair in about["facts"].split(" "))
        facts = {name: unquote(value) for name, _, value in pairs}
    return LogLine(
        part=part,
        at=_utc(found["at"]),
        level=found["level"],
        logger=found["logger"],
        message=message,
        function=found["function"] or facts.get("function", ""),
        facts=facts,
    )


class LogReader:
    """Reads the log of one part on and on, past its rotation."""

    def __init__(self, path: Path) -> None:
        self.part = path.stem
        self._path = path
        self._inode = 0
        self._offset = 0
        self._rest = b""
        self._before: LogLine | None = None

    def new_lines(self) -> Iterator[LogLine]:
        """The whole lines that were written since the last call."""
        for text in self._new_text():
            line = parsed(self.part, text, self._before)
            self._before = line
            yield line

    def _new_text(self) -> Iterator[str]:
        for path in (self._path.with_name(f"{self._path.name}.1"), self._path):
            try:
                with path.open("rb") as file:
                    inode = os.fstat(file.fileno()).st_ino
                    if inode != self._inode and path != self._path:
                        continue  # an older file than the one that was being read
                    if inode != self._inode:
                        self._inode, self._offset, self._rest = inode, 0, b""
                    yield from self._read_on(file)
            except FileNotFoundError:
                continue  # not rotated, or between two files

    def _read_on(self, file: BinaryIO) -> Iterator[str]:
        file.seek(self._offset)
        while piece := file.read(_READ_BYTES):
            self._offset += len(piece)
            *whole, self._rest = (self._rest + piece).split(b"\n")
            yield from (text.decode(errors="replace") for text in whole if text)


def _utc(text: str) -> str:
    """A time of a log: the host writes UTC, the stand-ins the machine's own time."""
    if text.endswith("Z"):
        return text
    own = datetime.fromisoformat(text.replace(",", ".")).astimezone(UTC)
    return own.strftime("%Y-%m-%dT%H:%M:%S.") + f"{own.microsecond // 1000:03d}Z"
