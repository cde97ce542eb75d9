"""What has to hold before a deployment is made or changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from shared.domain.errors import Conflict, InvalidInput, NotFound
from shared.domain.fleet.counters import TOTAL
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.deployment_edit import DeploymentRequest
from shared.domain.fleet.device_class import is_compatible
from shared.domain.limits import Limits, exceeded
from shared.domain.rollouts.request import checked
from shared.domain.rollouts.specification import Rollout
from shared.domain.updates.update import Update
from shared.domain.updates.update_id import UpdateId
from shared.ports import Deployments, Fleet, KnownClass, Updates
from shared.services.commands import Commands

ROLLBACK_UPDATE = "/rollbackPolicy/update/updateId"
"""Where a request names the update to go back to."""
_UPDATE = "/update/updateId"


@dataclass(frozen=True, slots=True)
class Admission:
    """Lets a deployment pass or refuses it. `link_life` is that of the links in commands."""

    deployments: Deployments
    updates: Updates
    fleet: Fleet
    limits: Limits
    link_life: timedelta
    commands: Commands

    def in_one_form(
        self, request: DeploymentRequest, known: Deployment | None
    ) -> DeploymentRequest:
        """The request with its roll-out in its one form."""
        if request.rollout is None:
            return request
        policy = request.rollback_policy or (known.rollback_policy if known else None)
        rollout = checked(
            request.rollout, link_life=self.link_life, has_rollback=policy is not None
        )
        return replace(request, rollout=rollout)

    async def targets(self, instance: str, group: str, update: Update) -> dict[str, int]:
        """The classes of a group that an update fits, with their devices by the last sum.

        Raises:
            NotFound: Unknown group.
        """
        known = await classes_of(self.fleet, instance, group)
        rollup = (await self.fleet.rollups(instance, group)).get(group)
        counts = rollup.counts if rollup else {}
        return {
            item.device_class.class_id: counts.get((group, item.device_class.class_id), {}).get(
                TOTAL, 0
            )
            for item in known
            if is_compatible(update.compatibility, item.device_class.properties)
        }

    def needs_approval(self, targets: int, rollout: Rollout | None) -> bool:
        """Whether a deployment to so many devices needs approval by the settings.

        Raises:
            Conflict: It does, and has no roll-out that could be approved.
        """
        most = self.limits.devices_without_approval
        if targets <= most:
            return False
        if rollout is None:
            raise Conflict(
                f"A deployment to more than {most} devices needs the approval of a second person, "
                "so it needs a 'rollout', if of one phase only.",
                code="ApprovalRequired",
                target="/rollout",
            )
        return True

    async def update(self, instance: str, update_id: UpdateId, place: str = _UPDATE) -> Update:
        """An update that can be deployed; `place` is where the request names it.

        Raises:
            NotFound: There is none.
            Conflict: It is being deleted or was recalled.
            InvalidInput: It only serves as a part of others.
            LimitExceeded: Its command would be more than a twin can hold.
        """
        stored = await self.updates.get(instance, update_id)
        if stored is None:
            raise NotFound(f"Update '{update_id}' does not exist.", target=place)
        if stored.value.is_being_deleted:
            raise Conflict(f"Update '{update_id}' is being deleted.", target=place)
        if stored.value.recall is not None:
            raise Conflict(
                f"Update '{update_id}' was recalled: {stored.value.recall.reason}",
                code="UpdateRecalled",
                target=place,
            )
        if not stored.value.is_deployable:
            raise InvalidInput(
                f"Update '{update_id}' is not deployable; it only serves as a part of others.",
                target=place,
            )
        await self.commands.check_size(instance, stored.value, place)
        return stored.value

    async def check_still_there(self, instance: str, deployment: Deployment) -> None:
        """A deletion that began meanwhile may not have seen the deployment: then this sees it."""
        policy = deployment.rollback_policy
        try:
            for update_id in [deployment.update_id] + ([policy.update_id] if policy else []):
                await self.update(instance, update_id)
        except (NotFound, Conflict):
            await self.deployments.delete(instance, deployment.group_id, deployment.deployment_id)
            raise

    async def check_room(self, instance: str, request: DeploymentRequest) -> None:
        """Refuse a deployment too many. Raises LimitExceeded."""
        most, group = self.limits.deployments_per_group, request.group_id
        if await self.deployments.count(instance, group, most) >= most:
            raise exceeded(
                f"Group '{group}' has {most} deployments; delete some",
                "deployments_per_group",
                most,
            )


async def classes_of(fleet: Fleet, instance: str, group: str) -> list[KnownClass]:
    """The device classes that the group has devices of. Raises NotFound for an unknown group."""
    rollup = (await fleet.rollups(instance, group)).get(group)
    groups = [] if rollup else await fleet.groups(instance)
    if rollup is None and not any(known.group_id == group for known in groups):
        raise NotFound(f"Group '{group}' does not exist.", target="groupId")
    present = {
        class_id
        for (_, class_id), cells in (rollup.counts if rollup else {}).items()
        if cells.get(TOTAL)
    }
    classes = await fleet.classes(instance)
    if rollup is None:
        return list(classes)  # a group seen a moment ago: its classes are not summed up yet
    return [item for item in classes if item.device_class.class_id in present]
