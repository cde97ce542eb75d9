"""One search over everything that has a name; devices are found by their whole id."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from shared.domain.fleet.device import bucket_of, device_key, view
from shared.domain.updates.update_filter import UpdateFilter, words_of
from shared.ports import Deployments, Devices, Fleet, Updates
from shared.services.updates.lists import UpdateLists

MOST_OF_A_KIND = 10

type Kind = Literal["device", "group", "deviceClass", "deployment", "update"]


@dataclass(frozen=True, slots=True)
class Hit:
    """Something found. `path` is where the API has it, below the instance."""

    kind: Kind
    identity: str
    title: str
    path: str


@dataclass(slots=True)
class Search:
    """Finds things by parts of their names, whatever their kind."""

    devices: Devices
    fleet: Fleet
    deployments: Deployments
    updates: Updates

    async def updates_like(self, instance: str, text: str) -> list[Hit]:
        """Updates that have every word in their names or descriptions."""
        page = await UpdateLists(self.updates).page(
            instance,
            UpdateFilter(words=words_of(text)),
            token=None,
            size=MOST_OF_A_KIND,
        )
        return [
            Hit(
                "update",
                str(item.value.update_id),
                item.value.friendly_name or str(item.value.update_id),
                item.value.update_id.path,
            )
            for item in page.items
        ]

    async def managed_like(self, instance: str, text: str) -> list[Hit]:
        """Devices, groups, classes and deployments: the best known first."""
        wanted = text.casefold()
        found = await self._device(instance, text)
        for hits in (
            _groups(wanted, [item.group_id for item in await self.fleet.groups(instance)]),
            await self._classes(instance, wanted),
            await self._deployments(instance, wanted),
        ):
            found += list(hits)[:MOST_OF_A_KIND]
        return found

    async def _device(self, instance: str, device_id: str) -> list[Hit]:
        key = device_key(device_id, None)
        rows = await self.devices.load(instance, bucket_of(device_id), [key])
        if key not in rows or view(rows[key].value).device_class is None:
            return []
        return [Hit("device", device_id, device_id, f"management/devices/{device_id}")]

    async def _classes(self, instance: str, wanted: str) -> list[Hit]:
        found = []
        for known in await self.fleet.classes(instance):
            identity = known.device_class.class_id
            properties = " ".join(known.device_class.properties.values())
            title = known.friendly_name or properties
            if wanted in f"{identity} {title} {properties}".casefold():
                path = f"management/deviceClasses/{identity}"
                found.append(Hit("deviceClass", identity, title, path))
        return found

    async def _deployments(self, instance: str, wanted: str) -> list[Hit]:
        return [
            Hit(
                "deployment",
                item.value.deployment_id,
                f"{item.value.deployment_id}: {item.value.update_id} to {item.value.group_id}",
                f"management/groups/{item.value.group_id}/deployments/{item.value.deployment_id}",
            )
            for item in await self.deployments.of_instance(instance)
            if wanted in item.value.deployment_id.casefold()
        ]


def _groups(wanted: str, names: list[str]) -> Iterator[Hit]:
    for name in names:
        if wanted in name.casefold():
            yield Hit("group", name, name, f"management/groups/{name}")
