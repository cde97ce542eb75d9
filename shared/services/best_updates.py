"""Keeps the best update of every device class beside the class, for compliance reads."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.compliance import best_update
from shared.domain.device_class import DeviceClass, is_compatible
from shared.domain.update import Update
from shared.domain.update_id import UpdateId
from shared.ports import Fleet, Updates


@dataclass(slots=True)
class BestUpdates:
    """The newest deployable update that fits each class."""

    fleet: Fleet
    updates: Updates

    async def published(self, instance: str, update: Update) -> None:
        """Look at the classes that a new or deleted update fits."""
        for known in await self.fleet.classes(instance, with_deleted=True):
            if is_compatible(update.compatibility, known.device_class.properties):
                await self.refresh(instance, known.device_class)

    async def refresh(self, instance: str, device_class: DeviceClass) -> None:
        """Find the best update of one class anew."""
        best = best_update(await self.fitting(instance, device_class))
        await self.fleet.set_best_update(instance, device_class.class_id, best)

    async def fitting(self, instance: str, device_class: DeviceClass) -> list[UpdateId]:
        """Every deployable update that fits a class."""
        found: list[UpdateId] = []
        token: str | None = None
        while True:
            page = await self.updates.list(instance, token=token)
            found += [
                item.value.update_id
                for item in page.items
                if item.value.is_deployable
                and not item.value.is_being_deleted
                and is_compatible(item.value.compatibility, device_class.properties)
            ]
            token = page.token
            if token is None:
                return found
