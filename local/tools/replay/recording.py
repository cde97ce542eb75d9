"""Recorded events on disk: one a line, read in any order without keeping them in memory."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self


class Channel(StrEnum):
    """Which way an event leaves the hub."""

    STREAM = "stream"
    """A routed message, to the event hub."""
    GRID = "grid"
    """An event for Event Grid."""


class Event(NamedTuple):
    """One event; `body` is JSON."""

    channel: Channel
    body: bytes


class Recording:
    """Events in the order in which they were written; a context manager."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("w+b")
        self._offsets = array("Q")

    def __enter__(self) -> Self:
        """Give the recording."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._file.close()

    def __len__(self) -> int:
        """Events so far."""
        return len(self._offsets)

    def append(self, event: Event) -> None:
        """Write one more event."""
        self._offsets.append(self._file.seek(0, os.SEEK_END))
        self._file.write(b"%s %s\n" % (event.channel.encode(), event.body))

    def __getitem__(self, index: int) -> Event:
        """The event at a position."""
        self._file.seek(self._offsets[index])
        channel, _, body = self._file.readline().partition(b" ")
        return Event(Channel(channel.decode()), body.rstrip())

    def __iter__(self) -> Iterator[Event]:
        """All events in their order."""
        return (self[index] for index in range(len(self)))
