"""How a roll-out stands: the failure budget says exactly when the rule stops it."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.rollouts.evaluation import Sums, evaluate
from shared.domain.rollouts.figures import LATE, Figures
from shared.domain.rollouts.progress import Baseline, Opened, Progress, ReasonCode, Status
from shared.domain.rollouts.view import failures_left, rollout_view
from tests.builders.edit import a_rollout

MADE, NOW = "2026-12-01T08:00:00.000000+00:00", "2026-12-02T08:00:00.000000+00:00"
_STOPS = {ReasonCode.FAILURE_COUNT, ReasonCode.FAILURE_PERCENT}


def a_progress(**changes: Any) -> Progress:
    made = Progress(status=Status.RUNNING, opened=(Opened(at=MADE), Opened(at=MADE)))
    return msgspec.structs.replace(made, **changes)


def stops(rule: dict[str, Any], progress: Progress, figures: Figures) -> bool:
    sums = Sums({"a": {"1": figures}}, is_covered=False, as_of=NOW)
    change = evaluate(a_rollout(failure=rule), progress, sums, NOW)
    return change is not None and change.reason is not None and change.reason.code in _STOPS


_RULES = st.fixed_dictionaries(
    {"percent": st.integers(0, 100), "minimumSample": st.integers(1, 200)},
    optional={"count": st.integers(1, 60)},
)


@given(
    _RULES,
    st.tuples(st.integers(0, 300), st.integers(0, 40)),
    st.tuples(st.integers(0, 30), st.integers(0, 10)),
    st.booleans(),
)
def test_the_budget_is_how_many_may_fail_before_the_rule_stops_it(
    rule: dict[str, Any], ended: tuple[int, int], forgiven: tuple[int, int], is_covered: bool
) -> None:
    (succeeded, failed), (ok, bad) = ended, forgiven
    base = Baseline(ok=ok, bad=bad, phase_ok=ok, phase_bad=bad)
    opened = (Opened(at=MADE), Opened(at=MADE, covered_at=NOW if is_covered else ""))
    progress = a_progress(baselines={"": base, "a": base}, opened=opened)

    def after(more: int) -> Figures:
        return Figures(succeeded=succeeded + ok, failed=failed + bad + more, asked=1000 - more)

    left = failures_left(a_rollout(failure=rule), progress, {"a": {"1": after(0)}})

    if left is None:
        assert not stops(rule, progress, after(1000))
    else:
        assert stops(rule, progress, after(left + 1))
        assert not left or not stops(rule, progress, after(left))


def test_each_phase_has_its_figures_and_where_it_stands() -> None:
    progress = a_progress(opened=(Opened(at=MADE, covered_at=NOW, passed_at=NOW), Opened(at=NOW)))
    by_class = {
        "a": {"0": Figures(succeeded=4), "1": Figures(asked=3), LATE: Figures(failed=1)},
        "b": {"0": Figures(succeeded=1, had=2)},
    }

    seen = rollout_view(a_rollout(), progress, by_class, NOW)

    assert [(phase.name, phase.status) for phase in seen.phases] == [
        ("canary", "Passed"),
        ("tenth", "Open"),
        ("all", "Waiting"),
    ]
    assert seen.phases[0].figures == Figures(succeeded=5, had=2)
    assert seen.phases[0].passed_at == NOW
    assert seen.late == Figures(failed=1)
    assert (seen.total.total, seen.total.open) == (11, 3)


def test_every_phase_of_a_completed_roll_out_has_passed() -> None:
    progress = a_progress(status=Status.COMPLETED, opened=(Opened(at=MADE),) * 3)

    seen = rollout_view(a_rollout(), progress, {}, NOW)

    assert {phase.status for phase in seen.phases} == {"Passed"}
