"""Deployments of all groups with how they stand, in one list.

Costs a table call for every thousand deployments, roll-ups and classes, whatever the fleet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from shared.domain.fleet.deployment import Deployment
from shared.ports import Clock, Page, Rollup
from shared.services.paging import page_of_sorted
from shared.services.reporting.report import OverallState, Reports, SubgroupStatus, overall_state
from shared.services.shared_reads import DeploymentFigures, FleetFigures

_ACTIVE = ("Active", "ActiveWithSubgroupFailures")


class Course(StrEnum):
    """Where a deployment is between its start and its end."""

    PLANNED = "Planned"
    RUNNING = "Running"
    FINISHED = "Finished"


@dataclass(frozen=True, slots=True)
class DeploymentQuery:
    """Which deployments to list; `update` is `provider/name/version`."""

    group: str | None = None
    update: str | None = None
    state: str | None = None
    course: Course | None = None


@dataclass(frozen=True, slots=True)
class DeploymentOverview:
    """A deployment and how it stands; `rollup` is that of its group."""

    deployment: Deployment
    class_ids: Sequence[str]
    state: OverallState
    course: Course
    statuses: Sequence[SubgroupStatus]
    rollup: Rollup | None

    @property
    def total(self) -> int:
        """Devices that it is for."""
        return sum(status.total for status in self.statuses)


@dataclass(slots=True)
class DeploymentOverviews:
    """Lists deployments of an instance."""

    fleet: FleetFigures
    deployments: DeploymentFigures
    reports: Reports
    clock: Clock

    async def page(
        self,
        instance: str,
        query: DeploymentQuery,
        *,
        is_newest_first: bool,
        token: str | None,
        size: int,
    ) -> Page[DeploymentOverview]:
        """One page, by start and id."""
        found = [item for item in await self.every(instance) if _meets(item, query)]
        return page_of_sorted(
            found,
            lambda item: (
                item.deployment.starts_at,
                f"{item.deployment.group_id}/{item.deployment.deployment_id}",
            ),
            is_descending=is_newest_first,
            token=token,
            size=size,
        )

    async def every(self, instance: str) -> list[DeploymentOverview]:
        """Every deployment of the instance."""
        rollups = await self.fleet.rollups(instance)
        classes = await self.fleet.classes(instance)
        groups: dict[str, list[Deployment]] = {}
        for stored in await self.deployments.of_instance(instance):
            groups.setdefault(stored.value.group_id, []).append(stored.value)
        now = self.clock.now()
        found = []
        for group, deployments in groups.items():
            for deployment in deployments:
                statuses = self.reports.statuses(
                    deployment, deployments, rollups.get(group), classes
                )
                state = overall_state(statuses)
                found.append(
                    DeploymentOverview(
                        deployment=deployment,
                        class_ids=[
                            known.device_class.class_id
                            for known in classes
                            if deployment.targets(known.device_class)
                        ],
                        state=state,
                        course=_course(deployment, state, statuses, now),
                        statuses=statuses,
                        rollup=rollups.get(group),
                    )
                )
        return found


def _course(
    deployment: Deployment, state: str, statuses: Sequence[SubgroupStatus], now: str
) -> Course:
    if state not in _ACTIVE or deployment.is_final:
        return Course.FINISHED
    if deployment.starts_at > now:
        return Course.PLANNED
    is_done = bool(statuses) and all(
        not status.counts.in_progress and status.counts.commanded >= status.total
        for status in statuses
    )
    return Course.FINISHED if is_done else Course.RUNNING


def _meets(item: DeploymentOverview, query: DeploymentQuery) -> bool:
    return (
        query.group in (None, item.deployment.group_id)
        and query.update in (None, str(item.deployment.update_id))
        and query.state in (None, item.state)
        and query.course in (None, item.course)
    )
