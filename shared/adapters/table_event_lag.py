"""The lag of events in Table Storage, beside the reports of recounts: row = instance."""

from __future__ import annotations

from dataclasses import dataclass

from shared.adapters.table import Table, key, pack, unpack
from shared.domain.event_lag import EventLag

_PARTITION = key("", "lag")
"""Begins with the separator, which the key of no instance does."""


@dataclass(slots=True)
class TableEventLags:
    """Implements `ports.EventLags`."""

    table: Table

    async def save(self, instance: str, lag: EventLag) -> None:
        """See the port."""
        await self.table.upsert(_PARTITION, key(instance), pack(lag))

    async def get(self, instance: str) -> EventLag | None:
        """See the port."""
        row = await self.table.get(_PARTITION, key(instance))
        return unpack(row, EventLag) if row else None
