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

    async def imported(
        self, instance: str, *, provider: str | None = None
    ) -> Sequence[tuple[str, UpdateId]]:
        """See the port. Rows of release 0.1 lack the time as a column: these are read whole."""
        prefix = key(instance) if provider is None else key(instance, provider)
        place = {"from": prefix + SEPARATOR, "to": prefix + AFTER_SEPARATOR}
        condition = "PartitionKey gt @from and PartitionKey lt @to"
        rows = await self.table.all(
            condition, place, select=["PartitionKey", "RowKey", "importedAt"]
        )
        found, whole = [], []
        for row in rows:
            _, provider_name, name = key_parts(row["PartitionKey"])
            update_id = UpdateId(provider_name, name, _version(row["RowKey"]))
            if row.get("importedAt"):
                found.append((row["importedAt"], update_id))
            else:
                whole.append(update_id)
        for update_id in whole:
            stored_update = await self.get(instance, update_id)
            if stored_update is not None:
                found.append((stored_update.value.imported_at, update_id))
        return found

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
    return {
        "isDeployable": update.is_deployable and update.recall is None,
        "importedAt": update.imported_at,
        **document,
    }


def _version(row: str) -> str:
    return SEPARATOR.join(str(int(part)) for part in row.split(SEPARATOR))
