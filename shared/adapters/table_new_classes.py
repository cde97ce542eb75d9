"""New device classes in Table Storage: the rows of classes, and one partition of who waits.

Partition = instance for classes (see `table_fleet`), instance and `held` for devices that wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared.adapters.table import Table, key, pack, unpack
from shared.domain.fleet.device import device_key
from shared.domain.fleet.device_class import DeviceClass
from shared.ports import Clock, HeldDevice

_HELD = "held"


@dataclass(slots=True)
class TableNewClasses:
    """Implements `ports.NewClasses`."""

    table: Table
    clock: Clock

    async def is_known(self, instance: str, class_id: str) -> bool:
        """See the port."""
        return await self.table.get(key(instance), class_id) is not None

    async def add(self, instance: str, device_class: DeviceClass) -> None:
        """See the port."""
        row = {"createdAt": self.clock.now(), **pack(device_class)}
        await self.table.insert(key(instance), device_class.class_id, row)

    async def count(self, instance: str, since: str, up_to: int) -> int:
        """See the port."""
        rows = await self.table.first(
            "PartitionKey eq @partition and createdAt ge @since",
            {"partition": key(instance), "since": since},
            up_to,
            select=["RowKey"],
        )
        return len(rows)

    async def hold(self, instance: str, device: HeldDevice) -> None:
        """See the port."""
        row = key(device_key(device.device_id, device.module_id))
        await self.table.upsert(key(instance, _HELD), row, pack(device))

    async def held(self, instance: str, size: int) -> Sequence[HeldDevice]:
        """See the port."""
        rows = await self.table.first(
            "PartitionKey eq @partition", {"partition": key(instance, _HELD)}, size
        )
        return [unpack(row, HeldDevice) for row in rows]

    async def release(self, instance: str, device_id: str, module_id: str | None) -> None:
        """See the port."""
        await self.table.delete(key(instance, _HELD), key(device_key(device_id, module_id)))
