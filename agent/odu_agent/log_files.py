"""Finds the log files that are worth uploading."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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
