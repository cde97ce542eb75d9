"""A PUT on a deployment that exists: nothing new, an edit, or a member that cannot change.

Absent members stay as they are, so that a client that knows nothing of roll-outs changes nothing
of one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import msgspec

from shared.domain.errors import Conflict
from shared.domain.rollouts.edit import edited as edited_rollout
from shared.domain.rollouts.edit import immutable, widens
from shared.domain.rollouts.progress import Progress, Reason, ReasonCode, Status
from shared.domain.rollouts.transition import Step, Transition

if TYPE_CHECKING:
    from shared.domain.fleet.deployment import Deployment, RollbackPolicy
    from shared.domain.rollouts.specification import Rollout
    from shared.domain.updates.update_id import UpdateId


@dataclass(frozen=True, slots=True)
class DeploymentRequest:
    """What an operator asks for; None for what the request leaves out. `starts_at` is ISO 8601,
    UTC.
    """

    deployment_id: str
    group_id: str
    update_id: UpdateId
    starts_at: str
    rollback_policy: RollbackPolicy | None = None
    rollout: Rollout | None = None


@dataclass(frozen=True, slots=True)
class Actor:
    """Who asks, by object id, and when: ISO 8601, UTC."""

    object_id: str
    now: str


def new_progress(rollout: Rollout | None, actor: Actor, *, needs_approval: bool) -> Progress | None:
    """Where a roll-out stands when it is made, as revision 1; None without one."""
    return None if rollout is None else _made(rollout, actor, needs_approval=needs_approval)


def _made(rollout: Rollout, actor: Actor, *, needs_approval: bool) -> Progress:
    waits = needs_approval or rollout.approval == "Required"
    return Progress(
        since=actor.now,
        editors=(actor.object_id,),
        unapproved_since=1 if waits else 0,
        was_approved=not waits,
    )


def created(item: Deployment, actor: Actor) -> Transition:
    """What the history of a deployment begins with."""
    return transition(None, item, actor, Step.CREATED)


def edit(
    item: Deployment, asked: DeploymentRequest, actor: Actor, *, needs_approval: bool = False
) -> tuple[Deployment, Transition] | None:
    """The deployment as the request has it, and the row of its history; None if nothing differs.

    Args:
        item: As it is.
        asked: What the request has, checked.
        actor: Who asks.
        needs_approval: Whether the settings require approval, whatever the roll-out says.

    Raises:
        Conflict: `Immutable`, with the pointer of a member that cannot change any more;
            `UpdateRecalled` and `RolloutEnded` where nothing can.
    """
    if asked.update_id != item.update_id:
        raise immutable(
            "/update/updateId", f"Deployment '{item.deployment_id}' deploys '{item.update_id}'"
        )
    has_begun = _has_begun(item, actor.now)
    if asked.starts_at != item.starts_at and has_begun:
        raise immutable("/startDateTime", f"It has started at {item.starts_at}")
    policy = asked.rollback_policy or item.rollback_policy
    rollout = _rollout(item, asked.rollout, has_begun=has_begun)
    changed = replace(item, starts_at=asked.starts_at, rollback_policy=policy, rollout=rollout)
    if changed == item:
        return None
    if item.recall_reason is not None:
        raise Conflict(
            f"Its update was recalled: {item.recall_reason}", code="UpdateRecalled", target=""
        )
    changed = replace(changed, revision=item.revision + 1)
    if _concerns_devices(item, changed):
        changed = changed.to_fan_out()
    if rollout is not None:
        progress = _progress(item, changed, rollout, actor, needs_approval=needs_approval)
        changed = replace(changed, progress=progress)
    return changed, transition(item, changed, actor, Step.EDITED)


def _concerns_devices(old: Deployment, new: Deployment) -> bool:
    """Whether devices have to be looked at: not where only gates and the failure rule differ."""
    before, after = old.rollout, new.rollout
    if before is None or after is None or old.starts_at != new.starts_at:
        return True
    alike = msgspec.structs.replace(after, phases=before.phases, failure=before.failure)
    selects = [[phase.select for phase in each.phases] for each in (before, after)]
    return before != alike or selects[0] != selects[1]


def _has_begun(item: Deployment, now: str) -> bool:
    progress = item.progress
    waits = progress is not None and not progress.opened and bool(progress.unapproved_since)
    return item.starts_at <= now and not waits


def _rollout(item: Deployment, asked: Rollout | None, *, has_begun: bool) -> Rollout | None:
    if asked is None or asked == item.rollout:
        return item.rollout
    if item.rollout is None:
        if has_begun:
            raise immutable("/rollout", "It was started without phases, for every device")
        return asked
    opened = len(item.progress.opened) if item.progress else 0
    return edited_rollout(item.rollout, asked, opened=opened, seed=item.seed)


def _progress(
    old: Deployment, new: Deployment, rollout: Rollout, actor: Actor, *, needs_approval: bool
) -> Progress:
    progress = old.progress
    if progress is None or old.rollout is None:
        made = _made(rollout, actor, needs_approval=needs_approval)
        return msgspec.structs.replace(
            made, unapproved_since=new.revision if made.unapproved_since else 0
        )
    if progress.status.is_final and progress.status is not Status.REJECTED:
        raise Conflict(
            f"Roll-out '{old.deployment_id}' has ended as {progress.status}; make a new one with "
            "the same seed.",
            code="RolloutEnded",
            target="/rollout",
        )
    guarded = needs_approval or "Required" in (old.rollout.approval, rollout.approval)
    wider = (
        widens(old.rollout, rollout)
        or new.starts_at < old.starts_at
        or new.rollback_policy != old.rollback_policy
        or progress.status is Status.REJECTED
    )
    editors = progress.editors
    if actor.object_id not in editors:
        editors = (*editors, actor.object_id)
    progress = msgspec.structs.replace(progress, editors=editors)
    if guarded and wider:
        progress = _unapproved(progress, new.revision)
    if progress.status is Status.REJECTED:
        status = Status.PAUSED if progress.opened else Status.SCHEDULED
        progress = msgspec.structs.replace(progress, status=status, since=actor.now)
    if progress.status is Status.COMPLETED and len(rollout.phases) > len(progress.opened):
        progress = msgspec.structs.replace(progress, status=Status.RUNNING, since=actor.now)
    return progress


def _unapproved(progress: Progress, revision: int) -> Progress:
    reason = progress.reason
    if progress.was_approved and reason is None:
        message = f"Revision {revision} asks for more than was approved."
        reason = Reason(code=ReasonCode.EDIT_NEEDS_APPROVAL, message=message)
    return msgspec.structs.replace(progress, unapproved_since=revision, reason=reason)


def transition(
    old: Deployment | None, new: Deployment, actor: Actor, step: Step, class_id: str = ""
) -> Transition:
    """The row of the history for a change of a deployment."""
    return Transition(
        at=actor.now,
        actor=actor.object_id,
        step=step,
        before=old.progress.shown if old and old.progress else None,
        after=new.progress.shown if new.progress else None,
        revision=new.revision,
        phase=new.progress.phase if new.progress else -1,
        device_class_id=class_id,
    )
