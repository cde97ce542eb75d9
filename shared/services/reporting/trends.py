"""Writes down how compliance and deployments move, and reads it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from shared.domain.errors import InvalidInput, NotFound
from shared.domain.fleet.compliance import Compliance, StateCounts, compliance, state_counts
from shared.domain.fleet.trend import (
    ComplianceDay,
    Mark,
    ProgressPoint,
    rate_per_minute,
    thinned,
)
from shared.domain.operation import OperationStatus
from shared.ports import Clock, Deployments, Fleet, Operations, Trends
from shared.services.operations import operation_id

MOST_DAYS = 800
"""Days of one answer: more than are kept."""
_DAYS_BY_DEFAULT = 90
_RATE_MINUTES = 15
_HOURLY_BEYOND = timedelta(hours=24)
_MARKS_A_RECORD = 500

type _Written = tuple[str, StateCounts]


@dataclass(frozen=True, slots=True)
class Progress:
    """How a deployment has moved: points, and devices a minute that ended lately."""

    points: Sequence[ProgressPoint]
    rate: float | None


@dataclass(slots=True)
class TrendRecords:
    """Figures over time of an instance, its groups and deployments."""

    trends: Trends
    fleet: Fleet
    deployments: Deployments
    operations: Operations
    clock: Clock
    _written: dict[str, _Written] = field(default_factory=dict, init=False)

    async def record_day(self, instance: str) -> None:
        """Write down the compliance of the instance and of each group as it is now."""
        now = self.clock.now()
        best = {
            known.device_class.class_id: known.best_update
            for known in await self.fleet.classes(instance)
        }
        figures: dict[str | None, Compliance] = {None: Compliance()}
        for group, rollup in (await self.fleet.rollups(instance)).items():
            figures[group] = sum(
                (
                    compliance(cells, best.get(class_id))
                    for (_, class_id), cells in rollup.counts.items()
                ),
                Compliance(),
            )
            figures[None] += figures[group]
        await self.trends.save_day(instance, now[:10], figures)
        await self.trends.save_marks(instance, await self._recent_marks(instance, now))

    async def days(
        self, instance: str, group: str | None, first: str | None, last: str | None
    ) -> tuple[Sequence[ComplianceDay], Sequence[Mark]]:
        """Compliance day by day, and what was published meanwhile; by default of 90 days.

        Raises:
            InvalidInput: The days are none, or too many.
            NotFound: There is no such group.
        """
        end = last or self.clock.now()[:10]
        start = first or str(date.fromisoformat(end) - timedelta(days=_DAYS_BY_DEFAULT - 1))
        span = (date.fromisoformat(end) - date.fromisoformat(start)).days + 1
        if not 1 <= span <= MOST_DAYS:
            raise InvalidInput(f"A history covers 1 to {MOST_DAYS} days.", target="from")
        if group is not None and group not in await self.fleet.rollups(instance, group):
            raise NotFound(f"Group '{group}' does not exist.", target="groupId")
        return (
            await self.trends.days(instance, group, start, end),
            await self.trends.marks(instance, start, end),
        )

    async def record_progress(self, instance: str, group: str) -> None:
        """Write down how the group's deployments stand, once a minute while they move."""
        rollup = (await self.fleet.rollups(instance, group)).get(group)
        if rollup is None:
            return
        minute = rollup.as_of[:16]
        for stored in await self.deployments.of_group(instance, group):
            workflow = stored.value.workflow_id
            counts = _summed(rollup.counts, workflow)
            known = self._written.get(workflow)
            if (
                counts.commanded
                and known != (minute, counts)
                and (known is None or known[1] != counts)
            ):
                await self.trends.save_point(
                    instance, workflow, ProgressPoint(rollup.as_of, counts)
                )
                self._written[workflow] = (minute, counts)

    async def progress(
        self,
        instance: str,
        workflow_id: str,
        *,
        first: str,
        last: str | None,
        most: int,
    ) -> Progress:
        """How a deployment has moved between two times, and how fast it moves now."""
        end = last or self.clock.now()
        since, until = datetime.fromisoformat(first), datetime.fromisoformat(end)
        points = await self.trends.points(
            instance, workflow_id, first, end, is_hourly=until - since > _HOURLY_BEYOND
        )
        now = datetime.fromisoformat(self.clock.now())
        lately = await self.trends.points(
            instance,
            workflow_id,
            (now - timedelta(minutes=_RATE_MINUTES)).isoformat(),
            now.isoformat(),
            is_hourly=False,
        )
        return Progress(thinned(points, most), rate_per_minute(lately))

    async def _recent_marks(self, instance: str, now: str) -> list[Mark]:
        """Updates that were published since yesterday."""
        yesterday = datetime.fromisoformat(now) - timedelta(days=1)
        page = await self.operations.list(
            instance,
            None,
            size=_MARKS_A_RECORD,
            kind="import",
            newer_than=operation_id(yesterday.isoformat(), ""),
        )
        return [
            Mark(item.value.changed_at, "Published", item.value.update_id)
            for item in page.items
            if item.value.status is OperationStatus.SUCCEEDED and item.value.update_id
        ]


def _summed(counts: Mapping[tuple[str, str], Mapping[str, int]], workflow_id: str) -> StateCounts:
    found = [state_counts(cells, workflow_id) for cells in counts.values()]
    return StateCounts(
        in_progress=sum(item.in_progress for item in found),
        succeeded=sum(item.succeeded for item in found),
        failed=sum(item.failed for item in found),
        canceled=sum(item.canceled for item in found),
    )
