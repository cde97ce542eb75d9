"""Whether a roll-out goes on or stops: a pure function of the counters of its group.

It runs each time the group is summed up. At most one transition follows, which is one guarded write
of one row: of several evaluators, or of one and an operator, one wins and the others look again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from shared.domain.rollouts.figures import Figures, added
from shared.domain.rollouts.gate import bad_of, lack, uncounted
from shared.domain.rollouts.progress import (
    Baseline,
    Hold,
    Opened,
    Progress,
    Reason,
    ReasonCode,
    Status,
)
from shared.domain.rollouts.transition import Step

if TYPE_CHECKING:
    from shared.domain.rollouts.specification import Phase, Rollout

ALL = ""
"""Stands for all classes."""
_BASIS_POINTS = 10_000
_WATCHED = (Status.RUNNING, Status.BAKING, Status.AWAITING_ADVANCE, Status.COMPLETED, Status.PAUSED)


@dataclass(frozen=True, slots=True)
class Sums:
    """What the counters of a group say of one roll-out.

    `by_class` are the figures of each class by label. `is_covered` says that nobody of the open
    phase is left to be asked. `as_of` is when the counters began to be read.
    """

    by_class: Mapping[str, Mapping[str, Figures]]
    is_covered: bool
    as_of: str

    def of(self, label: str) -> Figures:
        """The figures of one label over all classes."""
        return added(labels.get(label, Figures()) for labels in self.by_class.values())

    @property
    def total(self) -> Figures:
        """The figures of the whole roll-out."""
        return added(each for labels in self.by_class.values() for each in labels.values())


@dataclass(frozen=True, slots=True)
class Change:
    """One transition: where the roll-out stands after it, and why."""

    progress: Progress
    step: Step
    reason: Reason | None = None
    figures: Mapping[str, int] = field(default_factory=dict)

    def needs_fan_out(self, before: Progress) -> bool:
        """Whether devices have to be looked at because of it."""
        after = self.progress
        return (
            after.phase != before.phase
            or after.status.is_final
            or (after.hold is Hold.WITHDRAW and before.hold is not Hold.WITHDRAW)
        )


@dataclass(frozen=True, slots=True)
class _Tripped:
    class_id: str
    reason: Reason


def evaluate(rollout: Rollout, progress: Progress, sums: Sums, now: str) -> Change | None:
    """The transition that the counters call for; None if nothing changes.

    Args:
        rollout: What was asked for.
        progress: Where it stands.
        sums: The counters, read since the last transition.
        now: ISO 8601, UTC.
    """
    if progress.status not in _WATCHED or sums.as_of <= progress.as_of or not progress.opened:
        return None
    if rollout.end_date_time is not None and rollout.end_date_time <= now:
        return _moved(progress, Step.ENDED, now, status=Status.ENDED, sums=sums)
    tripped = _tripped(rollout, progress, sums)
    if tripped is not None and not _has_stopped(progress):
        return _stopped_by_rule(rollout, progress, tripped.reason, sums, now)
    if progress.status not in (Status.RUNNING, Status.BAKING):
        return None
    phase = rollout.phases[progress.phase]
    if not progress.covered_at:
        if sums.is_covered:
            return _covered(progress, sums, now)
        return _overdue(phase, progress, sums, now)
    return _through_gate(rollout, phase, progress, sums, now) or _overdue(
        phase, progress, sums, now
    )


def opened_next(rollout: Rollout, progress: Progress, now: str, figures: Figures) -> Change:
    """The next phase opened, or the roll-out completed after its last."""
    *before, last = progress.opened or (None,)
    passed = (*before, msgspec.structs.replace(last, passed_at=now)) if last is not None else ()
    is_last = len(passed) == len(rollout.phases)
    opened = passed if is_last else (*passed, Opened(at=now))
    baselines = progress.baselines
    if not is_last:
        baselines = {
            class_id: msgspec.structs.replace(each, phase_ok=0, phase_bad=0)
            for class_id, each in baselines.items()
        }
    moved = msgspec.structs.replace(
        progress,
        status=Status.COMPLETED if is_last else Status.RUNNING,
        opened=opened,
        baselines=baselines,
        met_since="",
        since=now,
        as_of=now,
        reason=None,
    )
    step = Step.COMPLETED if is_last else Step.PHASE_OPENED if passed else Step.STARTED
    return Change(moved, step, figures=figures.as_mapping())


def baselines_of(
    rollout: Rollout, progress: Progress, by_class: Mapping[str, Mapping[str, Figures]]
) -> dict[str, Baseline]:
    """What a resume forgives: everything seen so far, for the failure rule."""
    scopes = {ALL: _joined(by_class.values()), **by_class}
    label = str(progress.phase)
    found = {}
    for scope, labels in scopes.items():
        whole, open_phase = added(labels.values()), labels.get(label, Figures())
        found[scope] = Baseline(
            ok=whole.succeeded,
            bad=bad_of(rollout, whole),
            phase_ok=open_phase.succeeded,
            phase_bad=bad_of(rollout, open_phase),
        )
    return found


def _tripped(rollout: Rollout, progress: Progress, sums: Sums) -> _Tripped | None:
    """The first scope in which too many have failed: of the open phase or the whole roll-out, over
    all classes or in one.
    """
    label = str(progress.phase)
    for class_id, labels in [
        (ALL, _joined(sums.by_class.values())),
        *sorted(sums.by_class.items()),
    ]:
        base = progress.baselines.get(class_id, Baseline())
        whole = added(labels.values())
        open_phase = labels.get(label, Figures())
        for figures, ok, bad in (
            (open_phase, base.phase_ok, base.phase_bad),
            (whole, base.ok, base.bad),
        ):
            reason = _failure(rollout, progress, class_id, figures, ok, bad)
            if reason is not None:
                return _Tripped(class_id, reason)
    return None


def _failure(
    rollout: Rollout, progress: Progress, class_id: str, figures: Figures, ok: int, bad: int
) -> Reason | None:
    rule = rollout.failure
    failed = max(0, bad_of(rollout, figures) - bad)
    ended = failed + max(0, figures.succeeded - ok)
    if not failed:
        return None
    where = f"of device class {class_id}" if class_id else "devices"
    if rule.count is not None and class_id == ALL and failed >= rule.count:
        message = f"{failed} devices failed, the limit is {rule.count}."
        return Reason(code=ReasonCode.FAILURE_COUNT, message=message)
    sample = rule.minimum_sample
    if class_id == ALL and progress.covered_at:
        sample = min(sample, ended + figures.open)
    limit = round(rule.percent * 100)
    if _BASIS_POINTS * failed < limit * max(ended, sample):
        return None
    share = 100 * failed / ended
    message = (
        f"{failed} of {ended} {where} that have ended failed ({share:.1f} %, the limit is "
        f"{rule.percent:g} %)."
    )
    return Reason(code=ReasonCode.FAILURE_PERCENT, message=message)


def _has_stopped(progress: Progress) -> bool:
    """Whether the rule has stopped it already: a pause stays until somebody resumes."""
    codes = (
        ReasonCode.FAILURE_COUNT,
        ReasonCode.FAILURE_PERCENT,
        ReasonCode.ROLLED_BACK_ELSEWHERE,
        ReasonCode.ROLLBACK_TARGET_UNUSABLE,
    )
    reason = progress.reason
    return progress.status is Status.PAUSED and reason is not None and reason.code in codes


def tripped_class(rollout: Rollout, progress: Progress, sums: Sums) -> str | None:
    """The class that the failure rule takes back, `ALL` for all that were asked; None unless it has
    stopped the roll-out and its action is to roll back.
    """
    if rollout.failure.action != "Rollback" or not _has_stopped(progress):
        return None
    tripped = _tripped(rollout, progress, sums)
    return tripped.class_id if tripped is not None else None


def _stopped_by_rule(
    rollout: Rollout, progress: Progress, reason: Reason, sums: Sums, now: str
) -> Change:
    if rollout.failure.action == "Abort":
        return stopped(progress, Step.ABORTED, Status.ABORTED, reason, sums, now)
    return paused(progress, reason, sums, now, hold=Hold.WITHDRAW)


def _covered(progress: Progress, sums: Sums, now: str) -> Change:
    *before, last = progress.opened
    opened = (*before, msgspec.structs.replace(last, covered_at=now))
    return _moved(progress, Step.PHASE_COVERED, now, sums=sums, opened=opened)


def _through_gate(
    rollout: Rollout, phase: Phase, progress: Progress, sums: Sums, now: str
) -> Change | None:
    labels = {
        class_id: found[label]
        for class_id, found in sums.by_class.items()
        if (label := str(progress.phase)) in found
    }
    figures = added(labels.values())
    ended = figures.succeeded + bad_of(rollout, figures)
    if not ended + figures.open + figures.unheard + figures.stuck:
        return _empty(rollout, phase, progress, sums, now)
    if lack(rollout, phase.gate, labels) is not None:
        if not figures.open and not figures.unheard and not uncounted(rollout, figures):
            return _missed(rollout, phase, progress, figures, sums, now)
        if progress.met_since:
            return _moved(
                progress, Step.PHASE_COVERED, now, status=Status.RUNNING, sums=sums, met_since=""
            )
        return None
    if not progress.met_since and phase.gate.bake:
        return _moved(progress, Step.BAKING, now, status=Status.BAKING, sums=sums, met_since=now)
    baked = _elapsed(progress.met_since or now, now) >= phase.gate.bake.total_seconds()
    if not baked:
        return None
    is_last = progress.phase == len(rollout.phases) - 1
    if phase.gate.advance == "Manual" and not is_last:
        return _moved(
            progress, Step.AWAITING_ADVANCE, now, status=Status.AWAITING_ADVANCE, sums=sums
        )
    return opened_next(rollout, progress, now, figures)


def _empty(rollout: Rollout, phase: Phase, progress: Progress, sums: Sums, now: str) -> Change:
    if phase.if_empty == "Continue":
        return opened_next(rollout, progress, now, sums.of(str(progress.phase)))
    name = rollout.phase_name(progress.phase)
    message = f"Phase '{name}' has no device that could answer."
    return paused(progress, Reason(code=ReasonCode.PHASE_EMPTY, message=message), sums, now)


def _missed(
    rollout: Rollout, phase: Phase, progress: Progress, figures: Figures, sums: Sums, now: str
) -> Change:
    ended = figures.succeeded + bad_of(rollout, figures)
    message = (
        f"{figures.succeeded} of {ended} devices of phase '{rollout.phase_name(progress.phase)}' "
        f"succeeded, {phase.gate.success_percent:g} % are needed; none is left to answer."
    )
    return paused(progress, Reason(code=ReasonCode.GATE_MISSED, message=message), sums, now)


def _overdue(phase: Phase, progress: Progress, sums: Sums, now: str) -> Change | None:
    longest = phase.gate.longest_wait
    if longest is None or _elapsed(progress.opened[-1].at, now) < longest.total_seconds():
        return None
    message = f"The phase has not passed its gate within {phase.gate.maximum_wait}."
    return paused(progress, Reason(code=ReasonCode.OVERDUE, message=message), sums, now)


def paused(
    progress: Progress, reason: Reason, sums: Sums, now: str, *, hold: Hold = Hold.ASKS
) -> Change:
    """The roll-out paused: nobody new is asked until somebody resumes it."""
    return _moved(
        progress, Step.PAUSED, now, status=Status.PAUSED, sums=sums, reason=reason, hold=hold
    )


def stopped(
    progress: Progress, step: Step, status: Status, reason: Reason, sums: Sums, now: str
) -> Change:
    """The roll-out ended for good."""
    return _moved(progress, step, now, status=status, sums=sums, reason=reason)


def _moved(
    progress: Progress,
    step: Step,
    now: str,
    *,
    sums: Sums,
    reason: Reason | None = None,
    **changes: Any,
) -> Change:
    moved = msgspec.structs.replace(progress, as_of=now, since=now, reason=reason, **changes)
    return Change(moved, step, reason, sums.total.as_mapping())


def _joined(classes: Iterable[Mapping[str, Figures]]) -> dict[str, Figures]:
    """The figures by label over several classes."""
    found: dict[str, Figures] = {}
    for labels in classes:
        for label, figures in labels.items():
            found[label] = found.get(label, Figures()) + figures
    return found


def _elapsed(since: str, now: str) -> float:
    return (datetime.fromisoformat(now) - datetime.fromisoformat(since)).total_seconds()
