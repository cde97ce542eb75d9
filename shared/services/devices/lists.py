"""Lists of devices, a page at a time: only the buckets that can hold one are read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from shared.domain.errors import InvalidInput, NotFound
from shared.domain.fleet.compliance import state_counts
from shared.domain.fleet.counted import count_of
from shared.domain.fleet.counters import History
from shared.domain.fleet.device import (
    BUCKETS,
    DeviceRecord,
    DeviceState,
    bucket_of,
    deployment_state,
    device_key,
    evidence_of,
)
from shared.domain.fleet.kept import Kept
from shared.domain.fleet.listing import ListedDevice, Selection
from shared.domain.fleet.queries import DeviceFilter, DeviceStateFilter, selection
from shared.domain.fleet.whereabouts import (
    FEW_BUCKETS,
    Whereabouts,
    buckets_in_state,
    buckets_with,
    on_latest_names,
)
from shared.ports import (
    Clock,
    Deployments,
    DeviceQuery,
    Devices,
    Fleet,
    GroupMembers,
    LastRollup,
    Page,
    Rollup,
)
from shared.services.paging import page_of_buckets

_FEW_GROUPS = 16
"""Up to so many groups, their buckets are looked up; beyond, any bucket may hold a device."""
_ROW, _HISTORY = "d", "h"
_KEPT = "kept:"
"""Begins the token of a page of devices that are kept together."""

type _Within = Callable[[Whereabouts], Collection[int] | None]
"""The buckets of a group that can have what is listed; None if that may be any."""


@dataclass(frozen=True, slots=True)
class DeviceStateRow:
    """One device within a deployment."""

    device_id: str
    module_id: str | None
    state: DeviceState
    has_moved_on: bool
    retry_count: int
    extended_result_codes: tuple[int, ...] = ()


@dataclass(slots=True)
class DeviceLists:
    """Devices of an instance and devices within a deployment."""

    devices: Devices
    fleet: Fleet
    deployments: Deployments
    members: GroupMembers
    clock: Clock

    async def page(
        self, instance: str, wanted: DeviceFilter, *, token: str | None, size: int
    ) -> Page[ListedDevice]:
        """One page of the devices that have a class.

        Those of a small group, and the few of a large one that a filter selects, are as of its last
        roll-up, as its figures are.

        Raises:
            InvalidInput: The list is no longer kept as it was when the token was given.
        """
        latest = {}
        if wanted.is_on_latest is not None:
            classes = await self.fleet.classes(instance)
            latest = {known.device_class.class_id: known.best_update for known in classes}
        selected = selection(wanted, self.clock.now(), latest)
        is_indexed = await self.fleet.is_indexed(instance)
        last = await self.fleet.last_rollup(instance, wanted.group) if wanted.group else None
        kept = last.kept if last is not None and is_indexed else None
        rollups: Mapping[str, Rollup] = {}
        if is_indexed and _needs_rollups(selected, kept):
            rollups = await self.fleet.rollups(instance, wanted.group)
        selected = replace(selected, installed_among=_on_latest(selected, rollups))
        is_of_kept = kept is not None and kept.covers(selected)
        if token is not None:
            is_of_kept = _continues(token, is_of_kept=is_of_kept)
        if wanted.group and kept is not None and is_of_kept:
            place = (instance, wanted.group, kept)
            return await self._kept(place, selected, token=token, size=size)
        buckets = await self._buckets(instance, selected, rollups, last)

        async def read(bucket: int, after: str, limit: int) -> list[tuple[str, ListedDevice]]:
            found = await self.devices.listed(
                instance, bucket, selected, after=after, size=limit, is_indexed=is_indexed
            )
            return [(item.key, item) for item in found]

        density = _density(selected, rollups, last)
        return await page_of_buckets(buckets, read, token=token, size=size, in_a_bucket=density)

    async def _kept(
        self, place: tuple[str, str, Kept], wanted: Selection, *, token: str | None, size: int
    ) -> Page[ListedDevice]:
        if wanted.installed_among is not None and not wanted.installed_among:
            return Page([])
        after = token.removeprefix(_KEPT) if token else ""
        found = await self.members.find(*place, wanted, after=after, size=size + 1)
        following = _KEPT + found[size - 1].key if len(found) > size else None
        return Page(found[:size], following)

    async def states(
        self,
        instance: str,
        place: tuple[str, str, str],
        wanted: DeviceStateFilter,
        *,
        token: str | None,
        size: int,
    ) -> Page[DeviceStateRow]:
        """One page of the devices of a class within a deployment of a group.

        Those of a state are looked for where the last roll-up has counted any.

        Args:
            instance: The instance.
            place: Group, device class and deployment.
            wanted: Which of the devices.
            token: Where the page begins.
            size: Its most entries.

        Raises:
            NotFound: The group has no such deployment.
        """
        group, class_id, deployment_id = place
        deployment = await self.deployments.get(instance, group, deployment_id)
        if deployment is None:
            raise NotFound(
                f"Group '{group}' has no deployment '{deployment_id}'.", target="deploymentId"
            )
        reader = _StateReader(
            self.devices, instance, (group, class_id, deployment.value.workflow_id), wanted
        )
        density, state, workflow_id = None, wanted.state, deployment.value.workflow_id
        if wanted.device_id is not None:
            buckets: Sequence[int] = [bucket_of(wanted.device_id)]
        else:
            rollup = (await self.fleet.rollups(instance, group)).get(group)
            counted = rollup.buckets if rollup is not None else 0
            buckets = await self._buckets_of(
                (instance, group),
                lambda where: buckets_in_state(where, workflow_id, state) if state else None,
                rollup,
                counted,
            )
            if rollup is not None and counted > FEW_BUCKETS:
                counts = state_counts(rollup.counts.get((group, class_id), {}), workflow_id)
                density = counts.of(state) / max(1, len(buckets))
        return await page_of_buckets(
            buckets,
            lambda bucket, after, limit: reader.read(bucket, deployment_id, after, limit),
            token=token,
            size=size,
            in_a_bucket=density,
        )

    async def _buckets(
        self,
        instance: str,
        wanted: Selection,
        rollups: Mapping[str, Rollup],
        last: LastRollup | None,
    ) -> Sequence[int]:
        """The buckets that can have a device of a list, as far as the last roll-ups tell."""

        def within(where: Whereabouts) -> Collection[int] | None:
            return buckets_with(where, wanted)

        group = wanted.columns.get("group")
        if group is not None:
            counted = last.buckets if last is not None else 0
            return await self._buckets_of((instance, group), within, rollups.get(group), counted)
        groups = [item.group_id for item in await self.fleet.groups(instance)]
        if not rollups and len(groups) > _FEW_GROUPS:
            return range(BUCKETS)
        found: set[int] = set()
        for each in groups:
            rollup = rollups.get(each)
            counted = rollup.buckets if rollup is not None else 0
            found.update(await self._buckets_of((instance, each), within, rollup, counted))
            if len(found) == BUCKETS:
                break
        return sorted(found)

    async def _buckets_of(
        self, place: tuple[str, str], within: _Within, rollup: Rollup | None, counted: int
    ) -> Sequence[int]:
        """The same within a group of an instance; one of few buckets is read as it is."""
        if rollup is not None and rollup.where is not None and counted > FEW_BUCKETS:
            places = within(rollup.where)
            if places is not None:
                return sorted(places)
        if counted == BUCKETS:
            return range(BUCKETS)
        return await self.fleet.buckets(*place)


def _needs_rollups(wanted: Selection, kept: Kept | None) -> bool:
    """What is kept need not be looked for in buckets; what is on the latest, counters tell."""
    if wanted.is_on_latest is not None:
        return True
    return wanted.is_selective and (kept is None or not kept.covers(wanted))


def _continues(token: str, *, is_of_kept: bool) -> bool:
    """Whether a page goes on among what is kept. Raises InvalidInput if that is not kept now."""
    if token.startswith(_KEPT) and not is_of_kept:
        raise InvalidInput("The list is not kept any more: begin again.", target="token")
    return token.startswith(_KEPT)


def _density(
    wanted: Selection, rollups: Mapping[str, Rollup], last: LastRollup | None
) -> float | None:
    """How many devices of a list a bucket of its group has on average; None if nothing tells."""
    if last is None or not last.buckets:
        return None
    if not wanted.is_selective and not wanted.id_prefix:
        return (last.devices or 0) / last.buckets
    counts = [count_of(rollup.counts, wanted) for rollup in rollups.values()]
    return sum(count or 0 for count in counts) / last.buckets


def _on_latest(wanted: Selection, rollups: Mapping[str, Rollup]) -> frozenset[str] | None:
    """What devices on the latest update may have installed, or all others, if that is asked for."""
    found: frozenset[str] = frozenset()
    for rollup in rollups.values():
        if rollup.buckets <= FEW_BUCKETS:  # it is read as it is
            return None
        names = on_latest_names(rollup.where, wanted) if rollup.where is not None else None
        if names is None:
            return None
        found |= names
    return found if rollups else None


@dataclass(frozen=True, slots=True)
class _StateReader:
    """Reads the devices of a deployment in a bucket: those in it, then those that moved on."""

    devices: Devices
    instance: str
    place: tuple[str, str, str]
    wanted: DeviceStateFilter

    async def read(
        self, bucket: int, deployment_id: str, after: str, limit: int
    ) -> list[tuple[str, DeviceStateRow]]:
        """At most `limit` devices after one."""
        found: list[tuple[str, DeviceStateRow]] = []
        if not after.startswith(_HISTORY):
            found += await self._present(bucket, deployment_id, after.removeprefix(_ROW), limit)
            after = ""
        if len(found) < limit:
            found += await self._past(bucket, after.removeprefix(_HISTORY), limit - len(found))
        return found

    async def _present(
        self, bucket: int, deployment_id: str, after: str, limit: int
    ) -> list[tuple[str, DeviceStateRow]]:
        query = DeviceQuery(
            deployment_id=deployment_id, state=self.wanted.state, device_id=self.wanted.device_id
        )
        found: list[tuple[str, DeviceStateRow]] = []
        while len(found) < limit:
            size = limit - len(found)
            rows = await self.devices.find(self.instance, bucket, query, after=after, size=size)
            for row in rows:
                after = row.value.key
                state = self._state_of(row.value)
                if state is not None:
                    found.append((_ROW + after, state))
            if len(rows) < size:
                break
        return found

    async def _past(self, bucket: int, after: str, limit: int) -> list[tuple[str, DeviceStateRow]]:
        found: list[tuple[str, DeviceStateRow]] = []
        while len(found) < limit:
            size = limit - len(found)
            rows = await self.devices.history(
                self.instance, bucket, self.place[2], after=after, size=size
            )
            for row in rows:
                after = device_key(row.device_id, row.module_id)
                if self._is_wanted(row):
                    moved = DeviceStateRow(
                        row.device_id,
                        row.module_id,
                        row.state,
                        has_moved_on=True,
                        retry_count=row.retry_count,
                        extended_result_codes=row.extended_result_codes,
                    )
                    found.append((_HISTORY + after, moved))
            if len(rows) < size:
                break
        return found

    def _state_of(self, record: DeviceRecord) -> DeviceStateRow | None:
        commanded, state = record.commanded, deployment_state(record)
        if commanded is None or state is None:
            return None
        if (commanded.group_id, commanded.class_id, commanded.workflow_id) != self.place:
            return None
        if not self._is_named(record.device_id, record.module_id):
            return None
        known = evidence_of(record)
        return DeviceStateRow(
            record.device_id,
            record.module_id,
            state,
            has_moved_on=False,
            retry_count=commanded.retry_count,
            extended_result_codes=known.extended_result_codes if known else (),
        )

    def _is_wanted(self, row: History) -> bool:
        return (
            (row.group_id, row.class_id) == self.place[:2]
            and self.wanted.state in (None, row.state)
            and self._is_named(row.device_id, row.module_id)
        )

    def _is_named(self, device_id: str, module_id: str | None) -> bool:
        return self.wanted.device_id in (None, device_id) and self.wanted.module_id in (
            None,
            module_id,
        )
