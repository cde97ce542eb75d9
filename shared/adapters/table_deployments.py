"""Deployments in Table Storage: partition = instance and group, row = deployment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.adapters.table import AFTER_SEPARATOR, SEPARATOR, Table, key, pack, stored
from shared.domain.deployment import Deployment
from shared.ports import Stored


@dataclass(slots=True)
class TableDeployments:
    """Implements `ports.Deployments`."""

    table: Table

    async def add(self, instance: str, deployment: Deployment) -> bool:
        """See the port."""
        return await self.table.insert(
            key(instance, deployment.group_id), key(deployment.deployment_id), pack(deployment)
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
            pack(deployment),
            etag,
        )

    async def of_group(self, instance: str, group: str) -> Sequence[Stored[Deployment]]:
        """See the port."""
        rows = await self.table.all(
            "PartitionKey eq @partition", {"partition": key(instance, group)}
        )
        return [stored(row, Deployment) for row in rows]

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
