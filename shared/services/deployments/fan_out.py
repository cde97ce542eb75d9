"""Hands out the work of a deployment that was made, changed, or has opened a phase.

Each bucket of the group gets one message, at a time that is reserved on the hub's timeline, which
all processes and roll-outs of an instance share. A long fan-out reserves ten minutes at a time and
comes back for more, so that roll-outs side by side take turns. What is taken back does not wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from shared import messages
from shared.domain.errors import ConcurrentUpdate
from shared.domain.events.catalog import deployment_started
from shared.domain.fleet.counters import TOTAL
from shared.domain.fleet.deployment import Deployment
from shared.domain.instant import later
from shared.domain.rollouts.evaluation import opened_next
from shared.domain.rollouts.figures import Figures
from shared.domain.rollouts.pace import is_limited
from shared.domain.rollouts.progress import Status
from shared.domain.rollouts.transition import SERVICE, Transition
from shared.ports import Clock, Deployments, Fleet, HubBudget, Queues, Rollup, Stored
from shared.services.announce import Announcer
from shared.services.deployments.transitions import Transitions

LONGEST_DELAY_SECONDS = 6 * 24 * 3600.0
_SLICE_SECONDS = 600.0
_LATE = timedelta(minutes=2)
"""How long after its time a slice is taken for lost."""


@dataclass(slots=True)
class FanOuts:
    """Puts the messages that have devices reconciled."""

    deployments: Deployments
    fleet: Fleet
    queues: Queues
    budget: HubBudget
    clock: Clock
    commands_per_second: float
    announcer: Announcer = field(default_factory=Announcer)

    async def run(self, order: messages.FanOut) -> None:
        """Do what a message says."""
        if order.deleted is not None:
            await self._take_back(order.instance, order.group, order.deleted)
            return
        stored = await self.deployments.get(order.instance, order.group, order.deployment)
        if stored is None or stored.value.is_fanned_out:
            return
        if stored.value.starts_at > self.clock.now():
            await self.enqueue(order.instance, stored.value)
            return
        try:
            begun = await self._begun(order.instance, stored)
            if begun is not None:
                await self._slice(order.instance, begun, order.first)
        except ConcurrentUpdate:
            return  # changed meanwhile: that change brings a fan-out of its own

    async def enqueue(self, instance: str, deployment: Deployment) -> None:
        """Have a deployment fanned out as soon as it has started."""
        now = datetime.fromisoformat(self.clock.now())
        ahead = (datetime.fromisoformat(deployment.starts_at) - now).total_seconds()
        await self.queues.put(
            messages.FanOut(
                instance=instance,
                group=deployment.group_id,
                deployment=deployment.deployment_id,
                traceparent=deployment.traceparent,
            ),
            delay_seconds=min(max(0.0, ahead), LONGEST_DELAY_SECONDS),
        )

    async def _begun(self, instance: str, stored: Stored[Deployment]) -> Stored[Deployment] | None:
        """The deployment once it has begun; None while a roll-out waits for approval."""
        deployment, now = stored.value, self.clock.now()
        rollout, progress = deployment.rollout, deployment.progress
        if rollout is None or progress is None or progress.status is not Status.SCHEDULED:
            return stored
        if progress.unapproved_since:
            return None
        change = opened_next(rollout, progress, now, Figures())
        made = Transition(
            at=now,
            actor=SERVICE,
            step=change.step,
            before=progress.status,
            after=change.progress.status,
            revision=deployment.revision,
            phase=change.progress.phase,
        )
        transitions = Transitions(self.deployments, self.announcer)
        opened = replace(deployment, progress=change.progress)
        await transitions.save(instance, opened, stored.etag, [made])
        return await self.deployments.get(instance, deployment.group_id, deployment.deployment_id)

    async def _slice(self, instance: str, stored: Stored[Deployment], first: int) -> None:
        deployment = stored.value
        buckets = sorted(await self.fleet.buckets(instance, deployment.group_id))
        rollup = (await self.fleet.rollups(instance, deployment.group_id)).get(deployment.group_id)
        seconds_each = _asks(deployment, rollup) / max(1, len(buckets)) / self.commands_per_second
        most = max(1, int(_SLICE_SECONDS / seconds_each)) if seconds_each else len(buckets)
        some = buckets[first : first + most]
        ahead = 0.0
        if seconds_each and not deployment.is_rollback:
            ahead = await self.budget.reserve(instance, seconds_each * len(some))
        await self._put(instance, deployment, some, ahead, seconds_each)
        end = min(ahead + seconds_each * len(some), LONGEST_DELAY_SECONDS)
        following = first + len(some)
        if following < len(buckets):
            await self.queues.put(
                messages.FanOut(
                    instance=instance,
                    group=deployment.group_id,
                    deployment=deployment.deployment_id,
                    first=following,
                ),
                delay_seconds=end,
            )
        await self._written(instance, stored, end, is_last=following >= len(buckets))

    async def _put(
        self,
        instance: str,
        deployment: Deployment,
        buckets: Sequence[int],
        ahead: float,
        seconds_each: float,
    ) -> None:
        # what was recalled is taken back from devices that have it as well: those are looked at all
        workflow = deployment.workflow_id if deployment.recall_reason is None else None
        for index, bucket in enumerate(buckets):
            await self.queues.put(
                messages.Reconcile(
                    instance=instance,
                    bucket=bucket,
                    group=deployment.group_id,
                    workflow=workflow,
                    unasked=deployment.progress is None or deployment.progress.may_ask,
                ),
                delay_seconds=min(ahead + index * seconds_each, LONGEST_DELAY_SECONDS),
            )

    async def _written(
        self, instance: str, stored: Stored[Deployment], end: float, *, is_last: bool
    ) -> None:
        """Write down how far it is: the sweep begins again what is late."""
        now = self.clock.now()
        until = later(now, timedelta(seconds=end))
        changed = replace(
            stored.value,
            is_fanned_out=is_last,
            fan_out_until=until if is_last else later(until, _LATE),
        )
        if self.announcer.is_on and not changed.is_started:
            event = deployment_started(instance, changed, now)
            changed = replace(changed, is_started=True, events=(*changed.events, event))
        await self.deployments.save(instance, changed, stored.etag)
        if changed.events:
            await self.announcer.deployment(instance, changed.group_id, changed.deployment_id)

    async def _take_back(self, instance: str, group: str, workflow_id: str) -> None:
        """Have what a deleted deployment asked taken back, from devices that have not succeeded."""
        for bucket in await self.fleet.buckets(instance, group):
            await self.queues.put(
                messages.Reconcile(
                    instance=instance,
                    bucket=bucket,
                    group=group,
                    workflow=workflow_id,
                    unasked=False,
                )
            )


def _asks(deployment: Deployment, rollup: Rollup | None) -> float:
    """About how many devices the fan-out asks; none where grants bound them."""
    rollout, progress = deployment.rollout, deployment.progress
    totals = {
        class_id: cells.get(TOTAL, 0)
        for (_, class_id), cells in (rollup.counts if rollup else {}).items()
    }
    total = sum(totals.values())
    if rollout is None or progress is None:
        return total
    if is_limited(rollout) or not progress.may_ask:
        return 0
    select = rollout.phases[progress.phase].select
    if select.class_id is not None:
        return totals.get(select.class_id, 0)
    before = max(
        (phase.select.basis_points for phase in rollout.phases[: progress.phase]), default=0
    )
    return total * max(0, select.basis_points - before) / 10_000
