"""Keeps how far an import is readable in its operation while it runs."""

from __future__ import annotations

import time

from shared.services.imports.attempt import ImportAttempt

_SECONDS_BETWEEN_WRITES = 1.0


class Progress:
    """Adds up how far the files are and writes it down about once a second.

    A file that has to be begun anew takes nothing back: the sum waits until it is reached again.
    """

    def __init__(self, attempt: ImportAttempt) -> None:
        self._try = attempt
        self._reached: dict[str, int] = {}
        self._due_at = time.monotonic() + _SECONDS_BETWEEN_WRITES

    async def begin(self, size: int, files: int) -> None:
        """Say how many bytes and files there are in all."""
        await self._write(bytes_total=size, files_total=files, missing=(), missing_updates=())

    async def reach(self, name: str, size: int) -> None:
        """So many bytes of a file are done."""
        self._reached[name] = size
        if time.monotonic() >= self._due_at:
            await self._write()

    async def scanned(self, files: int) -> None:
        """So many files are scanned."""
        if time.monotonic() >= self._due_at:
            await self._write(files_scanned=files)

    async def end(self) -> None:
        """Everything is done."""
        await self._write()

    async def _write(self, **changes: object) -> None:
        self._due_at = time.monotonic() + _SECONDS_BETWEEN_WRITES
        before = self._try.operation.bytes_done
        await self._try.save(bytes_done=max(before, sum(self._reached.values())), **changes)
