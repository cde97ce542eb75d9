"""What a roll-out would do: how many devices each phase would ask, and how long it would take.

Computed from sums alone, so it costs the same for ten devices and for a million. Devices fall into
phases by hash, so sizes are expectations with a range that holds in 19 of 20 cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil, sqrt
from typing import TYPE_CHECKING

from shared.domain.rollouts.asking_times import LOOK_AHEAD, NO_ZONE, asking_times
from shared.domain.rollouts.durations import duration_text
from shared.domain.rollouts.windows import DEVICE

if TYPE_CHECKING:
    from shared.domain.rollouts.specification import Phase, Rollout

INSTALL_TIME = timedelta(minutes=10)
"""How long a device is taken to need: what a cap makes of the duration hangs on it."""
_FEW_FAILURES = 3
_LIKELY_EMPTY = 0.05


@dataclass(frozen=True, slots=True)
class PlannedPhase:
    """One phase: how many devices it is expected to ask and the range around, when the first can be
    asked, how long asking takes, windows included, and the bake after it. `opens_at` is None where
    no window opens within a year.
    """

    name: str
    devices: int
    least: int
    most: int
    opens_at: datetime | None
    asking: timedelta
    bake: timedelta
    waits_for_person: bool


@dataclass(frozen=True, slots=True)
class Warned:
    """Something that is allowed and probably not meant: a code and a sentence."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast devices can be asked: `per_second` by the hub's budget, from `buckets` parts."""

    per_second: float
    buckets: int


def planned_phases(
    rollout: Rollout,
    classes: Mapping[str, int],
    starts_at: datetime,
    pace: Pace,
    *,
    first: int = 0,
    asked: int = 0,
    zones: Mapping[str, int] | None = None,
) -> tuple[PlannedPhase, ...]:
    """The phases in their order, each beginning when the one before has asked all and baked.

    Args:
        rollout: The roll-out.
        classes: Devices of each class that it targets.
        starts_at: When the first phase opens.
        pace: How fast devices can be asked.
        first: Index of the first phase that takes time; those before are over.
        asked: How many devices of that phase were asked already.
        zones: Devices by time zone, `NO_ZONE` for those whose zone is not known.
    """
    covered = dict.fromkeys(classes, 0.0)
    planned = []
    per_second = _per_second(rollout, pace)
    begins_at: datetime | None = starts_at
    for index, phase in enumerate(rollout.phases):
        size = _size(phase, classes, covered)
        if index < first:
            continue
        left = max(0, size[0] - (asked if index == first else 0))
        opens_at, ends_at = None, None
        if begins_at is not None:
            opens_at, ends_at = asking_times(
                rollout.windows, begins_at, left / per_second, zones or {}
            )
        asking = ends_at - opens_at if opens_at and ends_at else timedelta()
        planned.append(
            PlannedPhase(
                name=rollout.phase_name(index),
                devices=size[0],
                least=size[1],
                most=size[2],
                opens_at=opens_at,
                asking=asking,
                bake=phase.gate.bake,
                waits_for_person=phase.gate.advance == "Manual" and index < len(rollout.phases) - 1,
            )
        )
        is_in_sight = ends_at is not None and asking < LOOK_AHEAD
        begins_at = ends_at + INSTALL_TIME + phase.gate.bake if ends_at and is_in_sight else None
    return tuple(planned)


def warnings_of(
    rollout: Rollout,
    classes: Mapping[str, int],
    planned: tuple[PlannedPhase, ...],
    pace: Pace,
    *,
    first: int = 0,
    zones: Mapping[str, int] | None = None,
) -> list[Warned]:
    """What is allowed and probably not meant; arguments as those of `planned_phases`."""
    found = []
    total = sum(classes.values())
    for phase, plan in zip(rollout.phases[first:], planned, strict=True):
        share = plan.devices / total if total else 0
        if total and phase.select.count is None and (1 - share) ** total > _LIKELY_EMPTY:
            found.append(
                Warned("PhaseProbablyEmpty", f"Phase '{plan.name}' will probably have no device.")
            )
        elif plan.devices < phase.gate.minimum_sample and plan.devices:
            found.append(
                Warned(
                    "SampleLargerThanPhase",
                    f"Phase '{plan.name}' will have about {plan.devices} devices, less than the "
                    f"{phase.gate.minimum_sample} that its gate wants to see: all of them decide.",
                )
            )
        unknown = phase.select.class_id
        if unknown is not None and unknown not in classes:
            found.append(Warned("UnknownClass", f"No device of class '{unknown}' is targeted now."))
    rule = rollout.failure
    if rule.percent * rule.minimum_sample / 100 < _FEW_FAILURES:
        stops_at = max(1, ceil(rule.percent * rule.minimum_sample / 100))
        found.append(
            Warned(
                "StopsAtFewFailures",
                f"{rule.percent:g} % of {rule.minimum_sample} devices is {stops_at}: so many "
                "failures stop it, which chance alone may bring.",
            )
        )
    cap = rollout.maximum_in_flight
    if cap is not None and cap < pace.buckets and total > cap:
        found.append(
            Warned(
                "CapBelowBuckets",
                f"With {cap} devices at a time, less than the {pace.buckets} parts that the fleet "
                "is kept in, it will be slow.",
            )
        )
    found += _window_warnings(rollout, planned, (zones or {}).get(NO_ZONE, 0))
    return found


def finish_of(planned: tuple[PlannedPhase, ...]) -> datetime | None:
    """When the last phase has baked if nobody is waited for; None if that cannot be told."""
    last = planned[-1]
    if last.opens_at is None or any(phase.waits_for_person for phase in planned):
        return None
    return last.opens_at + last.asking + INSTALL_TIME + last.bake


def _window_warnings(
    rollout: Rollout, planned: tuple[PlannedPhase, ...], without_zone: int
) -> list[Warned]:
    if not rollout.windows:
        return []
    found = []
    closed = [plan.name for plan in planned if plan.opens_at is None]
    if closed:
        found.append(Warned("NoWindow", f"No window opens within a year for phase '{closed[0]}'."))
    long = [plan for plan in planned if plan.asking > timedelta(days=7)]
    if long:
        found.append(
            Warned(
                "WindowTooShort",
                f"The windows are so short that asking phase '{long[0].name}' takes "
                f"{duration_text(timedelta(days=long[0].asking.days))}.",
            )
        )
    zones = sorted({each.fallback_zone for each in rollout.windows if each.zone == DEVICE})
    if zones and without_zone:
        found.append(
            Warned(
                "FallbackZone",
                f"{without_zone} devices name no time zone that is known: their windows are read "
                f"in {' and '.join(zones)}.",
            )
        )
    return found


def _size(
    phase: Phase, classes: Mapping[str, int], covered: dict[str, float]
) -> tuple[int, int, int]:
    """Devices of a phase, and the range; `covered` is the share of each class in phases before."""
    select = phase.select
    if select.count is not None:
        left = sum(count * (1 - covered[each]) for each, count in classes.items())
        exact = min(select.count, round(left))
        for each in covered:
            covered[each] += (1 - covered[each]) * exact / left if left else 0
        return exact, exact, exact
    expected, variance = 0.0, 0.0
    for each, count in classes.items():
        upto = select.basis_points / 10_000 if select.class_id is None else each == select.class_id
        share = max(0.0, upto - covered[each])
        expected += count * share
        variance += count * share * (1 - share)
        covered[each] = max(covered[each], float(upto))
    spread = 2 * sqrt(variance)
    most = min(sum(classes.values()), int(expected + spread))
    return round(expected), max(0, ceil(expected - spread)), most


def _per_second(rollout: Rollout, pace: Pace) -> float:
    bounds = [pace.per_second]
    if rollout.rate is not None:
        bounds.append(rollout.rate.per_minute / 60)
    if rollout.maximum_in_flight is not None:
        bounds.append(rollout.maximum_in_flight / INSTALL_TIME.total_seconds())
    return min(bounds)
