"""Deployments: create, cancel, retry, delete, and hand out the work they make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from shared import messages
from shared.domain.errors import ConcurrentUpdate, Conflict, InvalidInput, NotFound
from shared.domain.events.catalog import deployment_canceled
from shared.domain.fleet.deployment import (
    Change,
    Deployment,
    SignatureGeneration,
    check_deployment_id,
)
from shared.domain.fleet.deployment_edit import (
    Actor,
    DeploymentRequest,
    created,
    edit,
    new_progress,
    transition,
)
from shared.domain.fleet.rollout_figures import figures_by_class
from shared.domain.limits import Limits
from shared.domain.rollouts.transition import SERVICE, Step
from shared.ports import (
    NO_TELEMETRY,
    Clock,
    Deployments,
    Fleet,
    KnownClass,
    Stored,
    Telemetry,
    Updates,
)
from shared.services.announce import Announcer
from shared.services.commands import Commands
from shared.services.deployments.admission import ROLLBACK_UPDATE, Admission, classes_of
from shared.services.deployments.fan_out import FanOuts
from shared.services.deployments.transitions import Transitions
from shared.services.retrying import retry_on_conflict

type Condition = Callable[[Deployment | None], None]
"""What a caller wants to hold of the deployment that is there; raises PreconditionFailed."""


@dataclass(slots=True)
class Deploy:
    """Deployments of groups."""

    deployments: Deployments
    updates: Updates
    fleet: Fleet
    fan_outs: FanOuts
    clock: Clock
    commands: Commands
    limits: Limits = field(default_factory=Limits)
    announcer: Announcer = field(default_factory=Announcer)
    link_life: timedelta = timedelta(hours=144)
    telemetry: Telemetry = NO_TELEMETRY

    @property
    def admission(self) -> Admission:
        """What has to hold of a deployment."""
        return Admission(
            self.deployments,
            self.updates,
            self.fleet,
            limits=self.limits,
            link_life=self.link_life,
            commands=self.commands,
        )

    @property
    def transitions(self) -> Transitions:
        """Where histories are written."""
        return Transitions(self.deployments, self.announcer)

    async def create(
        self,
        instance: str,
        request: DeploymentRequest,
        *,
        author: str = SERVICE,
        condition: Condition = lambda _: None,
    ) -> Deployment:
        """Deploy an update to a group, or edit the deployment that has the id; asking again for the
        same changes nothing.

        Args:
            instance: The instance.
            request: What is asked for.
            author: Object id of who asks.
            condition: What must hold of the one that is there.

        Raises:
            NotFound: Unknown group or update.
            InvalidInput: The update is not deployable or fits no class of the group, or the
                roll-out breaks a rule.
            Conflict: The update was recalled, or what differs cannot change any more.
            LimitExceeded: The group has as many deployments as it may have.
            PreconditionFailed: The condition does not hold.
        """
        check_deployment_id(request.deployment_id)

        async def cycle() -> Deployment:
            actor = Actor(author, self.clock.now())
            stored = await self.deployments.get(instance, request.group_id, request.deployment_id)
            condition(stored.value if stored else None)
            if stored is None:
                return await self._add(instance, request, actor)
            return await self._edit(instance, stored, request, actor)

        deployment = await retry_on_conflict(cycle)
        await self.fan_outs.enqueue(instance, deployment)
        return deployment

    async def _add(self, instance: str, request: DeploymentRequest, actor: Actor) -> Deployment:
        await self.admission.check_room(instance, request)
        deployment = await self.draft(instance, request, actor)
        if not await self.transitions.add(instance, deployment, [created(deployment, actor)]):
            raise ConcurrentUpdate("Another request made it meanwhile.")
        await self.admission.check_still_there(instance, deployment)
        return deployment

    async def draft(self, instance: str, request: DeploymentRequest, actor: Actor) -> Deployment:
        """The deployment that a request would make; nothing is stored.

        Raises:
            NotFound, InvalidInput, Conflict: As `create` does.
        """
        admission = self.admission
        request = admission.in_one_form(request, None)
        update = await admission.update(instance, request.update_id)
        if request.rollback_policy is not None:
            await admission.update(instance, request.rollback_policy.update_id, ROLLBACK_UPDATE)
        targets = await admission.targets(instance, request.group_id, update)
        if not targets:
            raise InvalidInput(
                f"Update '{update.update_id}' fits no device class of group '{request.group_id}'.",
                target="/update",
            )
        needs_approval = admission.needs_approval(sum(targets.values()), request.rollout)
        return Deployment(
            deployment_id=request.deployment_id,
            group_id=request.group_id,
            update_id=request.update_id,
            compatibility=update.compatibility,
            workflow_id=self.clock.fresh_id(),
            starts_at=request.starts_at,
            created_at=actor.now,
            rollback_policy=request.rollback_policy,
            issue=SignatureGeneration(update.signature_edition),
            rollout=request.rollout,
            progress=new_progress(request.rollout, actor, needs_approval=needs_approval),
            author=actor.object_id,
            warnings=update.warnings,
            traceparent=self.telemetry.traceparent,
        )

    async def _edit(
        self,
        instance: str,
        stored: Stored[Deployment],
        request: DeploymentRequest,
        actor: Actor,
    ) -> Deployment:
        known, admission = stored.value, self.admission
        request = admission.in_one_form(request, known)
        result = edit(known, request, actor)
        if result is None:
            return known
        update = await admission.update(instance, known.update_id)
        policy = request.rollback_policy
        if policy is not None and policy != known.rollback_policy:
            await admission.update(instance, policy.update_id, ROLLBACK_UPDATE)
        targets = await admission.targets(instance, known.group_id, update)
        if admission.needs_approval(sum(targets.values()), result[0].rollout):
            result = edit(known, request, actor, needs_approval=True) or result
        changed, made = result
        await self.transitions.save(instance, changed, stored.etag, [made])
        return changed

    async def get(self, instance: str, group: str, deployment_id: str) -> Deployment:
        """A deployment. Raises NotFound."""
        return (await self._stored(instance, group, deployment_id)).value

    async def cancel(
        self,
        instance: str,
        group: str,
        class_id: str,
        deployment_id: str,
        author: str = SERVICE,
    ) -> Deployment:
        """Cancel for one device class; devices that have finished keep what they have."""
        actor = Actor(author, self.clock.now())

        def change(item: Deployment) -> Deployment:
            canceled = item.canceled(class_id)
            if not self.announcer.is_on or item.subgroup(class_id).is_canceled:
                return canceled
            event = deployment_canceled(instance, item, class_id, actor.now)
            return replace(canceled, events=(*item.events, event))

        place = (instance, group, deployment_id)
        return await self._change(place, change, actor, Step.CLASS_CANCELED, class_id)

    async def retry(
        self,
        instance: str,
        group: str,
        class_id: str,
        deployment_id: str,
        author: str = SERVICE,
    ) -> Deployment:
        """Try again on the devices of one class where it failed.

        Raises:
            NotFound: There is no such deployment.
            Conflict: It is cancelled for the class.
        """
        actor = Actor(author, self.clock.now())

        def change(item: Deployment) -> Deployment:
            return item.retried(class_id, actor.now)

        place = (instance, group, deployment_id)
        return await self._change(place, change, actor, Step.CLASS_RETRIED, class_id)

    async def delete(self, instance: str, group: str, deployment_id: str) -> None:
        """Forget a deployment. Devices that work on it or have it are left as they are; it is taken
        back from those that have failed, because they would try it again by themselves, and from
        those that have not begun.

        Raises:
            NotFound: There is none.
            Conflict: `DeploymentActive`: devices run it by a roll-out that has not ended.
        """
        known = (await self._stored(instance, group, deployment_id)).value
        await self._check_idle(instance, known)
        await self._forget(instance, known)

    async def _check_idle(self, instance: str, known: Deployment) -> None:
        """Refuse to forget what a roll-out needs to count its devices by."""
        if known.progress is None or known.progress.status.is_final or known.recall_reason:
            return
        rollup = (await self.fleet.rollups(instance, known.group_id)).get(known.group_id)
        figures = figures_by_class(known, rollup.counts, rollup.as_of) if rollup else {}
        running = sum(each.open for labels in figures.values() for each in labels.values())
        if running:
            raise Conflict(
                f"{running} devices run '{known.deployment_id}'; abort it first, or wait for them.",
                code="DeploymentActive",
                target="deploymentId",
            )

    async def delete_for_class(
        self, instance: str, group: str, class_id: str, deployment_id: str
    ) -> None:
        """Forget a deployment for one device class, and wholly where it has no other."""
        classes = await self.fleet.classes(instance)

        async def cycle() -> None:
            stored = await self._stored(instance, group, deployment_id)
            changed = stored.value.deleted(class_id)
            if any(changed.targets(known.device_class) for known in classes):
                await self.deployments.save(instance, changed, stored.etag)
                await self.fan_outs.enqueue(instance, changed)
            else:
                await self._forget(instance, changed)

        await retry_on_conflict(cycle)

    async def _forget(self, instance: str, deployment: Deployment) -> None:
        group, deployment_id = deployment.group_id, deployment.deployment_id
        await self.announcer.send(instance, deployment.events)
        await self.deployments.delete(instance, group, deployment_id)
        await self.fan_outs.queues.put(
            messages.FanOut(
                instance=instance,
                group=group,
                deployment=deployment_id,
                deleted=deployment.workflow_id,
            )
        )

    async def classes_of(self, instance: str, group: str) -> list[KnownClass]:
        """The device classes that the group has devices of. Raises NotFound for an unknown
        group.
        """
        return await classes_of(self.fleet, instance, group)

    async def _stored(self, instance: str, group: str, deployment_id: str) -> Stored[Deployment]:
        stored = await self.deployments.get(instance, group, deployment_id)
        if stored is None:
            raise NotFound(
                f"Group '{group}' has no deployment '{deployment_id}'.", target="deploymentId"
            )
        return stored

    async def _change(
        self,
        place: tuple[str, str, str],
        change: Change,
        actor: Actor,
        step: Step,
        class_id: str,
    ) -> Deployment:
        instance, group, deployment_id = place

        async def cycle() -> Deployment:
            stored = await self._stored(instance, group, deployment_id)
            changed = change(stored.value)
            if changed.subgroups == stored.value.subgroups:
                return stored.value
            changed = replace(changed, revision=changed.revision + 1)
            made = transition(stored.value, changed, actor, step, class_id)
            await self.transitions.save(instance, changed, stored.etag, [made])
            return changed

        changed = await retry_on_conflict(cycle)
        await self.fan_outs.enqueue(instance, changed)
        return changed
