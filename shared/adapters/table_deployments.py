"""Deployments in Table Storage: partition = instance and group, row = deployment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.adapters.table import (
    AFTER_SEPARATOR,
    SEPARATOR,
    Table,
    key,
    key_parts,
    pack,
    stored,
)
from shared.domain.fleet.deployment import Deployment
from shared.ports import Page, Stored


@dataclass(slots=True)
class TableDeployments:
    """Implements `ports.Deployments`."""

    table: Table

    async def add(self, instance: str, deployment: Deployment) -> bool:
        """See the port."""
        return await self.table.insert(
            key(instance, deployment.group_id), key(deployment.deployment_id), _row(deployment)
        )

    async def get(self, instance: str, group: str, deployment_id: str) -> Stored[Deployment] | None:
        """See the port."""
        row = await self.table.get(key(instance, group), key(deployment_id))
        return stored(row, Deployment) if row else None

    async def save(self, instance: str, deployment: Deployment, etag: str) -> None:
        """See the port."""
        await self.table.replace(
            key(instance, deployment.group_id),
            key(deployment.deployment_id),
            _row(deployment),
            etag,
        )

    async def of_group(self, instance: str, group: str) -> Sequence[Stored[Deployment]]:
        """See the port."""
        rows = await self.table.all(
            "PartitionKey eq @partition", {"partition": key(instance, group)}
        )
        return [stored(row, Deployment) for row in rows]

    async def page(
        self, instance: str, group: str, *, token: str | None, size: int
    ) -> Page[Stored[Deployment]]:
        """See the port."""
        page = await self.table.page(
            "PartitionKey eq @partition",
            {"partition": key(instance, group)},
            token=token,
            size=size,
        )
        return Page([stored(row, Deployment) for row in page.items], page.token)

    async def starts(self, instance: str, group: str) -> Sequence[tuple[str, str]]:
        """See the port."""
        rows = await self.table.all(
            "PartitionKey eq @partition",
            {"partition": key(instance, group)},
            select=["RowKey", "startsAt"],
        )
        return [(row["startsAt"], key_parts(row["RowKey"])[0]) for row in rows]

    async def count(self, instance: str, group: str, up_to: int) -> int:
        """See the port."""
        rows = await self.table.first(
            "PartitionKey eq @partition",
            {"partition": key(instance, group)},
            up_to,
            select=["RowKey"],
        )
        return len(rows)

    async def of_instance(self, instance: str) -> Sequence[Stored[Deployment]]:
        """See the port."""
        prefix = key(instance)
        rows = await self.table.all(
            "PartitionKey gt @from and PartitionKey lt @to",
            {"from": prefix + SEPARATOR, "to": prefix + AFTER_SEPARATOR},
        )
        return [stored(row, Deployment) for row in rows]

    async def delete(self, instance: str, group: str, deployment_id: str) -> None:
        """See the port."""
        await self.table.delete(key(instance, group), key(deployment_id))


def _row(deployment: Deployment) -> dict[str, str]:
    return {"startsAt": deployment.starts_at, **pack(deployment)}
