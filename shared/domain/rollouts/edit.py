"""What of a roll-out may be changed while it runs, and which changes need approval again.

Phases that were opened keep their devices; everything else may change, from the next look on.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from shared.domain.errors import Conflict

if TYPE_CHECKING:
    from shared.domain.rollouts.specification import FailureRule, Gate, Phase, Rollout

_FOREVER = "9999"


def edited(old: Rollout, new: Rollout, *, opened: int, seed: str) -> Rollout:
    """The roll-out that follows from what a request has and what cannot change.

    Args:
        old: As it is.
        new: As the request has it, checked; without a seed it keeps the one it has.
        opened: How many phases were opened.
        seed: What orders the devices.

    Raises:
        Conflict: `Immutable`; `target` is the pointer of the member that has to stay.
    """
    if new.seed not in (None, seed):
        raise immutable("/rollout/seed", "The seed orders the devices that were asked already")
    if len(new.phases) < opened:
        raise immutable("/rollout/phases", f"{opened} phases were opened already")
    for index in range(opened):
        if new.phases[index].select != old.phases[index].select:
            raise immutable(
                f"/rollout/phases/{index}/select",
                f"Phase {index} ('{old.phase_name(index)}') was opened already",
            )
    return msgspec.structs.replace(new, seed=old.seed)


def immutable(target: str, why: str) -> Conflict:
    """The error for a member that cannot change any more."""
    name = target.rpartition("/")[2]
    return Conflict(f"{why}: '{name}' cannot change.", code="Immutable", target=target)


def widens(old: Rollout, new: Rollout) -> bool:
    """Whether a change may let more devices be asked, sooner, or with less care than before.

    What is not known to narrow counts as widening, for it is the approver who has to judge it.
    """
    narrows = (
        len(new.phases) <= len(old.phases)
        and all(map(_phase_narrows, old.phases, new.phases))
        and _rule_narrows(old.failure, new.failure)
        and _at_most(old.maximum_in_flight, new.maximum_in_flight)
        and _at_most(
            old.rate.per_minute if old.rate else None, new.rate.per_minute if new.rate else None
        )
        and new.priority <= old.priority
        and (not old.windows or new.windows == old.windows)
        and new.on_close in (old.on_close, "Withdraw")
        and new.ignore_device_window <= old.ignore_device_window
        and new.deadlines.until_silent <= old.deadlines.until_silent
        and new.deadlines.until_stuck <= old.deadlines.until_stuck
        and new.deadlines.count_as_failure >= old.deadlines.count_as_failure
        and new.approval in (old.approval, "Required")
        and (new.end_date_time or _FOREVER) <= (old.end_date_time or _FOREVER)
    )
    return not narrows


def _phase_narrows(old: Phase, new: Phase) -> bool:
    if old.select.percent is not None and new.select.percent is not None:
        fewer = new.select.percent <= old.select.percent
    elif old.select.count is not None and new.select.count is not None:
        fewer = new.select.count <= old.select.count
    else:
        fewer = new.select == old.select
    return fewer and new.if_empty in (old.if_empty, "Pause") and _gate_narrows(old.gate, new.gate)


def _gate_narrows(old: Gate, new: Gate) -> bool:
    return (
        new.success_percent >= old.success_percent
        and new.minimum_sample >= old.minimum_sample
        and new.answered_percent >= old.answered_percent
        and new.bake >= old.bake
        and new.advance in (old.advance, "Manual")
        and (new.longest_wait or timedelta.max) <= (old.longest_wait or timedelta.max)
    )


def _rule_narrows(old: FailureRule, new: FailureRule) -> bool:
    return (
        new.percent <= old.percent
        and new.minimum_sample <= old.minimum_sample
        and _at_most(old.count, new.count)
        and new.action == old.action
    )


def _at_most(old: int | None, new: int | None) -> bool:
    """Whether a bound is at least as narrow as before; None bounds nothing."""
    return old is None or (new is not None and new <= old)
