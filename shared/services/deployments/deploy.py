"""Deployments: create, cancel, retry, delete, and hand out the work they make."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from shared import messages
from shared.domain.errors import ConcurrentUpdate, Conflict, InvalidInput, NotFound
from shared.domain.events.catalog import deployment_canceled, deployment_started
from shared.domain.fleet import deployment as rules
from shared.domain.fleet.compliance import state_counts
from shared.domain.fleet.deployment import Deployment, Issue, RollbackPolicy
from shared.domain.fleet.device_class import is_compatible
from shared.domain.limits import Limits, exceeded
from shared.domain.updates.update import Update
from shared.domain.updates.update_id import UpdateId
from shared.ports import Clock, Deployments, Fleet, KnownClass, Queues, Stored, Updates
from shared.services.announce import Announcer
from shared.services.retrying import until_uncontended

_LONGEST_DELAY_SECONDS = 6 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class DeploymentRequest:
    """What an operator asks for. `starts_at` is ISO 8601, UTC."""

    deployment_id: str
    group_id: str
    update_id: UpdateId
    starts_at: str
    rollback_policy: RollbackPolicy | None = None


@dataclass(slots=True)
class Deploy:
    """Deployments of groups."""

    deployments: Deployments
    updates: Updates
    fleet: Fleet
    queues: Queues
    clock: Clock
    commands_per_second: float
    limits: Limits = field(default_factory=Limits)
    announcer: Announcer = field(default_factory=Announcer)

    async def create(self, instance: str, request: DeploymentRequest) -> Deployment:
        """Deploy an update to a group; asking again for the same changes nothing.

        Raises:
            NotFound: Unknown group or update.
            InvalidInput: The update is not deployable or fits no class of the group.
            Conflict: The id is taken by a deployment of another update; or the update was
                recalled.
            LimitExceeded: The group has as many deployments as it may have.
        """
        rules.check_deployment_id(request.deployment_id)
        await self._check_room(instance, request)
        update = await self._update(instance, request.update_id)
        if request.rollback_policy is not None:
            rollback = "/rollbackPolicy/update/updateId"
            await self._update(instance, request.rollback_policy.update_id, rollback)
        classes = await self.classes_of(instance, request.group_id)
        if not any(
            is_compatible(update.compatibility, item.device_class.properties) for item in classes
        ):
            raise InvalidInput(
                f"Update '{update.update_id}' fits no device class of group '{request.group_id}'.",
                target="/update",
            )
        deployment = Deployment(
            deployment_id=request.deployment_id,
            group_id=request.group_id,
            update_id=request.update_id,
            compatibility=update.compatibility,
            workflow_id=self.clock.fresh_id(),
            starts_at=request.starts_at,
            created_at=self.clock.now(),
            rollback_policy=request.rollback_policy,
            issue=Issue(update.signature_edition),
        )
        if await self.deployments.add(instance, deployment):
            await self._check_still_there(instance, deployment)
        else:
            deployment = await self._same(instance, request)
        await self._enqueue(instance, deployment)
        return deployment

    async def get(self, instance: str, group: str, deployment_id: str) -> Deployment:
        """A deployment. Raises NotFound."""
        return (await self._stored(instance, group, deployment_id)).value

    async def cancel(
        self, instance: str, group: str, class_id: str, deployment_id: str
    ) -> Deployment:
        """Cancel for one device class; devices that have finished keep what they have."""

        def change(item: Deployment) -> Deployment:
            canceled = rules.cancel(item, class_id)
            if not self.announcer.is_on or item.subgroup(class_id).is_canceled:
                return canceled
            event = deployment_canceled(instance, item, class_id, self.clock.now())
            return replace(canceled, events=(*item.events, event))

        return await self._change(instance, group, deployment_id, change)

    async def retry(
        self, instance: str, group: str, class_id: str, deployment_id: str
    ) -> Deployment:
        """Try again on the devices of one class where it failed.

        Raises:
            NotFound: There is no such deployment.
            Conflict: It is cancelled for the class, or has failed on none of its devices.
        """
        now = self.clock.now()
        rollup = (await self.fleet.rollups(instance, group)).get(group)
        cells = rollup.counts.get((group, class_id), {}) if rollup else {}

        def change(item: Deployment) -> Deployment:
            failed = state_counts(cells, item.workflow_id).failed
            return rules.retry(item, class_id, failed, now)

        return await self._change(instance, group, deployment_id, change)

    async def delete(self, instance: str, group: str, deployment_id: str) -> None:
        """Forget a deployment; devices are left as they are."""
        stored = await self._stored(instance, group, deployment_id)
        await self.announcer.send(instance, stored.value.events)
        await self.deployments.delete(instance, group, deployment_id)

    async def delete_for_class(
        self, instance: str, group: str, class_id: str, deployment_id: str
    ) -> None:
        """Forget a deployment for one device class, and wholly where it has no other."""
        classes = await self.fleet.classes(instance)

        async def cycle() -> None:
            stored = await self._stored(instance, group, deployment_id)
            changed = rules.delete(stored.value, class_id)
            if any(changed.targets(known.device_class) for known in classes):
                await self.deployments.save(instance, changed, stored.etag)
            else:
                await self.announcer.send(instance, changed.events)
                await self.deployments.delete(instance, group, deployment_id)

        await until_uncontended(cycle)

    async def fan_out(self, instance: str, group: str, deployment_id: str) -> None:
        """Have every device of the group reconciled, paced, once the deployment has started."""
        stored = await self.deployments.get(instance, group, deployment_id)
        if stored is None or stored.value.is_fanned_out:
            return
        deployment, now = stored.value, self.clock.now()
        if deployment.starts_at > now:
            await self._enqueue(instance, deployment)
            return
        buckets = await self.fleet.buckets(instance, group)
        rollup = (await self.fleet.rollups(instance, group)).get(group)
        devices = sum(cells.get("total", 0) for cells in rollup.counts.values()) if rollup else 0
        seconds_a_bucket = devices / max(1, len(buckets)) / self.commands_per_second
        for index, bucket in enumerate(buckets):
            await self.queues.put(
                messages.Reconcile(instance=instance, bucket=bucket, group=group),
                delay_seconds=min(index * seconds_a_bucket, _LONGEST_DELAY_SECONDS),
            )
        begun = self._begun(instance, deployment, now)
        try:
            await self.deployments.save(instance, begun, stored.etag)
        except ConcurrentUpdate:
            return  # changed meanwhile: that change brings a fan-out of its own
        await self._announce(instance, begun)

    def _begun(self, instance: str, deployment: Deployment, now: str) -> Deployment:
        begun = replace(deployment, is_fanned_out=True)
        if not self.announcer.is_on or deployment.is_started:
            return begun
        event = deployment_started(instance, deployment, now)
        return replace(begun, is_started=True, events=(*deployment.events, event))

    async def classes_of(self, instance: str, group: str) -> list[KnownClass]:
        """The device classes that the group has devices of. Raises NotFound for an unknown
        group.
        """
        rollup = (await self.fleet.rollups(instance, group)).get(group)
        if rollup is None and not await self._is_known(instance, group):
            raise NotFound(f"Group '{group}' does not exist.", target="groupId")
        present = {
            class_id
            for (_, class_id), cells in (rollup.counts if rollup else {}).items()
            if cells.get("total")
        }
        classes = await self.fleet.classes(instance)
        if rollup is None:
            return list(classes)  # a group seen a moment ago: its classes are not summed up yet
        return [item for item in classes if item.device_class.class_id in present]

    async def _is_known(self, instance: str, group: str) -> bool:
        return any(known.group_id == group for known in await self.fleet.groups(instance))

    async def _update(
        self, instance: str, update_id: UpdateId, place: str = "/update/updateId"
    ) -> Update:
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
        return stored.value

    async def _check_still_there(self, instance: str, deployment: Deployment) -> None:
        """A deletion that began meanwhile may not have seen the deployment: then this sees it."""
        policy = deployment.rollback_policy
        try:
            for update_id in [deployment.update_id] + ([policy.update_id] if policy else []):
                await self._update(instance, update_id)
        except (NotFound, Conflict):
            await self.deployments.delete(instance, deployment.group_id, deployment.deployment_id)
            raise

    async def _check_room(self, instance: str, request: DeploymentRequest) -> None:
        most, group = self.limits.deployments_per_group, request.group_id
        if await self.deployments.count(instance, group, most) < most:
            return
        if await self.deployments.get(instance, group, request.deployment_id) is None:
            raise exceeded(
                f"Group '{group}' has {most} deployments; delete some",
                "deployments_per_group",
                most,
            )

    async def _same(self, instance: str, request: DeploymentRequest) -> Deployment:
        known = await self.get(instance, request.group_id, request.deployment_id)
        if known.update_id != request.update_id:
            raise Conflict(
                f"Deployment '{known.deployment_id}' of group '{known.group_id}' already deploys "
                f"'{known.update_id}'; use another id.",
                target="deploymentId",
            )
        return known

    async def _stored(self, instance: str, group: str, deployment_id: str) -> Stored[Deployment]:
        stored = await self.deployments.get(instance, group, deployment_id)
        if stored is None:
            raise NotFound(
                f"Group '{group}' has no deployment '{deployment_id}'.", target="deploymentId"
            )
        return stored

    async def _change(
        self,
        instance: str,
        group: str,
        deployment_id: str,
        change: rules.Change,
    ) -> Deployment:
        async def cycle() -> Deployment:
            stored = await self._stored(instance, group, deployment_id)
            changed = change(stored.value)
            await self.deployments.save(instance, changed, stored.etag)
            return changed

        changed = await until_uncontended(cycle)
        await self._enqueue(instance, changed)
        await self._announce(instance, changed)
        return changed

    async def _announce(self, instance: str, deployment: Deployment) -> None:
        if deployment.events:
            await self.announcer.deployment(instance, deployment.group_id, deployment.deployment_id)

    async def _enqueue(self, instance: str, deployment: Deployment) -> None:
        ahead = datetime.fromisoformat(deployment.starts_at) - datetime.fromisoformat(
            self.clock.now()
        )
        await self.queues.put(
            messages.FanOut(
                instance=instance,
                group=deployment.group_id,
                deployment=deployment.deployment_id,
            ),
            delay_seconds=min(max(0.0, ahead.total_seconds()), _LONGEST_DELAY_SECONDS),
        )
