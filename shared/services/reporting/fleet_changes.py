"""What operators change of classes and groups: a name, and the removal of what has no devices.

All of them are made by devices that report and come back when one reports again. Whether there are
devices is read from the counters; a device that arrives while something is being deleted brings it
back with the next roll-up, which every deletion asks for.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from shared.domain.errors import Conflict, NotFound
from shared.domain.fleet.counters import TOTAL
from shared.domain.fleet.deployment import DeploymentState, state_for
from shared.domain.fleet.names import DEFAULT_GROUP
from shared.ports import Clock, Deployments, Fleet, KnownClass, Rollup
from shared.services.announce import Announcer
from shared.services.reporting.device_classes import known_class, no_class
from shared.services.reporting.rollup import RollUp
from shared.services.rollup_scheduler import RollupScheduler

_BLOCKING = (DeploymentState.ACTIVE, DeploymentState.CANCELED)


@dataclass(slots=True)
class FleetChanges:
    """Changes of device classes, groups and subgroups."""

    fleet: Fleet
    deployments: Deployments
    rollup: RollUp
    rollups: RollupScheduler
    clock: Clock
    announcer: Announcer = field(default_factory=Announcer)

    async def rename_class(self, instance: str, class_id: str, friendly_name: str) -> KnownClass:
        """Give a class a friendly name. Raises NotFound."""
        known = await known_class(self.fleet, instance, class_id)
        await self.fleet.rename_class(instance, class_id, friendly_name)
        return replace(known, friendly_name=friendly_name)

    async def delete_class(self, instance: str, class_id: str) -> None:
        """Delete a class and its empty subgroups.

        Raises:
            NotFound: There is no such class.
            Conflict: A group has devices of it.
        """
        await known_class(self.fleet, instance, class_id)
        rollups = await self.fleet.rollups(instance)
        groups = [group for group, rollup in rollups.items() if (group, class_id) in rollup.counts]
        peopled = [group for group in groups if _devices(rollups[group], group, class_id)]
        if peopled:
            raise Conflict(
                f"Device class '{class_id}' still has devices in {_listed(peopled)}.",
                target="deviceClassId",
            )
        for group in groups:
            await self.fleet.delete_subgroup(instance, group, class_id)
        await self.fleet.delete_class(instance, class_id)
        for group in groups:
            await self.rollups.request(instance, group)

    async def delete_group(self, instance: str, group: str) -> None:
        """Delete a group with its inactive deployments.

        Raises:
            NotFound: There is no such group.
            Conflict: It is the default group, has devices, or an active or cancelled deployment.
        """
        rollup = await self._fresh(instance, group)
        if group == DEFAULT_GROUP:
            raise Conflict("The default group cannot be deleted.", target="groupId")
        devices = sum(cells.get(TOTAL, 0) for cells in rollup.counts.values())
        if devices:
            raise Conflict(
                f"Group '{group}' still has devices ({devices}); give them another tag first.",
                target="groupId",
            )
        await self._check_deployments(instance, group)
        for _, class_id in rollup.counts:
            await self.fleet.delete_subgroup(instance, group, class_id)
        for stored in await self.deployments.of_group(instance, group):
            await self.announcer.send(instance, stored.value.events)
            await self.deployments.delete(instance, group, stored.value.deployment_id)
        await self.fleet.delete_group(instance, group)
        await self.rollups.request(instance, group)

    async def delete_subgroup(self, instance: str, group: str, class_id: str) -> None:
        """Delete a class of a group.

        Raises:
            NotFound: There is no such group, or it has nothing of the class.
            Conflict: It has devices or an active deployment.
        """
        rollup = await self._fresh(instance, group)
        known = await known_class(self.fleet, instance, class_id)
        if (group, class_id) not in rollup.counts:
            raise no_class(class_id)
        devices = _devices(rollup, group, class_id)
        if devices:
            raise Conflict(
                f"Group '{group}' still has devices of this class ({devices}).",
                target="deviceClassId",
            )
        active = await self._deployments_in(instance, group, [known], (DeploymentState.ACTIVE,))
        if active:
            raise Conflict(
                f"Deployment {_listed(active)} is active for this class; "
                "cancel or delete it first.",
                target="deviceClassId",
            )
        await self.fleet.delete_subgroup(instance, group, class_id)
        await self.rollup.group(instance, group)
        await self.rollups.request(instance, group)

    async def _check_deployments(self, instance: str, group: str) -> None:
        classes = list(await self.fleet.classes(instance))
        blocking = await self._deployments_in(instance, group, classes, _BLOCKING)
        if blocking:
            raise Conflict(
                f"Group '{group}' has an active or cancelled deployment: {_listed(blocking)}; "
                "delete it first.",
                target="groupId",
            )

    async def _deployments_in(
        self,
        instance: str,
        group: str,
        classes: list[KnownClass],
        states: tuple[DeploymentState, ...],
    ) -> list[str]:
        """Ids of the group's deployments that are in such a state for one of the classes."""
        stored = await self.deployments.of_group(instance, group)
        deployments, now = [item.value for item in stored], self.clock.now()
        return [
            item.deployment_id
            for item in deployments
            if any(
                item.targets(known.device_class)
                and state_for(item, deployments, known.device_class, now) in states
                for known in classes
            )
        ]

    async def _fresh(self, instance: str, group: str) -> Rollup:
        """The roll-up of a group, summed up anew. Raises NotFound."""
        if all(known.group_id != group for known in await self.fleet.groups(instance)):
            raise NotFound(f"Group '{group}' does not exist.", target="groupId")
        await self.rollup.group(instance, group)
        rollup = (await self.fleet.rollups(instance, group)).get(group)
        return rollup or Rollup({}, self.clock.now())


def _devices(rollup: Rollup, group: str, class_id: str) -> int:
    return rollup.counts[group, class_id].get(TOTAL, 0)


def _listed(names: list[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
