"""Reads for operators: compliance and deployment status, from roll-ups; never a look at the
fleet.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from shared.domain.compliance import Compliance, StateCounts, compliance, state_counts
from shared.domain.counters import TOTAL, Cell
from shared.domain.deployment import Deployment, DeploymentState, in_force, state_for
from shared.domain.device import DeviceState, deployment_state
from shared.domain.errors import NotFound
from shared.domain.update_id import UpdateId
from shared.ports import Clock, Deployments, Devices, Fleet, KnownClass, KnownGroup, Rollup


@dataclass(frozen=True, slots=True)
class SubgroupStatus:
    """How a deployment stands on the devices of one class."""

    class_id: str
    state: DeploymentState
    counts: StateCounts
    total: int


@dataclass(frozen=True, slots=True)
class GroupSummary:
    """A group with its figures."""

    group: KnownGroup
    device_count: int
    new_available: int
    in_progress: int
    on_latest: int
    deployments: Sequence[str]


@dataclass(frozen=True, slots=True)
class SubgroupSummary:
    """The devices of one class in one group."""

    known: KnownClass
    device_count: int
    compliance: Compliance
    deployment_id: str | None


@dataclass(frozen=True, slots=True)
class DeviceStateRow:
    """One device within a deployment."""

    device_id: str
    module_id: str | None
    state: DeviceState
    has_moved_on: bool
    retry_count: int = 0


@dataclass(slots=True)
class Reports:
    """Figures of an instance. A group's or deployment's cost three table calls, whatever the
    fleet.
    """

    devices: Devices
    fleet: Fleet
    deployments: Deployments
    clock: Clock

    async def compliance(
        self, instance: str, group: str | None = None, class_id: str | None = None
    ) -> Compliance:
        """Compliance of the instance, of a group, or of one class within a group."""
        rollups = await self.fleet.rollups(instance, group)
        if group is not None and group not in rollups:
            raise NotFound(f"Group '{group}' does not exist.", target="groupId")
        best = await self._best(instance)
        if class_id is not None and class_id not in best:
            raise NotFound(f"Device class '{class_id}' does not exist.", target="deviceClassId")
        return sum(
            (
                compliance(cells, best.get(place[1]))
                for rollup in rollups.values()
                for place, cells in rollup.counts.items()
                if class_id in (None, place[1])
            ),
            Compliance(),
        )

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
                    compliance(cells, known.best_update),
                    current.deployment_id if current else None,
                )
            )
        return found

    async def subgroup(self, instance: str, group: str, class_id: str) -> SubgroupSummary:
        """One class of a group. Raises NotFound."""
        for item in await self.subgroups(instance, group):
            if item.known.device_class.class_id == class_id:
                return item
        raise NotFound(f"Device class '{class_id}' does not exist here.", target="deviceClassId")

    async def groups(self, instance: str) -> list[GroupSummary]:
        """Every group of the instance with its figures."""
        rollups = await self.fleet.rollups(instance)
        best = await self._best(instance)
        deployments: dict[str, list[str]] = {}
        for item in await self.deployments.of_instance(instance):
            deployments.setdefault(item.value.group_id, []).append(item.value.deployment_id)
        return [
            _summary(group, rollups.get(group.group_id), best, deployments.get(group.group_id, []))
            for group in await self.fleet.groups(instance)
        ]

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
        return deployment, self._statuses(
            deployment, deployments, rollup, await self.fleet.classes(instance)
        )

    def _statuses(
        self,
        deployment: Deployment,
        deployments: Sequence[Deployment],
        rollup: Rollup | None,
        classes: Sequence[KnownClass],
    ) -> list[SubgroupStatus]:
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
            found.append(SubgroupStatus(class_id, state, counts, total))
        return found

    async def device_states(
        self, instance: str, group: str, class_id: str, deployment_id: str
    ) -> AsyncIterator[DeviceStateRow]:
        """Every device of one class within a deployment, bucket by bucket. Raises NotFound."""
        deployment = await self.deployments.get(instance, group, deployment_id)
        if deployment is None:
            raise _no_deployment(group, deployment_id)
        workflow_id = deployment.value.workflow_id
        for bucket in await self.fleet.buckets(instance, group):
            token: str | None = None
            while True:
                page = await self.devices.of_bucket(instance, bucket, token=token)
                for row in page.items:
                    record = row.value
                    commanded, state = record.commanded, deployment_state(record)
                    if commanded is None or state is None:
                        continue
                    place = (commanded.group_id, commanded.class_id, commanded.workflow_id)
                    if place == (group, class_id, workflow_id):
                        yield DeviceStateRow(
                            record.device_id, record.module_id, state, has_moved_on=False
                        )
                token = page.token
                if token is None:
                    break
            for moved in await self.devices.history(instance, bucket, workflow_id):
                if (moved.group_id, moved.class_id) == (group, class_id):
                    yield DeviceStateRow(
                        moved.device_id, moved.module_id, moved.state, has_moved_on=True
                    )

    async def _best(self, instance: str) -> Mapping[str, UpdateId | None]:
        classes = await self.fleet.classes(instance)
        return {known.device_class.class_id: known.best_update for known in classes}

    async def _rollup(self, instance: str, group: str) -> Rollup:
        rollup = (await self.fleet.rollups(instance, group)).get(group)
        if rollup is None:
            raise NotFound(f"Group '{group}' does not exist.", target="groupId")
        return rollup


def _no_deployment(group: str, deployment_id: str) -> NotFound:
    return NotFound(f"Group '{group}' has no deployment '{deployment_id}'.", target="deploymentId")


def _cells(rollup: Rollup | None, group: str, class_id: str) -> Mapping[Cell, int]:
    return rollup.counts.get((group, class_id), {}) if rollup else {}


def _summary(
    group: KnownGroup,
    rollup: Rollup | None,
    best: Mapping[str, UpdateId | None],
    deployments: Sequence[str],
) -> GroupSummary:
    subgroups = [
        compliance(cells, best.get(class_id))
        for (_, class_id), cells in (rollup.counts.items() if rollup else ())
        if cells.get(TOTAL)
    ]
    return GroupSummary(
        group,
        device_count=sum(item.total for item in subgroups),
        new_available=sum(item.new_available > 0 for item in subgroups),
        in_progress=sum(item.in_progress > 0 for item in subgroups),
        on_latest=sum(item.on_latest == item.total for item in subgroups),
        deployments=deployments,
    )
