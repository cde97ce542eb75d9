"""How a roll-out stands, for people: each phase with its figures, and how near the rule is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Literal

from shared.domain.rollouts.evaluation import ALL
from shared.domain.rollouts.figures import LATE, Figures, added
from shared.domain.rollouts.gate import bad_of, waits_for
from shared.domain.rollouts.progress import Baseline, Status

if TYPE_CHECKING:
    from shared.domain.rollouts.progress import Progress
    from shared.domain.rollouts.specification import Rollout

type ByClass = Mapping[str, Mapping[str, Figures]]
"""Figures by class and label."""
type PhaseStatus = Literal["Waiting", "Open", "Passed"]


@dataclass(frozen=True, slots=True)
class PhaseView:
    """One phase. The instants are empty until they have come."""

    name: str
    status: PhaseStatus
    figures: Figures
    opened_at: str = ""
    covered_at: str = ""
    passed_at: str = ""


@dataclass(frozen=True, slots=True)
class RolloutView:
    """A roll-out. `late` are devices that were asked after their phase was covered. `failures_left`
    is how many more devices may fail before the rule stops it, None if any number may. `as_of` is
    when the counters began to be read, `waits_for` what the open phase waits for.
    """

    phases: tuple[PhaseView, ...]
    late: Figures
    failures_left: int | None
    as_of: str
    waits_for: str = ""

    @property
    def total(self) -> Figures:
        """Every device that was asked."""
        return added([self.late, *(phase.figures for phase in self.phases)])


def rollout_view(
    rollout: Rollout, progress: Progress, by_class: ByClass, as_of: str
) -> RolloutView:
    """How a roll-out stands by the counters."""
    phases = []
    for index in range(len(rollout.phases)):
        opened = progress.opened[index] if index < len(progress.opened) else None
        phases.append(
            PhaseView(
                name=rollout.phase_name(index),
                status=_status(progress, index),
                figures=_of(by_class, str(index)),
                opened_at=opened.at if opened else "",
                covered_at=opened.covered_at if opened else "",
                passed_at=opened.passed_at if opened else "",
            )
        )
    return RolloutView(
        phases=tuple(phases),
        late=_of(by_class, LATE),
        failures_left=failures_left(rollout, progress, by_class),
        as_of=as_of,
        waits_for=waits_for(rollout, progress, by_class),
    )


def failures_left(rollout: Rollout, progress: Progress, by_class: ByClass) -> int | None:
    """How many more devices may fail, over all classes, before the failure rule stops the roll-out:
    0 if the next one does, or one has done; None if so few can never be too many.
    """
    base = progress.baselines.get(ALL, Baseline())
    whole = added(each for labels in by_class.values() for each in labels.values())
    scopes = (
        (whole, base.ok, base.bad),
        (_of(by_class, str(progress.phase)), base.phase_ok, base.phase_bad),
    )
    rule, bounds = rollout.failure, []
    for figures, ok, bad in scopes:
        failed = max(0, bad_of(rollout, figures) - bad)
        ended = failed + max(0, figures.succeeded - ok)
        sample = rule.minimum_sample
        if progress.covered_at:
            sample = min(sample, ended + figures.open)
        bounds.append(_until_stopped(rule.percent, sample, failed, ended))
        bounds.append(rule.count - failed if rule.count is not None else None)
    known = [bound for bound in bounds if bound is not None]
    return max(0, min(known) - 1) if known else None


def _until_stopped(percent: float, sample: int, failed: int, ended: int) -> int | None:
    """The least number of further failures by which the percentage is reached; None if never."""
    by_sample = ceil(percent * sample / 100 - failed)
    if percent < 100:
        return max(1, by_sample, ceil((percent * ended - 100 * failed) / (100 - percent)))
    return max(1, by_sample) if ended == failed else None


def _status(progress: Progress, index: int) -> PhaseStatus:
    if index > progress.phase:
        return "Waiting"
    is_passed = bool(progress.opened[index].passed_at) or progress.status is Status.COMPLETED
    return "Passed" if is_passed else "Open"


def _of(by_class: ByClass, label: str) -> Figures:
    labels: Iterable[Mapping[str, Figures]] = by_class.values()
    return added(each.get(label, Figures()) for each in labels)
