"""The hub's timeline in Table Storage: one row an instance, in the table of deployments."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.adapters.table import Table, etag_of, key
from shared.domain.errors import ConcurrentUpdate
from shared.ports import Clock
from shared.services.retrying import retry_on_conflict

_ROW = "hub"


@dataclass(slots=True)
class TableHubBudget:
    """Implements `ports.HubBudget`. The row has no group: no list of deployments finds it."""

    table: Table
    clock: Clock

    async def reserve(self, instance: str, seconds: float) -> float:
        """See the port."""
        partition = key(instance)

        async def cycle() -> float:
            row = await self.table.get(partition, _ROW)
            now = datetime.fromisoformat(self.clock.now())
            free = datetime.fromisoformat(str(row["nextFree"])) if row else now
            begins = max(now, free)
            ends = {"nextFree": (begins + timedelta(seconds=seconds)).isoformat()}
            if row is not None:
                await self.table.replace(partition, _ROW, ends, etag_of(row))
            elif not await self.table.insert(partition, _ROW, ends):
                raise ConcurrentUpdate("Another fan-out was the first.")
            return (begins - now).total_seconds()

        return await retry_on_conflict(cycle)
