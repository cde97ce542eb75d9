"""Moves the roll-outs of a group on, or stops them, each time its counters are summed up.

What follows from the counters is `rollouts.evaluation`; here it is written down, one guarded write
a roll-out, and what it calls for is put on its way. A crash in between is repaired by the next sum.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from shared import messages
from shared.domain.errors import ConcurrentUpdate, Conflict
from shared.domain.fleet.counters import Counts
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.rollout_figures import figures_by_class
from shared.domain.fleet.supersession import recalled, rolled_back_since, superseded_by
from shared.domain.instant import later
from shared.domain.rollouts.evaluation import Change, Sums, evaluate, paused, tripped_class
from shared.domain.rollouts.figures import Figures, has_commands_to_take_back
from shared.domain.rollouts.ledger import Ledger, ledger_of
from shared.domain.rollouts.pace import grants, is_spent, may_be_closed, needs_pass
from shared.domain.rollouts.progress import Hold, Reason, ReasonCode
from shared.domain.rollouts.transition import SERVICE, Transition
from shared.domain.rollouts.wake import wakes_at
from shared.ports import Clock, Deployments, Fleet, Queues, Stored
from shared.services.deployments.fan_out import FanOuts
from shared.services.deployments.fingerprint import fingerprint
from shared.services.deployments.rollback import Rollbacks
from shared.services.deployments.transitions import Transitions

log = logging.getLogger(__name__)

_AGAIN_AFTER = timedelta(minutes=2)
"""How long after its messages were due a pass is taken for lost."""


_REMEMBERED = 100_000


@dataclass(frozen=True, slots=True)
class GroupSums:
    """What the buckets of a group add up to. `counts` leaves out classes that were deleted."""

    counts: Counts
    by_bucket: Mapping[int, Counts]
    ledgers: Mapping[int, Mapping[str, int]]
    as_of: str


@dataclass(frozen=True, slots=True)
class Outlook:
    """What follows: `has_moved` if a roll-out has, so that more may follow at once; `wake_at` is
    when time alone may bring something, empty for never. `judged_by` is a fingerprint of the
    deployments that were looked at.
    """

    has_moved: bool = False
    wake_at: str = ""
    judged_by: str = ""

    def __or__(self, other: Outlook) -> Outlook:
        """With what follows of another roll-out."""
        moments = [each for each in (self.wake_at, other.wake_at) if each]
        return Outlook(self.has_moved or other.has_moved, min(moments, default=""), self.judged_by)


@dataclass(slots=True)
class Evaluator:
    """Watches the roll-outs of a group."""

    deployments: Deployments
    fleet: Fleet
    queues: Queues
    fan_outs: FanOuts
    rollbacks: Rollbacks
    transitions: Transitions
    clock: Clock
    _sent: dict[tuple[str, int, str], str] = field(default_factory=dict, init=False)

    async def check(self, instance: str, group: str, sums: GroupSums) -> Outlook:
        """Look at every roll-out of the group."""
        stored = await self.deployments.of_group(instance, group)
        others = [item.value for item in stored]
        watched = [
            item
            for item in stored
            if item.value.progress is not None
            and item.value.progress.opened
            and not item.value.progress.status.is_final
        ]
        outlook = Outlook(judged_by=fingerprint(stored))
        for item in watched:
            try:
                outlook |= await self._one(instance, item, others, sums)
            except ConcurrentUpdate:
                log.info("roll-out %s changed meanwhile", item.value.deployment_id)
                outlook |= self._moved()
        return outlook

    async def _one(
        self,
        instance: str,
        stored: Stored[Deployment],
        others: Sequence[Deployment],
        sums: GroupSums,
    ) -> Outlook:
        item, now = stored.value, self.clock.now()
        rollout, progress = item.rollout, item.progress
        assert rollout is not None
        assert progress is not None
        ledgers = {
            bucket: ledger_of(cells, item.workflow_id) for bucket, cells in sums.ledgers.items()
        }
        covered = all(ledger.covers(progress.phase) for ledger in ledgers.values())
        found = Sums(
            by_class=figures_by_class(item, sums.counts, sums.as_of),
            is_covered=covered or is_spent(rollout, progress, ledgers),
            as_of=sums.as_of,
        )
        classes = [known.device_class for known in await self.fleet.classes(instance)]
        present = [each for each in classes if (item.group_id, each.class_id) in sums.counts]
        change = (
            recalled(item, found, now)
            or rolled_back_since(item, others, present, found, now)
            or superseded_by(item, others, present, found, now)
            or evaluate(rollout, progress, found, now)
        )
        if change is not None:
            await self._write(instance, stored, change, now)
            return self._moved()
        if await self._roll_back(instance, stored, others, found, now):
            return self._moved()
        granted = grants(rollout, progress, ledgers, found.total.open, now)
        if granted is not None:
            item = replace(item, progress=granted.progress)
            await self.deployments.save(instance, item, stored.etag)
            await self._send(instance, item, granted.buckets, unasked=True, is_granted=True)
        else:
            await self._send_again(instance, item, ledgers, sums, found.total)
        return Outlook(wake_at=_wakes_at(item, sums, ledgers))

    def _moved(self) -> Outlook:
        """More may follow at once; if that message is lost, then soon."""
        return Outlook(has_moved=True, wake_at=later(self.clock.now(), _AGAIN_AFTER))

    async def _write(
        self, instance: str, stored: Stored[Deployment], change: Change, now: str
    ) -> None:
        item = stored.value
        assert item.progress is not None
        moved = replace(item, progress=change.progress)
        if change.needs_fan_out(item.progress):
            moved = moved.to_fan_out()
        made = Transition(
            at=now,
            actor=SERVICE,
            step=change.step,
            before=item.progress.status,
            after=change.progress.status,
            revision=item.revision,
            phase=change.progress.phase,
            code=change.reason.code if change.reason else None,
            message=change.reason.message if change.reason else "",
            figures=change.figures,
        )
        await self.transitions.save(instance, moved, stored.etag, [made])
        log.info("roll-out %s: %s", item.deployment_id, change.step)
        if not moved.is_fanned_out:
            await self.fan_outs.enqueue(instance, moved)

    async def _roll_back(
        self,
        instance: str,
        stored: Stored[Deployment],
        others: Sequence[Deployment],
        sums: Sums,
        now: str,
    ) -> bool:
        """Start the rollbacks that the failure rule asked for; they end the roll-out. Whether it
        stays paused because there is nothing to go back to, which is written down.
        """
        item = stored.value
        if item.rollout is None or item.progress is None or item.rollback_policy is None:
            return False
        class_id = tripped_class(item.rollout, item.progress, sums)
        if class_id is None:
            return False
        known = {other.only_class_id for other in others if other.undoes == item.workflow_id}
        missing = [
            each for each in ([class_id] if class_id else sums.by_class) if each not in known
        ]
        if not missing:
            return False
        try:
            await self.rollbacks.target(instance, item.rollback_policy)
        except Conflict as error:
            return await self._cannot_go_back(instance, stored, error.message, sums, now)
        for each in missing:
            await self.rollbacks.start(instance, item, each)
        return False

    async def _cannot_go_back(
        self, instance: str, stored: Stored[Deployment], why: str, sums: Sums, now: str
    ) -> bool:
        progress = stored.value.progress
        assert progress is not None
        before, code = progress.reason, ReasonCode.ROLLBACK_TARGET_UNUSABLE
        if before is not None and before.code is code:
            return False
        message = f"{before.message} {why}" if before is not None else why
        change = paused(progress, Reason(code=code, message=message), sums, now, hold=Hold.WITHDRAW)
        await self._write(instance, stored, change, now)
        return True

    async def _send_again(
        self,
        instance: str,
        item: Deployment,
        ledgers: Mapping[int, Ledger],
        sums: GroupSums,
        found: Figures,
    ) -> None:
        """Have passes run that were lost, that wait for a window that has opened, or that are to
        take back commands which nobody has begun in time. `found` are the figures of all buckets.
        """
        rollout, progress, now = item.rollout, item.progress, self.clock.now()
        assert rollout is not None
        assert progress is not None
        is_late = item.is_fanned_out and later(item.fan_out_until, _AGAIN_AFTER) <= now
        if progress.may_ask and is_late:
            due = [
                bucket
                for bucket, ledger in ledgers.items()
                if needs_pass(rollout, progress, bucket, ledger, now)
            ]
            await self._send(instance, item, due, unasked=True)
        old = []
        for bucket, counts in sums.by_bucket.items():
            ledger = ledgers.get(bucket, Ledger())
            is_closed = bool(found.asked) and may_be_closed(rollout, ledger, now)
            if (is_closed or found.silent or found.stuck) and any(
                has_commands_to_take_back(
                    cells, item.workflow_id, rollout.deadlines, sums.as_of, is_closed=is_closed
                )
                for cells in counts.values()
            ):
                old.append(bucket)
        await self._send(instance, item, old, unasked=False, asked=True)

    async def _send(
        self,
        instance: str,
        item: Deployment,
        buckets: Iterable[int],
        *,
        unasked: bool,
        asked: bool = False,
        is_granted: bool = False,
    ) -> None:
        """Have passes run, each no more than once in two minutes unless it was granted more."""
        kind = f"{unasked}{asked}"
        for bucket in sorted(buckets):
            if not is_granted and self._is_fresh(kind, bucket, item.workflow_id):
                continue
            await self.queues.put(
                messages.Reconcile(
                    instance=instance,
                    bucket=bucket,
                    group=item.group_id,
                    workflow=item.workflow_id,
                    unasked=unasked,
                    asked=asked,
                )
            )

    def _is_fresh(self, kind: str, bucket: int, workflow_id: str) -> bool:
        """Whether this process has sent the same less than two minutes ago."""
        now, place = self.clock.now(), (workflow_id, bucket, kind)
        if later(self._sent.get(place, ""), _AGAIN_AFTER) > now:
            return True
        if len(self._sent) > _REMEMBERED:
            self._sent.clear()
        self._sent[place] = now
        return False


def _wakes_at(item: Deployment, sums: GroupSums, ledgers: Mapping[int, Ledger]) -> str:
    assert item.rollout is not None
    assert item.progress is not None
    return wakes_at(
        item.rollout,
        item.progress,
        item.workflow_id,
        sums.counts.values(),
        ledgers.values(),
        sums.as_of,
        lost_at=later(item.fan_out_until, _AGAIN_AFTER),
    )
