"""Deployments in Table Storage: partition = instance and group, row = deployment.

Beside each, the rows of its history: deployment, `log`, workflow, time and number. They have no
`startsAt`, which is how lists of deployments leave them out. The workflow tells them from those of
a deleted deployment of the same id.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import batched

from shared.adapters.table import (
    AFTER_SEPARATOR,
    MAX_TRANSACTION,
    SEPARATOR,
    Operation,
    Row,
    Table,
    change,
    create,
    drop,
    key,
    key_parts,
    pack,
    stored,
    unpack,
)
from shared.domain.errors import ConcurrentUpdate
from shared.domain.fleet.deployment import Deployment
from shared.domain.rollouts.transition import Transition
from shared.ports import Page, Stored

_OF_GROUP = "PartitionKey eq @partition and startsAt ge ''"
_LOG = "log"


@dataclass(slots=True)
class TableDeployments:
    """Implements `ports.Deployments`."""

    table: Table

    async def add(
        self, instance: str, deployment: Deployment, transitions: Sequence[Transition] = ()
    ) -> bool:
        """See the port."""
        place = key(instance, deployment.group_id), key(deployment.deployment_id)
        if not transitions:
            return await self.table.insert(*place, _row(deployment))
        try:
            await self.table.transact(
                [create(*place, _row(deployment)), *_log(instance, deployment, transitions)]
            )
        except ConcurrentUpdate:
            return False
        return True

    async def get(self, instance: str, group: str, deployment_id: str) -> Stored[Deployment] | None:
        """See the port."""
        row = await self.table.get(key(instance, group), key(deployment_id))
        return stored(row, Deployment) if row else None

    async def save(
        self,
        instance: str,
        deployment: Deployment,
        etag: str,
        transitions: Sequence[Transition] = (),
    ) -> None:
        """See the port."""
        place = key(instance, deployment.group_id), key(deployment.deployment_id)
        if not transitions:
            await self.table.replace(*place, _row(deployment), etag)
            return
        await self.table.transact(
            [change(*place, _row(deployment), etag), *_log(instance, deployment, transitions)]
        )

    async def of_group(self, instance: str, group: str) -> Sequence[Stored[Deployment]]:
        """See the port."""
        rows = await self.table.all(_OF_GROUP, {"partition": key(instance, group)})
        return [stored(row, Deployment) for row in rows]

    async def page(
        self, instance: str, group: str, *, token: str | None, size: int
    ) -> Page[Stored[Deployment]]:
        """See the port."""
        page = await self.table.page(
            _OF_GROUP,
            {"partition": key(instance, group)},
            token=token,
            size=size,
        )
        return Page([stored(row, Deployment) for row in page.items], page.token)

    async def starts(self, instance: str, group: str) -> Sequence[tuple[str, str]]:
        """See the port."""
        rows = await self.table.all(
            _OF_GROUP,
            {"partition": key(instance, group)},
            select=["RowKey", "startsAt"],
        )
        return [(row["startsAt"], key_parts(row["RowKey"])[0]) for row in rows]

    async def count(self, instance: str, group: str, up_to: int) -> int:
        """See the port."""
        rows = await self.table.first(
            _OF_GROUP,
            {"partition": key(instance, group)},
            up_to,
            select=["RowKey"],
        )
        return len(rows)

    async def of_instance(self, instance: str) -> Sequence[Stored[Deployment]]:
        """See the port."""
        prefix = key(instance)
        rows = await self.table.all(
            "PartitionKey gt @from and PartitionKey lt @to and startsAt ge ''",
            {"from": prefix + SEPARATOR, "to": prefix + AFTER_SEPARATOR},
        )
        return [stored(row, Deployment) for row in rows]

    async def history(
        self, instance: str, deployment: Deployment, *, token: str | None, size: int
    ) -> Page[Transition]:
        """See the port."""
        prefix = key(deployment.deployment_id, _LOG, deployment.workflow_id)
        page = await self.table.page(
            *_below(key(instance, deployment.group_id), prefix), token=token, size=size
        )
        return Page([unpack(row, Transition) for row in page.items], page.token)

    async def delete(self, instance: str, group: str, deployment_id: str) -> None:
        """See the port."""
        partition = key(instance, group)
        rows = await self.table.all(*_below(partition, key(deployment_id, _LOG)), select=["RowKey"])
        for some in batched(rows, MAX_TRANSACTION, strict=False):
            await self._forget(partition, some)
        await self.table.delete(partition, key(deployment_id))

    async def _forget(self, partition: str, rows: Sequence[Row]) -> None:
        try:
            await self.table.transact([drop(partition, row["RowKey"]) for row in rows])
        except ConcurrentUpdate:  # another deletion was at it
            for row in rows:
                await self.table.delete(partition, row["RowKey"])


def _below(partition: str, prefix: str) -> tuple[str, dict[str, str]]:
    """Condition and parameters for the rows whose keys begin with a prefix and more."""
    return "PartitionKey eq @partition and RowKey gt @from and RowKey lt @to", {
        "partition": partition,
        "from": prefix + SEPARATOR,
        "to": prefix + AFTER_SEPARATOR,
    }


def _log(
    instance: str, deployment: Deployment, transitions: Sequence[Transition]
) -> list[Operation]:
    partition = key(instance, deployment.group_id)
    prefix = (deployment.deployment_id, _LOG, deployment.workflow_id)
    return [
        create(partition, key(*prefix, item.at, str(index)), pack(item))
        for index, item in enumerate(transitions)
    ]


def _row(deployment: Deployment) -> dict[str, str]:
    return {"startsAt": deployment.starts_at, **pack(deployment)}
