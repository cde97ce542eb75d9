"""Keeps the bytes done of an import readable in its operation while it runs."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any

from shared.domain.operation import Operation
from shared.ports import Clock, Operations, Stored

_SECONDS_BETWEEN_WRITES = 1.0


class Progress:
    """Counts fetched bytes and writes them down about once a second."""

    def __init__(
        self, operations: Operations, clock: Clock, instance: str, stored: Stored[Operation]
    ) -> None:
        self._operations = operations
        self._clock = clock
        self._instance = instance
        self._stored = stored
        self._done = 0
        self._written_at = 0.0
        self._writing = asyncio.Lock()

    async def expect(self, total: int) -> None:
        """Say how many bytes there are in all."""
        await self._write(bytes_done=0, bytes_total=total)

    async def add(self, count: int) -> None:
        """Count bytes as done."""
        self._done += count
        due = time.monotonic() - self._written_at >= _SECONDS_BETWEEN_WRITES
        if due and not self._writing.locked():
            await self._write(bytes_done=self._done)

    async def _write(self, **changes: Any) -> None:
        async with self._writing:
            self._written_at = time.monotonic()
            changed_at = self._clock.now()
            operation = replace(self._stored.value, changed_at=changed_at, **changes)
            etag = await self._operations.save(self._instance, operation, self._stored.etag)
            self._stored = Stored(operation, etag)
