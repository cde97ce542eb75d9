"""What operators do to a roll-out: pause, resume, advance, abort, approve, reject.

Each gives the deployment that follows and the row of its history, or None where it is in the wanted
state already, so that asking twice is asking once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from shared.domain.errors import Conflict, Forbidden, PreconditionFailed
from shared.domain.rollouts.progress import (
    Baseline,
    Hold,
    Opened,
    Progress,
    Reason,
    ReasonCode,
    Status,
)
from shared.domain.rollouts.transition import Step, Transition

if TYPE_CHECKING:
    from shared.domain.fleet.deployment import Deployment
    from shared.domain.fleet.deployment_edit import Actor
    from shared.domain.rollouts.specification import Rollout

type Controlled = tuple[Deployment, Transition] | None
type Name = Literal["pause", "resume", "advance", "abort", "approve", "reject"]

_GATE_REASONS = {ReasonCode.GATE_MISSED, ReasonCode.PHASE_EMPTY, ReasonCode.OVERDUE}


def pause(item: Deployment, actor: Actor, reason: str, *, withdraw: bool = False) -> Controlled:
    """Ask nobody new. `withdraw` takes commands back of which no device has shown a sign.

    Raises:
        Conflict: It has no roll-out, or an ended one.
    """
    _, progress = _running(item)
    hold = Hold.WITHDRAW if withdraw else Hold.ASKS
    if progress.status is Status.PAUSED and (progress.hold is Hold.WITHDRAW or hold is Hold.ASKS):
        return None
    why = Reason(code=ReasonCode.OPERATOR, message=reason)
    return _moved(item, actor, Step.PAUSED, status=Status.PAUSED, hold=hold, reason=why)


def resume(
    item: Deployment, actor: Actor, baselines: Mapping[str, Baseline], revision: int | None = None
) -> Controlled:
    """Go on, and forgive for the failure rule what was seen so far (`baselines`).

    Raises:
        Conflict: It has no roll-out, or an ended one.
        PreconditionFailed: It has another revision.
    """
    _, progress = _running(item)
    if progress.status is not Status.PAUSED:
        return None
    _check_revision(item, revision)
    return _moved(
        item,
        actor,
        Step.RESUMED,
        status=Status.RUNNING if progress.opened else Status.SCHEDULED,
        hold=Hold.NONE,
        reason=None,
        baselines=dict(baselines),
        met_since="",
    )


def advance(
    item: Deployment, actor: Actor, phase: int, baselines: Mapping[str, Baseline]
) -> Controlled:
    """Open the next phase now, whatever the gate of the open one says.

    Args:
        item: The deployment.
        actor: Who asks.
        phase: Index of the phase to open: one that is open already changes nothing.
        baselines: What is forgiven if the roll-out is paused because of its gate.

    Raises:
        Conflict: There is no such phase or it is not the next; the roll-out has not started, waits
            for approval, is paused for another reason than its gate, or has ended.
    """
    rollout, progress = _running(item)
    if phase <= progress.phase:
        return None
    _check_next(item, rollout, progress, phase)
    if progress.unapproved_since:
        raise _conflict(item, "AwaitingApproval", "waits for approval")
    is_paused = progress.status is Status.PAUSED
    if is_paused and (progress.reason is None or progress.reason.code not in _GATE_REASONS):
        raise _conflict(item, "RolloutPaused", "is paused; resume it first")
    left = msgspec.structs.replace(progress.opened[-1], passed_at=actor.now)
    return _moved(
        item,
        actor,
        Step.PHASE_OPENED,
        status=Status.RUNNING,
        hold=Hold.NONE,
        reason=None,
        opened=(*progress.opened[:-1], left, Opened(at=actor.now)),
        met_since="",
        baselines=dict(baselines) if is_paused else _without_phase(progress.baselines),
    )


def abort(item: Deployment, actor: Actor, reason: str) -> Controlled:
    """End it: nobody is asked any more, and devices that have not ended are told to stop.

    Raises:
        Conflict: It has no roll-out, or has ended in another way.
    """
    if item.progress is not None and item.progress.status is Status.ABORTED:
        return None
    _running(item)
    why = Reason(code=ReasonCode.OPERATOR, message=reason)
    return _moved(item, actor, Step.ABORTED, status=Status.ABORTED, hold=Hold.WITHDRAW, reason=why)


def approve(item: Deployment, actor: Actor, revision: int, remark: str = "") -> Controlled:
    """Let a revision be rolled out.

    Raises:
        Conflict: It has no roll-out, or an ended one.
        PreconditionFailed: It has another revision: what was not seen is not approved.
        Forbidden: The actor made or edited it since it was last approved.
    """
    _, progress = _running(item)
    if not progress.unapproved_since:
        return None
    _check_revision(item, revision)
    if actor.object_id in progress.editors:
        raise Forbidden(
            "Somebody else has to approve: you made or edited this deployment.",
            code="ApproverIsEditor",
        )
    reason = progress.reason
    if reason is not None and reason.code is ReasonCode.EDIT_NEEDS_APPROVAL:
        reason = None
    return _moved(
        item,
        actor,
        Step.APPROVED,
        remark=remark,
        unapproved_since=0,
        was_approved=True,
        editors=(),
        reason=reason,
    )


def reject(item: Deployment, actor: Actor, revision: int, remark: str = "") -> Controlled:
    """Refuse a revision: nobody new is asked until it, or an edit of it, is approved. A roll-out
    that has begun is paused then, for what devices have begun they finish.

    Raises:
        Conflict: It has no roll-out, an ended one, or nothing to approve.
        PreconditionFailed: It has another revision.
    """
    if item.progress is not None and item.progress.status is Status.REJECTED:
        return None
    _, progress = _running(item)
    if not progress.unapproved_since:
        raise _conflict(item, "NothingToApprove", "waits for no approval")
    if progress.status is Status.PAUSED:
        return None
    _check_revision(item, revision)
    why = Reason(code=ReasonCode.OPERATOR, message=remark)
    if progress.opened:
        return _moved(
            item,
            actor,
            Step.REJECTED,
            status=Status.PAUSED,
            hold=Hold.ASKS,
            reason=why,
        )
    return _moved(item, actor, Step.REJECTED, status=Status.REJECTED, reason=why)


def _running(item: Deployment) -> tuple[Rollout, Progress]:
    rollout, progress = item.rollout, item.progress
    if rollout is None or progress is None:
        raise _conflict(item, "NoRollout", "has no 'rollout': it asks all its devices at once")
    if item.recall_reason is not None:
        raise Conflict(
            f"The update of '{item.deployment_id}' was recalled: {item.recall_reason}",
            code="UpdateRecalled",
            target="deploymentId",
        )
    if progress.status.is_final:
        raise _conflict(
            item,
            "RolloutEnded",
            f"has ended as {progress.status}; make a new one with the same seed",
        )
    return rollout, progress


def _check_next(item: Deployment, rollout: Rollout, progress: Progress, phase: int) -> None:
    if phase >= len(rollout.phases):
        raise Conflict(
            f"'{item.deployment_id}' has {len(rollout.phases)} phases, counted from 0.",
            code="NoSuchPhase",
            target="/phase",
        )
    if not progress.opened:
        raise _conflict(item, "NotStarted", f"has not started; it starts at {item.starts_at}")
    if phase != progress.phase + 1:
        raise Conflict(
            f"Phase {progress.phase} is open; only {progress.phase + 1} can follow.",
            code="PhaseNotNext",
            target="/phase",
        )


def _check_revision(item: Deployment, revision: int | None) -> None:
    if revision not in (None, item.revision):
        raise PreconditionFailed(
            f"'{item.deployment_id}' has revision {item.revision}, not {revision}; look at it "
            "again.",
            target="/revision",
        )


def _conflict(item: Deployment, code: str, what: str) -> Conflict:
    return Conflict(f"'{item.deployment_id}' {what}.", code=code, target="deploymentId")


def _without_phase(baselines: Mapping[str, Baseline]) -> dict[str, Baseline]:
    return {class_id: Baseline(ok=kept.ok, bad=kept.bad) for class_id, kept in baselines.items()}


def _moved(
    item: Deployment, actor: Actor, step: Step, *, remark: str = "", **changes: Any
) -> tuple[Deployment, Transition]:
    before = item.progress
    assert before is not None
    if changes.get("status", before.status) is not before.status:
        changes["since"] = actor.now
    progress = msgspec.structs.replace(before, as_of=actor.now, **changes)
    revision = item.revision + 1
    changed = replace(item, progress=progress, revision=revision)
    if _concerns_devices(before, progress):
        changed = changed.to_fan_out()
    reason = progress.reason
    transition = Transition(
        at=actor.now,
        actor=actor.object_id,
        step=step,
        before=before.shown,
        after=progress.shown,
        revision=revision,
        phase=progress.phase,
        code=reason.code if reason else None,
        message=remark or (reason.message if reason else ""),
    )
    return changed, transition


def _concerns_devices(before: Progress, after: Progress) -> bool:
    """Whether devices have to be looked at: more of them may be asked, or what they were asked is
    taken back. That nobody new is asked needs no look at anybody.
    """
    asks_more = after.may_ask and (not before.may_ask or after.phase != before.phase)
    starts = after.status is Status.SCHEDULED and not after.unapproved_since
    takes_back = after.hold is Hold.WITHDRAW and before.hold is not Hold.WITHDRAW
    return asks_more or starts or takes_back or after.status.is_final
