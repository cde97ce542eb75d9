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
from shared.domain.rollouts.transition import Transition
from shared.domain.updates.update_id import UpdateId
from shared.ports import (
    KnownClass,
    KnownGroup,
    LastRollup,
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
        self._classes: dict[tuple[str, str], KnownClass] = {}
        self._rollups: dict[tuple[str, str], Rollup] = {}
        self._deleted: set[tuple[str, ...]] = set()

    async def ensure_known(
        self, instance: str, group: str, bucket: int, device_class: DeviceClass
    ) -> bool:
        await asyncio.sleep(0)
        now = self._clock.now()
        self._buckets.setdefault((instance, group), set()).add(bucket)
        self._groups.setdefault((instance, group), KnownGroup(group, now))
        place = (instance, device_class.class_id)
        is_new = place not in self._classes
        self._classes.setdefault(place, KnownClass(device_class, now))
        return is_new

    async def buckets(self, instance: str, group: str) -> Sequence[int]:
        await asyncio.sleep(0)
        return sorted(self._buckets.get((instance, group), ()))

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
            for place, item in sorted(self._classes.items(), key=row_key)
            if place[0] == instance and (with_deleted or ("class", *place) not in self._deleted)
        ]

    async def rename_class(self, instance: str, class_id: str, friendly_name: str) -> None:
        await asyncio.sleep(0)
        known = self._classes[instance, class_id]
        self._classes[instance, class_id] = replace(known, friendly_name=friendly_name)

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
                known = self._classes[instance, class_id]
                self._classes[instance, class_id] = replace(
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
        known = self._classes[instance, class_id]
        self._classes[instance, class_id] = replace(known, best_update=best, is_best_known=True)

    async def save_rollup(self, instance: str, group: str, rollup: Rollup) -> None:
        await asyncio.sleep(0)
        known = self._rollups.get((instance, group))
        if known is None or known.as_of < rollup.as_of:
            self._rollups[instance, group] = rollup

    async def last_rollup(self, instance: str, group: str) -> LastRollup | None:
        await asyncio.sleep(0)
        known = self._rollups.get((instance, group))
        return LastRollup(known.as_of, known.buckets) if known else None

    async def rollups(self, instance: str, group: str | None = None) -> Mapping[str, Rollup]:
        await asyncio.sleep(0)
        return {
            name: rollup
            for (owner, name), rollup in self._rollups.items()
            if owner == instance and group in (None, name)
        }


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
