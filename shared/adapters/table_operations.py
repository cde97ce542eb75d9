"""Long-running operations in Table Storage: partition = instance, row = operation, newest first."""

from __future__ import annotations

from dataclasses import dataclass

from shared.adapters.table import Table, key, pack, stored
from shared.adapters.table_drops import drop_rows
from shared.domain.operation import Operation
from shared.ports import Page, Stored

_RUNNING = " and (status eq 'NotStarted' or status eq 'Running')"
_UNSETTLED = " and (status eq 'NotStarted' or status eq 'Running' or due eq 'events')"


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

    async def list(
        self,
        instance: str,
        token: str | None,
        *,
        size: int = 100,
        kind: str | None = None,
        is_running: bool = False,
        is_unsettled: bool = False,
        newer_than: str | None = None,
    ) -> Page[Stored[Operation]]:
        """See the port."""
        condition = "PartitionKey eq @partition"
        condition += "" if newer_than is None else " and RowKey lt @oldest"
        condition += "" if kind is None else " and kind eq @kind"
        condition += _RUNNING if is_running else ""
        condition += _UNSETTLED if is_unsettled else ""
        parameters = {
            "partition": key(instance),
            "kind": kind or "",
            "oldest": key(newer_than or ""),
        }
        page = await self.table.page(condition, parameters, token=token, size=size)
        return Page([stored(row, Operation) for row in page.items], page.token)

    async def count_running(self, instance: str, *, newer_than: str, up_to: int) -> int:
        """See the port."""
        rows = await self.table.first(
            "PartitionKey eq @partition and RowKey lt @oldest" + _RUNNING,
            {"partition": key(instance), "oldest": key(newer_than)},
            up_to,
            select=["RowKey"],
        )
        return len(rows)

    async def drop_ended(self, instance: str, *, older_than: str, size: int) -> int:
        """See the port."""
        partition = key(instance)
        rows = await self.table.first(
            "PartitionKey eq @partition and RowKey gt @oldest and due eq '' "
            "and (status eq 'Succeeded' or status eq 'Failed')",
            {"partition": partition, "oldest": key(older_than)},
            size,
            select=["RowKey"],
        )
        await drop_rows(self.table, partition, [row["RowKey"] for row in rows])
        return len(rows)


def _row(operation: Operation) -> dict[str, str]:
    return {
        "status": operation.status.value,
        "kind": operation.kind,
        "due": "events" if operation.events else "",
        **pack(operation),
    }
