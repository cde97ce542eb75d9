"""How roll-outs stand, and what they would do: from sums, never from a look at the fleet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.fleet.counters import (
    EXCLUDED,
    NOTHING_INSTALLED,
    TOTAL,
    WINDOWED,
    devices_by_zone,
)
from shared.domain.fleet.deployment import Deployment, DeploymentState, state_for
from shared.domain.fleet.device_class import is_compatible
from shared.domain.fleet.rollout_figures import figures_by_class
from shared.domain.limits import Limits
from shared.domain.rollouts.plan import (
    Pace,
    PlannedPhase,
    Warned,
    finish_of,
    planned_phases,
    warnings_of,
)
from shared.domain.rollouts.progress import Status
from shared.domain.rollouts.specification import Rollout
from shared.domain.rollouts.view import RolloutView, rollout_view
from shared.domain.updates.update_id import UpdateId
from shared.ports import Clock, Deployments, Fleet, Rollup, Updates

_EVERYBODY = Rollout()
_GOES_ON = {Status.SCHEDULED, Status.RUNNING, Status.BAKING}


@dataclass(frozen=True, slots=True)
class Seen:
    """How a roll-out stands. `ends_at` is None where that cannot be told."""

    view: RolloutView
    ends_at: datetime | None


@dataclass(frozen=True, slots=True)
class NotTargeted:
    """Devices of the group that would not be asked, and why."""

    code: str
    message: str
    devices: int
    class_id: str


@dataclass(frozen=True, slots=True)
class Plan:
    """What a deployment would do."""

    deployment: Deployment
    targeted: int
    phases: tuple[PlannedPhase, ...]
    not_targeted: tuple[NotTargeted, ...]
    warnings: tuple[Warned, ...]
    needs_approval: bool
    as_of: str
    ends_at: datetime | None


@dataclass(slots=True)
class RolloutReports:
    """Figures of roll-outs, for the same few reads whatever the fleet."""

    deployments: Deployments
    updates: Updates
    fleet: Fleet
    clock: Clock
    limits: Limits
    commands_per_second: float

    async def seen(self, instance: str, item: Deployment) -> Seen | None:
        """How a deployment's roll-out stands; None if it has none."""
        if item.rollout is None or item.progress is None:
            return None
        rollup = (await self.fleet.rollups(instance, item.group_id)).get(item.group_id)
        return self.seen_in(item, rollup)

    def seen_in(self, item: Deployment, rollup: Rollup | None) -> Seen | None:
        """The same from a roll-up at hand."""
        rollout, progress = item.rollout, item.progress
        if rollout is None or progress is None:
            return None
        as_of = rollup.as_of if rollup else self.clock.now()
        counts = rollup.counts if rollup else {}
        by_class = figures_by_class(item, counts, as_of)
        view = rollout_view(rollout, progress, by_class, as_of)
        return Seen(view, self._ends_at(item, rollout, view, counts))

    def _ends_at(
        self,
        item: Deployment,
        rollout: Rollout,
        view: RolloutView,
        counts: Mapping[tuple[str, str], Mapping[str, int]],
    ) -> datetime | None:
        progress = item.progress
        if progress is None or progress.shown not in _GOES_ON:
            return None
        first = max(0, progress.phase)
        now = datetime.fromisoformat(max(self.clock.now(), item.starts_at))
        present = {
            class_id: cells
            for (group, class_id), cells in counts.items()
            if group == item.group_id and cells.get(TOTAL)
        }
        classes = {class_id: cells[TOTAL] for class_id, cells in present.items()}
        planned = planned_phases(
            rollout,
            classes,
            now,
            Pace(self.commands_per_second, len(classes)),
            first=first,
            asked=view.phases[first].figures.total,
            zones=devices_by_zone(present.values()),
        )
        return finish_of(planned)

    async def plan(self, instance: str, item: Deployment) -> Plan:
        """What a deployment would do, stored or not: four reads for any fleet."""
        group = item.group_id
        rollup = (await self.fleet.rollups(instance, group)).get(group)
        others = [
            stored.value
            for stored in await self.deployments.of_group(instance, group)
            if stored.value.deployment_id != item.deployment_id
        ]
        now = self.clock.now()
        classes, left_out = await self._classes(instance, item, others, rollup, now)
        rollout = item.rollout or _EVERYBODY
        pace = Pace(self.commands_per_second, len(await self.fleet.buckets(instance, group)))
        first = max(0, item.progress.phase) if item.progress else 0
        starts_at = datetime.fromisoformat(max(now, item.starts_at))
        cells = [rollup.counts[group, class_id] for class_id in classes] if rollup else []
        zones = devices_by_zone(cells)
        planned = planned_phases(rollout, classes, starts_at, pace, first=first, zones=zones)
        warnings = warnings_of(rollout, classes, planned, pace, first=first, zones=zones)
        warnings += _device_warnings(item, cells)
        warnings += [Warned("ManifestDetached", each) for each in item.warnings]
        warnings += _installed_warnings(item.update_id, classes, rollup, group)
        warnings += await self._rollback_warnings(instance, item)
        targeted = sum(classes.values())
        return Plan(
            deployment=item,
            targeted=targeted,
            phases=planned,
            not_targeted=tuple(left_out),
            warnings=tuple(warnings),
            needs_approval=rollout.approval == "Required"
            or targeted > self.limits.devices_without_approval,
            as_of=rollup.as_of if rollup else now,
            ends_at=finish_of(planned),
        )

    async def _classes(
        self,
        instance: str,
        item: Deployment,
        others: list[Deployment],
        rollup: Rollup | None,
        now: str,
    ) -> tuple[dict[str, int], list[NotTargeted]]:
        """Devices of each class that is targeted, and those that are not."""
        targeted, left_out = {}, []
        all_of_them = [item, *others]
        started_at = max(now, item.starts_at)
        for known in await self.fleet.classes(instance):
            device_class = known.device_class
            class_id = device_class.class_id
            cells = rollup.counts.get((item.group_id, class_id), {}) if rollup else {}
            count = cells.get(TOTAL, 0)
            if not count:
                continue
            if not is_compatible(item.compatibility, device_class.properties):
                why = "NotCompatible", "The update does not fit the device class."
            elif item.subgroup(class_id).is_canceled or item.subgroup(class_id).is_deleted:
                why = "CanceledForClass", "The deployment is cancelled for the device class."
            elif state_for(item, all_of_them, device_class, started_at) is DeploymentState.INACTIVE:
                why = "Superseded", "Another deployment comes before it for the device class."
            else:
                targeted[class_id] = count
                continue
            left_out.append(NotTargeted(*why, devices=count, class_id=class_id))
        return targeted, left_out

    async def _rollback_warnings(self, instance: str, item: Deployment) -> list[Warned]:
        policy = item.rollback_policy
        if policy is None:
            return []
        stored = await self.updates.get(instance, policy.update_id)
        if stored is not None and stored.value.recall is None:
            return []
        message = f"Nothing can go back to '{policy.update_id}': it was recalled or deleted."
        return [Warned("RollbackTargetUnusable", message)]


def _device_warnings(item: Deployment, counts: Sequence[Mapping[str, int]]) -> list[Warned]:
    """What devices themselves have that keeps them from being asked when others are."""
    found = []
    windowed = sum(cells.get(WINDOWED, 0) for cells in counts)
    if windowed and item.heeds_device_window:
        message = (
            f"{windowed} devices have a window of their own; they are asked while it is open as "
            "well, which the times do not count."
        )
        found.append(Warned("OwnWindows", message))
    excluded = sum(cells.get(EXCLUDED, 0) for cells in counts)
    if excluded:
        message = f"{excluded} devices are excluded from every deployment and will not be asked."
        found.append(Warned("ExcludedDevices", message))
    return found


def _installed_warnings(
    update_id: UpdateId, classes: Mapping[str, int], rollup: Rollup | None, group: str
) -> list[Warned]:
    same = newer = 0
    for class_id in classes:
        for cell, count in (rollup.counts.get((group, class_id), {}) if rollup else {}).items():
            kind, _, rest = cell.partition(":")
            _, _, name = rest.partition(":")
            if kind != "installed" or name == NOTHING_INSTALLED:
                continue
            provider, update_name, version = name.split("/")
            if (provider, update_name) != (update_id.provider, update_id.name):
                continue
            installed = UpdateId(provider, update_name, version)
            same += count if installed == update_id else 0
            newer += count if installed.version_key > update_id.version_key else 0
    found = []
    if same:
        message = f"{same} devices have the update already; gates do not count them."
        found.append(Warned("AlreadyInstalled", message))
    if newer:
        message = f"{newer} devices have a newer version, which this would replace."
        found.append(Warned("NewerInstalled", message))
    return found
