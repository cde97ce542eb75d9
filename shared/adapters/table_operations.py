"""Long-running operations in Table Storage: partition = instance, row = operation, newest first."""

from __future__ import annotations

from dataclasses import dataclass

from shared.adapters.table import Table, key, pack, stored
from shared.domain.operation import Operation
from shared.ports import Page, Stored


@dataclass(slots=True)
class TableOperations:
    """Implements `ports.Operations`."""

    table: Table

    async def add(self, instance: str, operation: Operation) -> bool:
        """See the port."""
        return await self.table.insert(key(instance), operation.operation_id, _row(operation))

    async def get(self, instance: str, operation_id: str) -> Stored[Operation] | None:
        """See the port."""
        row = await self.table.get(key(instance), key(operation_id))
        return stored(row, Operation) if row else None

    async def save(self, instance: str, operation: Operation, etag: str) -> str:
        """See the port."""
        return await self.table.replace(
            key(instance), operation.operation_id, _row(operation), etag
        )

    async def list(self, instance: str, token: str | None) -> Page[Stored[Operation]]:
        """See the port."""
        page = await self.table.page(
            "PartitionKey eq @partition", {"partition": key(instance)}, token=token, size=100
        )
        return Page([stored(row, Operation) for row in page.items], page.token)


def _row(operation: Operation) -> dict[str, str]:
    return {"status": operation.status.value, "kind": operation.kind, **pack(operation)}
