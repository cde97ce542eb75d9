"""Updates in Table Storage: partition = instance, provider, name; row = version in its order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.adapters.table import (
    AFTER_SEPARATOR,
    MAX_DOCUMENT_UNITS,
    MAX_PAGE,
    SEPARATOR,
    Table,
    key,
    key_parts,
    pack,
    stored,
)
from shared.domain.errors import InvalidInput, LimitExceeded
from shared.domain.updates.update import Update
from shared.domain.updates.update_id import UpdateId
from shared.ports import Page, Stored

_DEPLOYABLE = " and isDeployable eq @deployable"


@dataclass(slots=True)
class TableUpdates:
    """Implements `ports.Updates`."""

    table: Table

    async def add(self, instance: str, update: Update) -> bool:
        """See the port."""
        return await self.table.insert(
            _partition(instance, update.update_id),
            _row(update.update_id),
            _properties(update),
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
        is_deployable: bool | None = None,
        token: str | None = None,
        size: int = 100,
    ) -> Page[Stored[Update]]:
        """See the port."""
        prefix = key(*(part for part in (instance, provider, name) if part is not None))
        parameters: dict[str, str | bool] = {"from": prefix}
        condition = "PartitionKey eq @from"
        if name is None:
            condition = "PartitionKey gt @from and PartitionKey lt @to"
            parameters = {"from": prefix + SEPARATOR, "to": prefix + AFTER_SEPARATOR}
        if is_deployable is not None:
            condition += _DEPLOYABLE
            parameters["deployable"] = is_deployable
        page = await self.table.page(condition, parameters, token=token, size=size)
        return Page([stored(row, Update) for row in page.items], page.token)

    async def save(self, instance: str, update: Update, etag: str) -> str:
        """See the port."""
        return await self.table.replace(
            _partition(instance, update.update_id),
            _row(update.update_id),
            _properties(update),
            etag,
        )

    async def names(
        self, instance: str, provider: str | None = None, *, after: str | None, size: int
    ) -> Sequence[str]:
        """See the port. Costs a request for each name, or for a thousand updates, whichever is
        less.
        """
        above = (instance,) if provider is None else (instance, provider)
        end = key(*above) + AFTER_SEPARATOR
        start = key(*above) + SEPARATOR
        found: list[str] = []
        while len(found) < size:
            if after is not None:
                start = key(*above, after) + (AFTER_SEPARATOR if provider is None else "")
            rows = await self.table.first(
                "PartitionKey gt @from and PartitionKey lt @to",
                {"from": start, "to": end},
                MAX_PAGE,
                select=["PartitionKey"],
            )
            names = [key_parts(row["PartitionKey"])[len(above)] for row in rows]
            found += dict.fromkeys(names)
            if len(rows) < MAX_PAGE:
                break
            after = names[-1]
        return found[:size]

    async def versions(
        self,
        instance: str,
        provider: str,
        name: str,
        *,
        is_deployable: bool | None = None,
        token: str | None = None,
        size: int = 100,
    ) -> Page[str]:
        """See the port."""
        condition = "PartitionKey eq @partition"
        condition += "" if is_deployable is None else _DEPLOYABLE
        page = await self.table.page(
            condition,
            {"partition": key(instance, provider, name), "deployable": bool(is_deployable)},
            token=token,
            size=size,
            select=["RowKey"],
        )
        return Page([_version(row["RowKey"]) for row in page.items], page.token)

    async def delete(self, instance: str, update_id: UpdateId) -> None:
        """See the port."""
        await self.table.delete(_partition(instance, update_id), _row(update_id))


def _partition(instance: str, update_id: UpdateId) -> str:
    return key(instance, update_id.provider, update_id.name)


def _row(update_id: UpdateId) -> str:
    return SEPARATOR.join(f"{part:010d}" for part in update_id.version_key)


def _properties(update: Update) -> dict[str, str | bool]:
    try:
        document = pack(update)
    except InvalidInput as error:
        raise LimitExceeded(
            f"What is kept of update '{update.update_id}', its manifest above all, is larger than "
            f"the limit row_characters of {MAX_DOCUMENT_UNITS:,}.",
            target="",
        ) from error
    return {"isDeployable": update.is_deployable and update.recall is None, **document}


def _version(row: str) -> str:
    return SEPARATOR.join(str(int(part)) for part in row.split(SEPARATOR))
