"""Updates in Table Storage: partition = instance, provider, name; row = version in its order."""

from __future__ import annotations

from dataclasses import dataclass

from shared.adapters.table import AFTER_SEPARATOR, SEPARATOR, Table, key, pack, stored
from shared.domain.update import Update
from shared.domain.update_id import UpdateId
from shared.ports import Page, Stored

_PAGE = 100


@dataclass(slots=True)
class TableUpdates:
    """Implements `ports.Updates`."""

    table: Table

    async def add(self, instance: str, update: Update) -> bool:
        """See the port."""
        return await self.table.insert(
            _partition(instance, update.update_id), _row(update.update_id), pack(update)
        )

    async def get(self, instance: str, update_id: UpdateId) -> Stored[Update] | None:
        """See the port."""
        row = await self.table.get(_partition(instance, update_id), _row(update_id))
        return stored(row, Update) if row else None

    async def list(
        self,
        instance: str,
        *,
        provider: str | None = None,
        name: str | None = None,
        token: str | None = None,
    ) -> Page[Stored[Update]]:
        """See the port."""
        prefix = key(*(part for part in (instance, provider, name) if part is not None))
        if name is not None:
            condition, parameters = "PartitionKey eq @from", {"from": prefix}
        else:
            condition = "PartitionKey gt @from and PartitionKey lt @to"
            parameters = {"from": prefix + SEPARATOR, "to": prefix + AFTER_SEPARATOR}
        page = await self.table.page(condition, parameters, token=token, size=_PAGE)
        return Page([stored(row, Update) for row in page.items], page.token)

    async def save(self, instance: str, update: Update, etag: str) -> str:
        """See the port."""
        return await self.table.replace(
            _partition(instance, update.update_id), _row(update.update_id), pack(update), etag
        )

    async def delete(self, instance: str, update_id: UpdateId) -> None:
        """See the port."""
        await self.table.delete(_partition(instance, update_id), _row(update_id))


def _partition(instance: str, update_id: UpdateId) -> str:
    return key(instance, update_id.provider, update_id.name)


def _row(update_id: UpdateId) -> str:
    return SEPARATOR.join(f"{part:010d}" for part in update_id.version_key)
