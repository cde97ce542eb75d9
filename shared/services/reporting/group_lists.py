"""Groups with their figures, from roll-ups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.domain.errors import NotFound
from shared.domain.fleet.compliance import compliance
from shared.domain.fleet.counters import TOTAL
from shared.domain.fleet.deployment import Deployment, in_force
from shared.domain.fleet.names import DEFAULT_GROUP
from shared.domain.fleet.queries import GroupOrder, GroupOrdering
from shared.ports import Clock, KnownClass, KnownGroup, Page, Rollup
from shared.services.paging import page_of_sorted
from shared.services.shared_reads import DeploymentFigures, GroupFigures


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """A group with its figures.

    `deployments` are those that count for any of its classes, or will when they start.
    """

    group: KnownGroup
    device_count: int
    new_available: int
    in_progress: int
    on_latest: int
    deployments: Sequence[str]


@dataclass(frozen=True, slots=True)
class _Figures:
    group: KnownGroup
    classes: Sequence[KnownClass]
    device_count: int = 0
    new_available: int = 0
    in_progress: int = 0
    on_latest: int = 0

    def ranked_by(self, order: GroupOrder) -> Any:
        """What an order compares."""
        return {
            GroupOrder.GROUP_ID: self.group.group_id,
            GroupOrder.DEVICE_COUNT: self.device_count,
            GroupOrder.CREATED: self.group.created_at,
            GroupOrder.NEW_UPDATES: self.new_available,
            GroupOrder.IN_PROGRESS: self.in_progress,
            GroupOrder.ON_LATEST: self.on_latest,
        }[order]


@dataclass(slots=True)
class GroupLists:
    """Groups of an instance. Costs a table call for every thousand groups and deployments."""

    fleet: GroupFigures
    deployments: DeploymentFigures
    clock: Clock

    async def get(self, instance: str, group: str) -> GroupSummary:
        """A group. Raises NotFound."""
        for known in await self.fleet.groups(instance):
            if known.group_id == group:
                break
        else:
            raise NotFound(f"Group '{group}' does not exist.", target="groupId")
        rollups = await self.fleet.rollups(instance, group)
        classes = await self.fleet.classes(instance)
        stored = await self.deployments.of_group(instance, group)
        return self._summary(
            _figures(known, rollups.get(group), classes), [item.value for item in stored]
        )

    async def page(
        self, instance: str, ordering: GroupOrdering, *, token: str | None, size: int
    ) -> Page[GroupSummary]:
        """One page of the groups; the default group precedes the first, whatever the order."""
        rollups = await self.fleet.rollups(instance)
        classes = await self.fleet.classes(instance)
        every = [
            _figures(known, rollups.get(known.group_id), classes)
            for known in await self.fleet.groups(instance)
        ]
        page = page_of_sorted(
            [item for item in every if item.group.group_id != DEFAULT_GROUP],
            lambda item: (item.ranked_by(ordering.by), item.group.group_id),
            is_descending=ordering.is_descending,
            token=token,
            size=size,
        )
        first = [item for item in every if item.group.group_id == DEFAULT_GROUP]
        shown = [*(first if token is None else []), *page.items]
        deployments: dict[str, list[Deployment]] = {}
        for stored in await self.deployments.of_instance(instance):
            deployments.setdefault(stored.value.group_id, []).append(stored.value)
        return Page(
            [self._summary(item, deployments.get(item.group.group_id, [])) for item in shown],
            page.token,
        )

    def _summary(self, item: _Figures, deployments: Sequence[Deployment]) -> GroupSummary:
        return GroupSummary(
            group=item.group,
            device_count=item.device_count,
            new_available=item.new_available,
            in_progress=item.in_progress,
            on_latest=item.on_latest,
            deployments=_active(deployments, item.classes, self.clock.now()),
        )


def _figures(group: KnownGroup, rollup: Rollup | None, classes: Sequence[KnownClass]) -> _Figures:
    counts: Mapping[tuple[str, str], Mapping[str, int]] = rollup.counts if rollup else {}
    present, figures = [], []
    for known in classes:
        cells = counts.get((group.group_id, known.device_class.class_id), {})
        if cells.get(TOTAL):
            present.append(known)
            figures.append(compliance(cells, known.best_update))
    return _Figures(
        group,
        present,
        device_count=sum(item.total for item in figures),
        new_available=sum(item.new_available > 0 for item in figures),
        in_progress=sum(item.in_progress > 0 for item in figures),
        on_latest=sum(item.on_latest == item.total for item in figures),
    )


def _active(
    deployments: Sequence[Deployment], classes: Iterable[KnownClass], now: str
) -> list[str]:
    """Ids of the deployments that are active for any of the classes."""
    active: dict[str, None] = {}
    for known in classes:
        newest = in_force(deployments, known.device_class, now)
        since = (newest.starts_at, newest.created_at) if newest else ("", "")
        for item in deployments:
            if (
                (item.starts_at, item.created_at) >= since
                and item.targets(known.device_class)
                and not item.subgroup(known.device_class.class_id).is_canceled
            ):
                active[item.deployment_id] = None
    return sorted(active)
