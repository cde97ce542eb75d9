"""Notes of devices' own deployments in Table Storage, beside the deployments of groups.

Partition = instance alone, row = `own`, hash of the update, device. They have no `startsAt`, and no
group in their partition, so lists of deployments leave them out.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from shared.adapters.table import AFTER_SEPARATOR, SEPARATOR, Table, key, pack, unpack
from shared.domain.fleet.device import device_key
from shared.domain.updates.update_id import UpdateId
from shared.ports import OwnNote, Page

_OWN = "own"
_DIGITS = 32


@dataclass(slots=True)
class TableOwnDeployments:
    """Implements `ports.OwnDeployments`."""

    table: Table

    async def note(self, instance: str, note: OwnNote) -> None:
        """See the port."""
        await self.table.upsert(key(instance), _row(note), pack(note))

    async def notes(
        self, instance: str, update_id: UpdateId | None, token: str | None = None
    ) -> Page[OwnNote]:
        """See the port."""
        prefix = key(_OWN) if update_id is None else key(_OWN, _hash(update_id))
        page = await self.table.page(
            "PartitionKey eq @partition and RowKey gt @from and RowKey lt @to",
            {
                "partition": key(instance),
                "from": prefix + SEPARATOR,
                "to": prefix + AFTER_SEPARATOR,
            },
            token=token,
        )
        return Page([unpack(row, OwnNote) for row in page.items], page.token)

    async def forget(self, instance: str, note: OwnNote) -> None:
        """See the port."""
        await self.table.delete(key(instance), _row(note))


def _hash(update_id: UpdateId) -> str:
    return hashlib.sha256(update_id.path.encode()).hexdigest()[:_DIGITS]


def _row(note: OwnNote) -> str:
    return key(_OWN, _hash(note.update_id), device_key(note.device_id, note.module_id))
