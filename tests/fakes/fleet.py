"""Groups, classes, deployments and the budget of the hub in memory."""

from __future__ import annotations

import asyncio
from collections.abc import (
    Mapping,
    Sequence,
    Set,
)
from dataclasses import replace
from datetime import datetime, timedelta

from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device_class import DeviceClass
from shared.domain.fleet.kept import Kept
from shared.domain.fleet.listing import ListedDevice, Selection
from shared.domain.rollouts.transition import Transition
from shared.domain.updates.update_id import UpdateId
from shared.ports import (
    HeldDevice,
    KnownClass,
    KnownGroup,
    LastRollup,
    OwnNote,
    Page,
    Rollup,
    Stored,
)
from tests.fakes.clock import FixedClock
from tests.fakes.rows import Rows, page_of, row_key


class MemoryFleet:
    def __init__(self, clock: FixedClock) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, str], set[int]] = {}
        self._groups: dict[tuple[str, str], KnownGroup] = {}
        self.known_classes: dict[tuple[str, str], KnownClass] = {}
        self._rollups: dict[tuple[str, str], Rollup] = {}
        self._deleted: set[tuple[str, ...]] = set()
        self.unindexed: set[str] = set()

    async def ensure_known(
        self, instance: str, group: str, bucket: int, device_class: DeviceClass
    ) -> bool:
        await asyncio.sleep(0)
        now = self._clock.now()
        self._buckets.setdefault((instance, group), set()).add(bucket)
        self._groups.setdefault((instance, group), KnownGroup(group, now))
        place = (instance, device_class.class_id)
        is_new = place not in self.known_classes
        self.known_classes.setdefault(place, KnownClass(device_class, now))
        return is_new

    async def buckets(self, instance: str, group: str) -> Sequence[int]:
        await asyncio.sleep(0)
        return sorted(self._buckets.get((instance, group), ()))

    async def is_indexed(self, instance: str) -> bool:
        return instance not in self.unindexed

    async def set_indexed(self, instance: str) -> None:
        self.unindexed.discard(instance)

    async def groups(self, instance: str, *, with_deleted: bool = False) -> Sequence[KnownGroup]:
        await asyncio.sleep(0)
        return [
            group
            for place, group in sorted(self._groups.items(), key=row_key)
            if place[0] == instance and (with_deleted or ("group", *place) not in self._deleted)
        ]

    async def classes(self, instance: str, *, with_deleted: bool = False) -> Sequence[KnownClass]:
        await asyncio.sleep(0)
        return [
            item
            for place, item in sorted(self.known_classes.items(), key=row_key)
            if place[0] == instance and (with_deleted or ("class", *place) not in self._deleted)
        ]

    async def rename_class(self, instance: str, class_id: str, friendly_name: str) -> None:
        await asyncio.sleep(0)
        known = self.known_classes[instance, class_id]
        self.known_classes[instance, class_id] = replace(known, friendly_name=friendly_name)

    async def delete_class(self, instance: str, class_id: str) -> None:
        await asyncio.sleep(0)
        self._deleted.add(("class", instance, class_id))

    async def delete_group(self, instance: str, group: str) -> None:
        await asyncio.sleep(0)
        self._deleted.add(("group", instance, group))
        self._rollups.pop((instance, group), None)

    async def delete_subgroup(self, instance: str, group: str, class_id: str) -> None:
        await asyncio.sleep(0)
        self._deleted.add(("subgroup", instance, group, class_id))

    async def revive(self, instance: str, group: str, present: Set[str]) -> Set[str] | None:
        await asyncio.sleep(0)
        if ("group", instance, group) in self._deleted:
            if not present:
                return None
            self._deleted.remove(("group", instance, group))
            self._groups[instance, group] = KnownGroup(group, self._clock.now())
        for class_id in present:
            if ("class", instance, class_id) in self._deleted:
                self._deleted.remove(("class", instance, class_id))
                known = self.known_classes[instance, class_id]
                self.known_classes[instance, class_id] = replace(
                    known, created_at=self._clock.now(), friendly_name=None
                )
            self._deleted.discard(("subgroup", instance, group, class_id))
        marks = (mark for mark in self._deleted if mark[:3] == ("subgroup", instance, group))
        return {mark[3] for mark in marks}

    async def drop_rollup(self, instance: str, group: str) -> None:
        await asyncio.sleep(0)
        self._rollups.pop((instance, group), None)

    async def class_page(
        self, instance: str, friendly_name: str | None, *, token: str | None, size: int
    ) -> Page[KnownClass]:
        classes = await self.classes(instance)
        wanted = [item for item in classes if friendly_name in (None, item.friendly_name)]
        return page_of(wanted, token, size)

    async def set_best_update(self, instance: str, class_id: str, best: UpdateId | None) -> None:
        await asyncio.sleep(0)
        known = self.known_classes[instance, class_id]
        self.known_classes[instance, class_id] = replace(
            known, best_update=best, is_best_known=True
        )

    async def save_rollup(self, instance: str, group: str, rollup: Rollup) -> None:
        await asyncio.sleep(0)
        known = self._rollups.get((instance, group))
        if known is None or known.as_of < rollup.as_of:
            self._rollups[instance, group] = rollup

    async def last_rollup(self, instance: str, group: str) -> LastRollup | None:
        await asyncio.sleep(0)
        known = self._rollups.get((instance, group))
        if known is None:
            return None
        return LastRollup(
            known.as_of,
            known.buckets,
            still_since=known.still_since,
            wake_at=known.wake_at,
            judged_by=known.judged_by,
            is_quiet=known.is_quiet,
            devices=known.devices,
            kept=known.kept,
        )

    async def rollups(self, instance: str, group: str | None = None) -> Mapping[str, Rollup]:
        await asyncio.sleep(0)
        return {
            name: rollup
            for (owner, name), rollup in self._rollups.items()
            if owner == instance and group in (None, name)
        }


class MemoryNewClasses:
    """The classes of a `MemoryFleet` as they come."""

    def __init__(self, fleet: MemoryFleet, clock: FixedClock) -> None:
        self._fleet, self._clock = fleet, clock
        self.waiting: dict[tuple[str, str, str | None], HeldDevice] = {}

    async def is_known(self, instance: str, class_id: str) -> bool:
        await asyncio.sleep(0)
        return (instance, class_id) in self._fleet.known_classes

    async def add(self, instance: str, device_class: DeviceClass) -> None:
        await asyncio.sleep(0)
        known = KnownClass(device_class, self._clock.now())
        self._fleet.known_classes.setdefault((instance, device_class.class_id), known)

    async def count(self, instance: str, since: str, up_to: int) -> int:
        await asyncio.sleep(0)
        known = self._fleet.known_classes.items()
        return min(up_to, sum(p[0] == instance and i.created_at >= since for p, i in known))

    async def hold(self, instance: str, device: HeldDevice) -> None:
        await asyncio.sleep(0)
        self.waiting[instance, device.device_id, device.module_id] = device

    async def held(self, instance: str, size: int) -> Sequence[HeldDevice]:
        await asyncio.sleep(0)
        return [item for place, item in self.waiting.items() if place[0] == instance][:size]

    async def release(self, instance: str, device_id: str, module_id: str | None) -> None:
        await asyncio.sleep(0)
        self.waiting.pop((instance, device_id, module_id), None)


class MemoryOwnDeployments:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, UpdateId, str, str | None], OwnNote] = {}

    async def note(self, instance: str, note: OwnNote) -> None:
        await asyncio.sleep(0)
        self.rows[instance, note.update_id, note.device_id, note.module_id] = note

    async def notes(
        self, instance: str, update_id: UpdateId | None, token: str | None = None
    ) -> Page[OwnNote]:
        await asyncio.sleep(0)
        rows = [note for place, note in self.rows.items() if place[0] == instance]
        return page_of([note for note in rows if update_id in (None, note.update_id)], token, 2)

    async def forget(self, instance: str, note: OwnNote) -> None:
        await asyncio.sleep(0)
        self.rows.pop((instance, note.update_id, note.device_id, note.module_id), None)


class MemoryHubBudget:
    """A timeline of commands, in seconds of a clock."""

    def __init__(self, clock: FixedClock) -> None:
        self._clock = clock
        self._free: dict[str, datetime] = {}

    async def reserve(self, instance: str, seconds: float) -> float:
        await asyncio.sleep(0)
        now = datetime.fromisoformat(self._clock.now())
        begins = max(now, self._free.get(instance, now))
        self._free[instance] = begins + timedelta(seconds=seconds)
        return (begins - now).total_seconds()


class MemoryDeployments:
    def __init__(self) -> None:
        self._rows = Rows[tuple[str, str, str], Deployment]()
        self._history: dict[tuple[str, str], list[Transition]] = {}

    async def add(
        self, instance: str, deployment: Deployment, transitions: Sequence[Transition] = ()
    ) -> bool:
        await asyncio.sleep(0)
        if not self._rows.insert(
            (instance, deployment.group_id, deployment.deployment_id), deployment
        ):
            return False
        self._history[(instance, deployment.workflow_id)] = [*transitions]
        return True

    async def get(self, instance: str, group: str, deployment_id: str) -> Stored[Deployment] | None:
        await asyncio.sleep(0)
        return self._rows.get((instance, group, deployment_id))

    async def save(
        self,
        instance: str,
        deployment: Deployment,
        etag: str,
        transitions: Sequence[Transition] = (),
    ) -> None:
        await asyncio.sleep(0)
        self._rows.replace(
            (instance, deployment.group_id, deployment.deployment_id), deployment, etag
        )
        self._history.setdefault((instance, deployment.workflow_id), []).extend(transitions)

    async def history(
        self, instance: str, deployment: Deployment, *, token: str | None, size: int
    ) -> Page[Transition]:
        await asyncio.sleep(0)
        return page_of(self._history[(instance, deployment.workflow_id)], token, size)

    async def of_group(self, instance: str, group: str) -> Sequence[Stored[Deployment]]:
        await asyncio.sleep(0)
        rows = sorted(self._rows.items(), key=row_key)
        return [row for place, row in rows if place[:2] == (instance, group)]

    async def page(
        self, instance: str, group: str, *, token: str | None, size: int
    ) -> Page[Stored[Deployment]]:
        return page_of(await self.of_group(instance, group), token, size)

    async def starts(self, instance: str, group: str) -> Sequence[tuple[str, str]]:
        rows = await self.of_group(instance, group)
        return [(row.value.starts_at, row.value.deployment_id) for row in rows]

    async def count(self, instance: str, group: str, up_to: int) -> int:
        return min(up_to, len(await self.of_group(instance, group)))

    async def of_instance(self, instance: str) -> Sequence[Stored[Deployment]]:
        await asyncio.sleep(0)
        return [
            row for place, row in sorted(self._rows.items(), key=row_key) if place[0] == instance
        ]

    async def delete(self, instance: str, group: str, deployment_id: str) -> None:
        await asyncio.sleep(0)
        self._rows.delete((instance, group, deployment_id))


class MemoryGroupMembers:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, Kept], tuple[str, list[ListedDevice]]] = {}

    async def replace(
        self, instance: str, group: str, kept: Kept, as_of: str, devices: Sequence[ListedDevice]
    ) -> None:
        await asyncio.sleep(0)
        known = self.rows.get((instance, group, kept))
        if known is None or known[0] < as_of:
            self.rows[instance, group, kept] = (as_of, list(devices))

    async def drop(self, instance: str, group: str, kept: Kept) -> None:
        await asyncio.sleep(0)
        self.rows.pop((instance, group, kept), None)

    async def find(
        self,
        instance: str,
        group: str,
        kept: Kept,
        wanted: Selection,
        *,
        after: str,
        size: int,
    ) -> Sequence[ListedDevice]:
        await asyncio.sleep(0)
        _, devices = self.rows.get((instance, group, kept), ("", []))
        found = [item for item in devices if item.key > after and wanted.has(item)]
        return sorted(found, key=lambda item: item.key)[:size]
