"""What a gate lacks, in words that people can check, and that more failures never open it."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.rollouts.evaluation import Change, Sums, evaluate
from shared.domain.rollouts.figures import Figures
from shared.domain.rollouts.gate import lack, waits_for
from shared.domain.rollouts.progress import Opened, Progress, Reason, ReasonCode, Status
from shared.domain.rollouts.specification import (
    Deadlines,
    FailureRule,
    Gate,
    Phase,
    Rollout,
    Select,
)
from shared.domain.rollouts.transition import Step

AT, COVERED, NOW = (
    f"2026-03-02T{clock}.000000+00:00" for clock in ("08:00:00", "08:10:00", "09:00:00")
)
GATE = Gate(minimum_sample=20, success_percent=90, bake_time="PT5H")
ROLLOUT = Rollout(
    phases=(
        Phase(select=Select(percent=10), gate=GATE),
        Phase(select=Select(percent=100), gate=GATE),
    )
)
RUNNING = Progress(status=Status.RUNNING, opened=(Opened(at=AT, covered_at=COVERED),), as_of=AT)
BAKING = msgspec.structs.replace(
    RUNNING, status=Status.BAKING, met_since="2026-03-02T09:05:00+00:00"
)
PAUSED = msgspec.structs.replace(
    RUNNING, status=Status.PAUSED, reason=Reason(code=ReasonCode.OPERATOR, message="looks odd")
)


@pytest.mark.parametrize(
    ("progress", "figures", "said"),
    [
        (RUNNING, Figures(succeeded=13, asked=40), "needs 27 answers, has 13"),
        (RUNNING, Figures(succeeded=13, asked=7), "needs 20 answers, has 13"),
        (RUNNING, Figures(succeeded=1, asked=1, withdrawn=5), "needs 4 answers, has 1"),
        (RUNNING, Figures(succeeded=30, failed=5), "needs 32 successes of 35, has 30"),
        (RUNNING, Figures(succeeded=30), "has all that it needs"),
        (BAKING, Figures(succeeded=30), "bakes until 2026-03-02 14:05 UTC"),
        (PAUSED, Figures(succeeded=30), "is paused: looks odd"),
        (
            msgspec.structs.replace(RUNNING, opened=(Opened(at=AT),)),
            Figures(succeeded=3, asked=1),
            "has not asked all of its devices yet, 4 so far",
        ),
        (
            msgspec.structs.replace(RUNNING, status=Status.AWAITING_ADVANCE),
            Figures(succeeded=30),
            "waits for somebody to advance it",
        ),
        (
            msgspec.structs.replace(RUNNING, unapproved_since=2),
            Figures(succeeded=30),
            "waits for approval by somebody who has neither made nor edited the deployment",
        ),
        (msgspec.structs.replace(RUNNING, status=Status.COMPLETED), Figures(succeeded=30), ""),
        (msgspec.structs.replace(RUNNING, status=Status.ABORTED), Figures(succeeded=30), ""),
        (Progress(), Figures(), ""),
    ],
)
def test_what_a_phase_waits_for_is_told_in_figures(
    progress: Progress, figures: Figures, said: str
) -> None:
    assert waits_for(ROLLOUT, progress, {"a": {"0": figures}}) == said


def test_a_class_that_lacks_successes_is_named() -> None:
    labels = {"a": Figures(succeeded=400), "b": Figures(succeeded=10, failed=15)}

    assert lack(ROLLOUT, GATE, labels) == "needs 23 successes of 25 of device class b, has 10"
    assert lack(ROLLOUT, GATE, {**labels, "b": Figures(failed=15)}) is None  # too few to tell


COUNTS = st.integers(0, 12)
FIGURES = st.builds(
    Figures,
    asked=COUNTS,
    started=COUNTS,
    silent=COUNTS,
    stuck=COUNTS,
    succeeded=COUNTS,
    had=COUNTS,
    reverted=COUNTS,
    failed=COUNTS,
    canceled=COUNTS,
    withdrawn=COUNTS,
)
ROLLOUTS = st.builds(
    lambda gate, rule, counts: Rollout(
        phases=(Phase(select=Select(percent=10), gate=gate), Phase(select=Select(percent=100))),
        failure=rule,
        deadlines=Deadlines(count_as_failure=counts),
    ),
    st.builds(
        Gate,
        success_percent=st.sampled_from([0.0, 40.0, 95.0, 100.0]),
        minimum_sample=st.integers(1, 12),
        answered_percent=st.sampled_from([0.0, 50.0, 100.0]),
        bake_time=st.sampled_from(["PT0S", "PT1H"]),
    ),
    st.builds(FailureRule, percent=st.sampled_from([5.0, 50.0]), minimum_sample=st.integers(1, 30)),
    st.booleans(),
)
PROGRESS = st.sampled_from(
    [RUNNING, msgspec.structs.replace(RUNNING, status=Status.BAKING, met_since=COVERED)]
)


def evaluated(rollout: Rollout, progress: Progress, figures: dict[str, Figures]) -> Change | None:
    sums = Sums({name: {"0": each} for name, each in figures.items()}, True, NOW)
    return evaluate(rollout, progress, sums, NOW)


@given(
    ROLLOUTS,
    PROGRESS,
    FIGURES,
    FIGURES,
    st.integers(1, 12),
    st.sampled_from(["failed", "reverted"]),
)
def test_more_failures_never_open_a_phase_or_undo_a_stop(
    rollout: Rollout, progress: Progress, one: Figures, other: Figures, count: int, how: str
) -> None:
    turned = min(count, one.succeeded)
    worse = replace(one, succeeded=one.succeeded - turned, **{how: getattr(one, how) + turned})

    better = evaluated(rollout, progress, {"a": one, "b": other})
    worst = evaluated(rollout, progress, {"a": worse, "b": other})

    if worst is not None and worst.step is Step.PHASE_OPENED:
        assert better is not None
        assert better.step is Step.PHASE_OPENED
    if better is not None and better.reason and better.reason.code is ReasonCode.FAILURE_PERCENT:
        assert worst is not None
        assert worst.reason is not None
        assert worst.reason.code is ReasonCode.FAILURE_PERCENT


@given(ROLLOUTS, PROGRESS, FIGURES, FIGURES)
def test_the_order_in_which_classes_are_summed_changes_nothing(
    rollout: Rollout, progress: Progress, one: Figures, other: Figures
) -> None:
    forth = evaluated(rollout, progress, {"a": one, "b": other})
    back = evaluated(rollout, progress, {"b": other, "a": one})

    assert forth == back
