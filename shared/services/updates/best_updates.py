"""Keeps the best update of every device class beside the class, for compliance reads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from shared.domain.fleet.compliance import best_update
from shared.domain.fleet.device_class import DeviceClass, is_compatible
from shared.domain.updates.update import Update
from shared.domain.updates.update_id import UpdateId
from shared.ports import Fleet, Updates
from shared.services.paging import every


@dataclass(slots=True)
class BestUpdates:
    """The newest deployable update that fits each class."""

    fleet: Fleet
    updates: Updates

    async def published(self, instance: str, update: Update) -> None:
        """Look at the classes that a new or deleted update fits."""
        known = [
            item.device_class for item in await self.fleet.classes(instance, with_deleted=True)
        ]
        await self.refresh(
            instance,
            *(each for each in known if is_compatible(update.compatibility, each.properties)),
        )

    async def refresh(self, instance: str, *device_classes: DeviceClass) -> None:
        """Find the best update of some classes anew; the updates are read once."""
        if not device_classes:
            return
        fitting: dict[str, list[UpdateId]] = {each.class_id: [] for each in device_classes}
        async for update in self._deployable(instance):
            for each in device_classes:
                if is_compatible(update.compatibility, each.properties):
                    fitting[each.class_id].append(update.update_id)
        for class_id, found in fitting.items():
            await self.fleet.set_best_update(instance, class_id, best_update(found))

    async def fitting(self, instance: str, device_class: DeviceClass) -> list[UpdateId]:
        """Every deployable update that fits a class."""
        return [
            update.update_id
            async for update in self._deployable(instance)
            if is_compatible(update.compatibility, device_class.properties)
        ]

    async def _deployable(self, instance: str) -> AsyncIterator[Update]:
        async for item in every(lambda token: self.updates.list(instance, token=token)):
            if item.value.is_offered:
                yield item.value
