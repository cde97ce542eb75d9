"""Counts of refused events in Table Storage: one row, beside the reports of recounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shared.adapters.table import Table, columns, create, document, key, stored
from shared.adapters.table import change as replace_row
from shared.domain.refused_events import Refusal, RefusedEvents

_PARTITION = key("", "refused")
"""Begins with the separator, which the key of no instance does."""
_ROW = "events"


@dataclass(slots=True)
class TableRefusals:
    """Implements `ports.RefusalCounts`."""

    table: Table

    async def add(self, counts: Mapping[Refusal, int], at: str) -> None:
        """See the port."""
        row = await self.table.get(_PARTITION, _ROW)
        found = stored(row, list[RefusedEvents]) if row else None
        known = {item.reason: item for item in found.value} if found else {}
        for reason, count in counts.items():
            before = known[reason].count if reason in known else 0
            known[reason] = RefusedEvents(reason, before + count, at)
        properties = columns(document([known[reason] for reason in sorted(known)]))
        if found is None:
            operation = create(_PARTITION, _ROW, properties)
        else:
            operation = replace_row(_PARTITION, _ROW, properties, found.etag)
        await self.table.transact([operation])

    async def list(self) -> Sequence[RefusedEvents]:
        """See the port."""
        row = await self.table.get(_PARTITION, _ROW)
        return stored(row, list[RefusedEvents]).value if row else []
