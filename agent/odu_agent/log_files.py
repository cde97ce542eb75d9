"""Finds the log files that are worth uploading, and makes copies without secrets.

A component's logs are the files of a folder, or with `journal:UNIT` what systemd's journal has of
its units.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .redaction import redact
from .state import open_private

if TYPE_CHECKING:
    from collections.abc import Iterable

JOURNAL = "journal:"
_JOURNAL_SECONDS = 60.0
_BYTES_OF_A_LINE = 80
_LONGEST_LINE = 64 * 1024


@dataclass(frozen=True)
class LogFile:
    """A file as it was when it was found; it may have grown since."""

    path: Path
    size: int


def newest_files(folder: Path, maximum_bytes: int) -> list[LogFile]:
    """The newest files of a folder that together stay within a limit, newest first.

    Links and folders in it are left out, and so is a file that no longer fits, for one that does.
    """
    try:
        entries = [item for item in folder.iterdir() if item.is_file() and not item.is_symlink()]
    except FileNotFoundError:
        return []
    found = sorted(
        ((item.stat(), item) for item in entries),
        key=lambda pair: (pair[0].st_mtime_ns, pair[1].name),
        reverse=True,
    )
    chosen: list[LogFile] = []
    left = maximum_bytes
    for facts, path in found:
        if facts.st_size <= left:
            left -= facts.st_size
            chosen.append(LogFile(path, facts.st_size))
    return chosen


def without_secrets(file: LogFile, folder: Path) -> LogFile:
    """A copy of a log, as it was when it was found, without keys and signatures."""
    target = folder / file.path.name
    left = file.size
    with file.path.open("rb") as source, open_private(target, "wb") as copy:
        while left > 0 and (line := source.readline(min(left, _LONGEST_LINE))):
            left -= len(line)
            text = line.decode("utf-8", "surrogateescape")
            copy.write(redact(text).encode("utf-8", "surrogateescape"))
    return LogFile(target, target.stat().st_size)


def journal(units: str, folder: Path, maximum_bytes: int) -> list[LogFile]:
    """The newest of what the journal has of units (a pattern), as one file in a folder."""
    lines = max(1, maximum_bytes // _BYTES_OF_A_LINE)
    command = ["journalctl", f"--unit={units}", "--output=short-iso", "--no-pager", "--quiet"]
    try:
        done = subprocess.run(
            [*command, f"--lines={lines}"],
            capture_output=True,
            timeout=_JOURNAL_SECONDS,
            check=False,
        )
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return []
    data = _newest_lines(done.stdout.splitlines(keepends=True), maximum_bytes)
    if not data:
        return []
    path = folder / "journal.log"
    with open_private(path, "wb") as file:
        file.write(data)
    return [LogFile(path, len(data))]


def _newest_lines(lines: Iterable[bytes], maximum_bytes: int) -> bytes:
    chosen: list[bytes] = []
    left = maximum_bytes
    for line in reversed(list(lines)):
        left -= len(line)
        if left < 0:
            break
        chosen.append(line)
    return b"".join(reversed(chosen))
