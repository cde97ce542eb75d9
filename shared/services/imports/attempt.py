"""One try at a stage of an import, and the rule that the newest try is the one that counts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from shared.domain.errors import ConcurrentUpdate, DeviceUpdateError
from shared.domain.operation import Operation
from shared.ports import Clock, Operations, Stored
from shared.services.retrying import retry_on_conflict

_HEARTBEAT_SECONDS = 30.0

log = logging.getLogger(__name__)


class Superseded(DeviceUpdateError):
    """A newer delivery goes on with this work, or it has ended meanwhile."""

    default_code = "Superseded"


class ImportAttempt:
    """Writes the operation of an import as long as no newer try has begun."""

    def __init__(
        self, operations: Operations, clock: Clock, instance: str, stored: Stored[Operation]
    ) -> None:
        self.instance = instance
        self._operations = operations
        self._clock = clock
        self._stored = stored
        self._writing = asyncio.Lock()

    @property
    def operation(self) -> Operation:
        """The operation as this try has written it last."""
        return self._stored.value

    async def save(self, **changes: Any) -> Operation:
        """Change the operation; the new one.

        Raises:
            Superseded: It is no longer for this try to do.
        """
        now = self._clock.now()
        return await self._write(lambda: replace(self.operation, changed_at=now, **changes))

    async def replace(self, operation: Operation) -> Operation:
        """Write the operation as given. Raises Superseded, too."""
        return await self._write(lambda: operation)

    async def _write(self, change: Callable[[], Operation]) -> Operation:
        """Write a change; raises ConcurrentUpdate where others change it at every try."""

        async def cycle() -> Operation:
            operation = change()
            try:
                etag = await self._operations.save(self.instance, operation, self._stored.etag)
            except ConcurrentUpdate:
                await self._read_again()
                raise
            self._stored = Stored(operation, etag)
            return operation

        async with self._writing:
            return await retry_on_conflict(cycle)

    async def _read_again(self) -> None:
        """A repeated request may have lost to itself, and a sweep may have looked by."""
        mine = self.operation
        stored = await self._operations.get(self.instance, mine.operation_id)
        if stored is None or stored.value.is_finished or stored.value.turn != mine.turn:
            raise Superseded("A newer delivery goes on with this import.")
        self._stored = Stored(mine, stored.etag)

    @asynccontextmanager
    async def kept_alive(self) -> AsyncIterator[None]:
        """Within the block the sweep sees that the work goes on, however long it takes."""
        beats = asyncio.create_task(self._beat())
        try:
            yield
        finally:
            beats.cancel()
            await asyncio.wait({beats})

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_HEARTBEAT_SECONDS)
            try:
                await self.save()
            except Superseded:
                return  # the work itself finds out when it writes next
            except DeviceUpdateError as error:
                log.warning("import %s: %s", self.operation.operation_id, error.message)
