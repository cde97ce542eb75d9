"""Log collections in Table Storage: partition = instance, row = collection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from shared.adapters.table import Table, key, key_parts, pack, stored, unpack
from shared.domain.fleet.log_collection import LogCollection
from shared.ports import Page, Stored


@dataclass(slots=True)
class TableLogCollections:
    """Implements `ports.LogCollections`."""

    table: Table

    async def add(self, instance: str, collection: LogCollection) -> bool:
        """See the port."""
        return await self.table.insert(
            key(instance), key(collection.collection_id), _row(collection)
        )

    async def get(self, instance: str, collection_id: str) -> Stored[LogCollection] | None:
        """See the port."""
        row = await self.table.get(key(instance), key(collection_id))
        return stored(row, LogCollection) if row else None

    async def save(self, instance: str, collection: LogCollection, etag: str) -> None:
        """See the port."""
        await self.table.replace(
            key(instance), key(collection.collection_id), _row(collection), etag
        )

    async def list(self, instance: str, token: str | None, *, size: int) -> Page[LogCollection]:
        """See the port."""
        page = await self.table.page(
            "PartitionKey eq @partition", {"partition": key(instance)}, token=token, size=size
        )
        return Page([unpack(row, LogCollection) for row in page.items], page.token)

    async def created(self, instance: str) -> Sequence[tuple[str, str]]:
        """See the port. Rows of release 0.1 lack the time as a column: these are read whole."""
        rows = await self.table.all(
            "PartitionKey eq @partition",
            {"partition": key(instance)},
            select=["RowKey", "createdAt"],
        )
        found = []
        for row in rows:
            (identity,) = key_parts(row["RowKey"])
            at = row.get("createdAt")
            if not at:
                whole = await self.get(instance, identity)
                at = whole.value.created_at if whole else ""
            found.append((at, identity))
        return found

    async def waiting(self, instance: str) -> Sequence[LogCollection]:
        """See the port."""
        rows = await self.table.all(
            "PartitionKey eq @partition and isWaiting eq true", {"partition": key(instance)}
        )
        return [unpack(row, LogCollection) for row in rows]


def _row(collection: LogCollection) -> dict[str, Any]:
    return {
        "isWaiting": bool(collection.waiting),
        "createdAt": collection.created_at,
        **pack(collection),
    }
