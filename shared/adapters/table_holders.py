"""Who holds which device properties, in Table Storage: partition = instance, row = their hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

from shared.adapters.table import Table, key, pack, stored
from shared.domain.errors import ConcurrentUpdate
from shared.domain.updates.update_id import Family
from shared.ports import Stored


@dataclass(slots=True)
class TableHolders:
    """Implements `ports.Holders`."""

    table: Table

    async def of(
        self, instance: str, properties: Mapping[str, str]
    ) -> Stored[tuple[Family, ...]] | None:
        """See the port."""
        row = await self.table.get(key(instance), _row(properties))
        return stored(row, tuple[Family, ...]) if row else None

    async def save(
        self,
        instance: str,
        properties: Mapping[str, str],
        holders: tuple[Family, ...],
        etag: str | None,
    ) -> None:
        """See the port."""
        partition, row = key(instance), _row(properties)
        if etag is not None:
            await self.table.replace(partition, row, pack(holders), etag)
        elif not await self.table.insert(partition, row, pack(holders)):
            raise ConcurrentUpdate("The row was added meanwhile.")


def _row(properties: Mapping[str, str]) -> str:
    text = json.dumps(sorted(properties.items()))
    return hashlib.sha256(text.encode()).hexdigest()
