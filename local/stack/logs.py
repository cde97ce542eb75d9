"""Logs of the parts: bounded in size, readable while they grow."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

MAXIMUM_BYTES = 4 * 1024 * 1024
_TAIL_BYTES = 16 * 1024


class RotatingLog:
    """Appends to a file; when that is full, it becomes `<name>.1` and a new one begins."""

    def __init__(self, path: Path, maximum_bytes: int = MAXIMUM_BYTES) -> None:
        self.path = path
        self._maximum_bytes = maximum_bytes
        self._file = path.open("ab", buffering=0)
        self._size = path.stat().st_size

    def write(self, data: bytes) -> None:
        """Append some bytes; a piece is never split between two files."""
        if self._size and self._size + len(data) > self._maximum_bytes:
            self._file.close()
            self.path.replace(self.path.with_name(f"{self.path.name}.1"))
            self._file = self.path.open("ab", buffering=0)
            self._size = 0
        self._file.write(data)
        self._size += len(data)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def tail(path: Path, lines: int = 15) -> str:
    """Return the last lines of a log; nothing when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _TAIL_BYTES))
            text = file.read().decode(errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
