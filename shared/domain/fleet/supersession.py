"""When a roll-out stops because of something else: a newer deployment, its rollback, a recall."""

from __future__ import annotations

from collections.abc import Sequence

from shared.domain.fleet.deployment import Deployment, rollback_for
from shared.domain.fleet.device_class import DeviceClass
from shared.domain.rollouts.evaluation import Change, Sums, paused, stopped
from shared.domain.rollouts.progress import Hold, Reason, ReasonCode, Status
from shared.domain.rollouts.transition import Step

_GOES_ON = (Status.RUNNING, Status.BAKING, Status.AWAITING_ADVANCE)


def recalled(item: Deployment, sums: Sums, now: str) -> Change | None:
    """The end of a roll-out whose update was recalled."""
    progress = item.progress
    if progress is None or item.recall_reason is None or sums.as_of <= progress.as_of:
        return None
    message = f"The update was recalled: {item.recall_reason}"
    reason = Reason(code=ReasonCode.RECALLED, message=message)
    return stopped(progress, Step.ABORTED, Status.ABORTED, reason, sums, now)


def superseded_by(
    item: Deployment,
    others: Sequence[Deployment],
    present: Sequence[DeviceClass],
    sums: Sums,
    now: str,
) -> Change | None:
    """The pause that a newer deployment for all classes of an unfinished roll-out calls for: two
    never advance together. What has been reached keeps it.
    """
    progress = item.progress
    if progress is None or progress.status not in _GOES_ON or sums.as_of <= progress.as_of:
        return None
    mine = [each for each in present if item.targets(each)]
    for other in others:
        is_newer = other.precedence > item.precedence and other.has_started(now)
        if not is_newer or other.undoes or other.is_final or not mine:
            continue
        if all(other.targets(each) and other.may_ask(each.class_id) for each in mine):
            message = f"Deployment '{other.deployment_id}' comes before it for all its classes."
            reason = Reason(code=ReasonCode.SUPERSEDED, message=message)
            return paused(progress, reason, sums, now, hold=Hold.ASKS)
    return None


def rolled_back_since(
    item: Deployment,
    others: Sequence[Deployment],
    present: Sequence[DeviceClass],
    sums: Sums,
    now: str,
) -> Change | None:
    """What follows from a rollback that began after the last transition: the roll-out has ended
    where every class that it has asked is taken back, else it is paused.
    """
    progress = item.progress
    if progress is None or sums.as_of <= progress.as_of:
        return None
    undone = {
        each.class_id: found
        for each in present
        if (found := rollback_for(item, others, each, now)) is not None
    }
    if not any(found.created_at > progress.as_of for found in undone.values()):
        return None
    names = ", ".join(sorted(found.deployment_id for found in undone.values()))
    if sums.by_class.keys() <= undone.keys():
        reason = Reason(code=ReasonCode.FAILURE_PERCENT, message=f"Taken back by '{names}'.")
        reason = progress.reason or reason
        return stopped(progress, Step.ROLLED_BACK, Status.ROLLED_BACK, reason, sums, now)
    message = f"Some classes are taken back by '{names}'."
    reason = Reason(code=ReasonCode.ROLLED_BACK_ELSEWHERE, message=message)
    return paused(progress, reason, sums, now, hold=Hold.WITHDRAW)
