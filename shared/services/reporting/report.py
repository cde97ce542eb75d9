"""Reads for operators: compliance and deployment status, from roll-ups; never a look at the
fleet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from shared.domain.errors import NotFound
from shared.domain.fleet.compliance import (
    Compliance,
    Connections,
    StateCounts,
    compliance,
    connections,
    failing_counts,
    failure_counts,
    state_counts,
)
from shared.domain.fleet.counters import TOTAL, Cell
from shared.domain.fleet.deployment import Deployment, DeploymentState, in_force, state_for
from shared.domain.updates.update_id import UpdateId
from shared.ports import Clock, KnownClass, Rollup
from shared.services.reporting.device_classes import no_class
from shared.services.shared_reads import DeploymentFigures, FleetFigures

OverallState = Literal["Active", "ActiveWithSubgroupFailures", "Failed", "Inactive", "Canceled"]
"""State of a deployment for all of its classes, in the words of the API."""


@dataclass(frozen=True, slots=True)
class SubgroupStatus:
    """How a deployment stands on the devices of one class."""

    class_id: str
    state: DeploymentState
    counts: StateCounts
    total: int
    failures: Mapping[str, int]
    """Failed devices by code."""


@dataclass(frozen=True, slots=True)
class CountedCompliance:
    """Compliance, and when the oldest of its counters were summed up; empty if they never were."""

    compliance: Compliance
    as_of: str


@dataclass(frozen=True, slots=True)
class SubgroupSummary:
    """The devices of one class in one group."""

    known: KnownClass
    device_count: int
    counted: CountedCompliance
    deployment_id: str | None


@dataclass(slots=True)
class Reports:
    """Figures of an instance. A group's or deployment's cost three table calls, whatever the
    fleet.
    """

    fleet: FleetFigures
    deployments: DeploymentFigures
    clock: Clock

    async def compliance(
        self, instance: str, group: str | None = None, class_id: str | None = None
    ) -> CountedCompliance:
        """Compliance of the instance, of a group, or of one class within a group."""
        rollups = await self.fleet.rollups(instance, group)
        if group is not None and group not in rollups:
            raise NotFound(f"Group '{group}' does not exist.", target="groupId")
        best = await self._best(instance)
        if class_id is not None and class_id not in best:
            raise NotFound(f"Device class '{class_id}' does not exist.", target="deviceClassId")
        found = sum(
            (
                compliance(cells, best.get(place[1]))
                for rollup in rollups.values()
                for place, cells in rollup.counts.items()
                if class_id in (None, place[1])
            ),
            Compliance(),
        )
        as_of = min((rollup.as_of for rollup in rollups.values()), default="")
        return CountedCompliance(found, as_of)

    async def failures(self, instance: str, group: str) -> Mapping[str, int]:
        """Devices of a group that have failed in their last deployment, by code."""
        rollup = await self._rollup(instance, group)
        sums: Counter[str] = Counter()
        for cells in rollup.counts.values():
            sums.update(failing_counts(cells))
        return sums

    async def connections(self, instance: str, group: str | None = None) -> Connections:
        """Connections of the devices of the instance, or of a group."""
        rollups = await self.fleet.rollups(instance, group)
        if group is not None and group not in rollups:
            raise NotFound(f"Group '{group}' does not exist.", target="groupId")
        return connections(cells for rollup in rollups.values() for cells in rollup.counts.values())

    async def subgroups(self, instance: str, group: str) -> list[SubgroupSummary]:
        """The classes that a group has or had devices of, with their figures."""
        rollup = await self._rollup(instance, group)
        deployments = [item.value for item in await self.deployments.of_group(instance, group)]
        now = self.clock.now()
        found = []
        for known in await self.fleet.classes(instance):
            if (group, known.device_class.class_id) not in rollup.counts:
                continue
            cells = _cells(rollup, group, known.device_class.class_id)
            current = in_force(deployments, known.device_class, now)
            found.append(
                SubgroupSummary(
                    known,
                    cells.get(TOTAL, 0),
                    CountedCompliance(compliance(cells, known.best_update), rollup.as_of),
                    current.deployment_id if current else None,
                )
            )
        return found

    async def subgroup(self, instance: str, group: str, class_id: str) -> SubgroupSummary:
        """One class of a group. Raises NotFound."""
        for item in await self.subgroups(instance, group):
            if item.known.device_class.class_id == class_id:
                return item
        raise no_class(class_id)

    async def status(
        self, instance: str, group: str, deployment_id: str
    ) -> tuple[Deployment, list[SubgroupStatus]]:
        """How a deployment stands, by device class."""
        stored = await self.deployments.of_group(instance, group)
        deployments = [item.value for item in stored]
        deployment = next(
            (item for item in deployments if item.deployment_id == deployment_id), None
        )
        if deployment is None:
            raise _no_deployment(group, deployment_id)
        rollup = (await self.fleet.rollups(instance, group)).get(group)
        return deployment, self.statuses(
            deployment, deployments, rollup, await self.fleet.classes(instance)
        )

    def statuses(
        self,
        deployment: Deployment,
        deployments: Sequence[Deployment],
        rollup: Rollup | None,
        classes: Sequence[KnownClass],
    ) -> list[SubgroupStatus]:
        """How a deployment stands, by device class; `deployments` are those of its group."""
        now = self.clock.now()
        found = []
        for known in classes:
            class_id = known.device_class.class_id
            cells = _cells(rollup, deployment.group_id, class_id)
            counts = state_counts(cells, deployment.workflow_id)
            present = cells.get(TOTAL, 0)
            if deployment.subgroup(class_id).is_deleted:
                continue
            if not counts.commanded and not (present and deployment.targets(known.device_class)):
                continue
            state = state_for(deployment, deployments, known.device_class, now)
            is_open = state is DeploymentState.ACTIVE
            total = max(present, counts.commanded) if is_open else counts.commanded
            failures = failure_counts(cells, deployment.workflow_id)
            found.append(
                SubgroupStatus(
                    class_id=class_id, state=state, counts=counts, total=total, failures=failures
                )
            )
        return found

    async def _best(self, instance: str) -> Mapping[str, UpdateId | None]:
        classes = await self.fleet.classes(instance)
        return {known.device_class.class_id: known.best_update for known in classes}

    async def _rollup(self, instance: str, group: str) -> Rollup:
        rollup = (await self.fleet.rollups(instance, group)).get(group)
        if rollup is None:
            raise NotFound(f"Group '{group}' does not exist.", target="groupId")
        return rollup


def overall_state(statuses: Sequence[SubgroupStatus]) -> OverallState:
    """The state of a deployment from those of its classes, in the words of the API."""
    states = {status.state for status in statuses}
    if DeploymentState.ACTIVE in states or not states:
        failed = any(status.counts.failed for status in statuses)
        return "ActiveWithSubgroupFailures" if failed else "Active"
    return (states - {DeploymentState.INACTIVE} or states).pop().value


def _no_deployment(group: str, deployment_id: str) -> NotFound:
    return NotFound(f"Group '{group}' has no deployment '{deployment_id}'.", target="deploymentId")


def _cells(rollup: Rollup | None, group: str, class_id: str) -> Mapping[Cell, int]:
    return rollup.counts.get((group, class_id), {}) if rollup else {}
