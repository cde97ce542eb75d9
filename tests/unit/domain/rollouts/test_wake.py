"""When time alone may move a roll-out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.domain.rollouts.evaluation import Sums, evaluate
from shared.domain.rollouts.figures import (
    Outcome,
    figures_by_label,
    has_commands_to_take_back,
    phase_cell,
)
from shared.domain.rollouts.ledger import Ledger
from shared.domain.rollouts.pace import may_be_closed, needs_pass
from shared.domain.rollouts.progress import Opened, Progress, Status
from shared.domain.rollouts.specification import (
    Deadlines,
    Gate,
    Phase,
    Rollout,
    Select,
    Window,
)
from shared.domain.rollouts.wake import wakes_at

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
WORKFLOW = "w"
_MINUTES = st.integers(-240, 240)
_GATE = Gate(bake_time="PT1H", maximum_wait="PT3H", minimum_sample=1)


def at(minutes: float) -> str:
    return (NOW + timedelta(minutes=minutes)).isoformat(timespec="microseconds")


def seconds(minutes: float) -> int:
    return int((NOW + timedelta(minutes=minutes)).timestamp())


@st.composite
def roll_outs(draw: st.DrawFn) -> Rollout:
    return Rollout(
        phases=(Phase(select=Select(percent=10), gate=_GATE), Phase(select=Select(percent=100))),
        deadlines=Deadlines(
            start="PT2H", progress="PT1H", cancel_stuck=draw(st.booleans()), count_as_failure=False
        ),
        windows=draw(st.sampled_from([(), (Window(cron="0 1 * * *", duration="PT4H"),)])),
        end_date_time=draw(st.none() | _MINUTES.map(at)),
    )


@st.composite
def standings(draw: st.DrawFn) -> Progress:
    is_met = draw(st.booleans())
    return Progress(
        status=Status.BAKING if is_met else Status.RUNNING,
        opened=(Opened(at=at(draw(st.integers(-240, -1))), covered_at=at(-1) if is_met else ""),),
        met_since=at(draw(st.integers(-240, -1))) if is_met else "",
        as_of=at(-300),
    )


@st.composite
def counters(draw: st.DrawFn) -> dict[str, int]:
    found = {phase_cell("0", Outcome.SUCCEEDED, WORKFLOW): draw(st.integers(0, 20))}
    for outcome in (Outcome.ASKED, Outcome.STARTED):
        for minutes in draw(st.lists(_MINUTES, max_size=2)):
            until = seconds(minutes) // 60
            found[phase_cell("0", outcome, WORKFLOW, until)] = draw(st.integers(1, 3))
    return found


@st.composite
def ledgers(draw: st.DrawFn) -> Ledger:
    return Ledger(
        phase=draw(st.sampled_from([-1, 0])),
        held=draw(st.integers(0, 2)),
        next_at=draw(st.just(0) | _MINUTES.map(seconds)),
        closes_at=draw(st.just(0) | _MINUTES.map(seconds)),
    )


@given(roll_outs(), standings(), counters(), ledgers(), st.floats(0.001, 0.999))
def test_nothing_moves_before_it(
    rollout: Rollout,
    progress: Progress,
    cells: dict[str, int],
    ledger: Ledger,
    share: float,
) -> None:
    def what_follows(now: str) -> object:
        labels = figures_by_label(cells, WORKFLOW, rollout.deadlines, now)
        sums = Sums({"class": labels}, is_covered=ledger.covers(0), as_of=now)
        is_closed = may_be_closed(rollout, ledger, now)
        return (
            evaluate(rollout, progress, sums, now),
            needs_pass(rollout, progress, 0, ledger, now),
            has_commands_to_take_back(cells, WORKFLOW, rollout.deadlines, now, is_closed=is_closed),
        )

    found = wakes_at(rollout, progress, WORKFLOW, [cells], [ledger], at(0))
    end = datetime.fromisoformat(found) if found else NOW + timedelta(days=30)
    before = what_follows(at(0))
    if before[0] is not None:  # type: ignore[index]
        return  # it moves now

    assert end > NOW
    moment = (NOW + (end - NOW) * share).isoformat(timespec="microseconds")
    assert what_follows(moment) == before


def test_it_is_the_first_of_what_time_brings() -> None:
    rollout = Rollout(
        phases=(Phase(select=Select(percent=100), gate=_GATE),),
        deadlines=Deadlines(start="PT2H", progress="PT1H"),
    )
    progress = Progress(status=Status.RUNNING, opened=(Opened(at=at(-1)),), as_of=at(-1))
    asked = {phase_cell("0", Outcome.ASKED, WORKFLOW, seconds(10) // 60): 1}
    missing, held = Ledger(phase=-1), Ledger(phase=0, held=1, next_at=seconds(90))

    def found(*ledgers: Ledger, **options: str) -> str:
        return wakes_at(rollout, progress, WORKFLOW, [asked], ledgers, at(0), **options)

    assert found() == at(130)  # the device is silent
    assert found(held) == at(90)
    assert found(held, missing, lost_at=at(2)) == at(2)
    assert wakes_at(rollout, progress, WORKFLOW, [], [], at(0)) == at(179)  # the longest wait
    assert wakes_at(rollout, progress, WORKFLOW, [], [], at(180)) == ""


def wakes(
    *ledgers: Ledger,
    gate: Gate = Gate(),  # noqa: B008 (immutable)
    lost_at: str = "",
    met_since: str = "",
    granted_at: str = "",
    opened: tuple[int, ...] = (-5,),
    **members: Any,
) -> str:
    """When it wakes for these alone; one that is asked of everybody, five minutes ago."""
    phases = tuple(
        Phase(select=Select(percent=50 + index), gate=gate) for index in range(len(opened))
    )
    progress = Progress(
        status=Status.RUNNING,
        opened=tuple(Opened(at=at(minutes)) for minutes in opened),
        as_of=at(-1),
        met_since=met_since,
        granted_at=granted_at,
    )
    rollout = Rollout(phases=phases, **members)
    return wakes_at(rollout, progress, WORKFLOW, [], ledgers, at(0), lost_at=lost_at)


def test_it_wakes_at_the_end_of_the_bake_and_of_the_longest_wait() -> None:
    assert wakes(gate=Gate(bake_time="PT1H"), met_since=at(-10)) == at(50)
    assert wakes(gate=Gate(bake_time="PT1H")) == ""
    # of the phase that is open
    assert wakes(gate=Gate(maximum_wait="PT1H"), opened=(-30, -10)) == at(50)


def test_it_wakes_when_the_roll_out_ends_and_never_for_what_has_been() -> None:
    assert wakes(end_date_time=at(7)) == at(7)
    assert wakes(end_date_time=at(0)) == ""


def test_it_wakes_when_a_window_opens_for_devices_that_are_held() -> None:
    assert wakes(Ledger(phase=0, held=1, next_at=seconds(9))) == at(9)
    assert wakes(Ledger(phase=0, held=0, next_at=seconds(9))) == ""
    assert wakes(Ledger(phase=0, held=1)) == ""


def test_it_wakes_when_a_window_closes_if_commands_are_withdrawn_then() -> None:
    closes = Ledger(phase=0, closes_at=seconds(9))

    assert wakes(closes) == at(9)
    assert wakes(closes, on_close="Leave") == ""
    assert wakes(Ledger(phase=0)) == ""


def test_it_wakes_when_a_rate_has_saved_up_enough_for_devices_that_are_due() -> None:
    due, none = Ledger(phase=0, due=1), Ledger(phase=0)

    assert wakes(due, granted_at=at(-1)) == at(1)
    assert wakes(due, none, granted_at=at(-1)) == at(1)
    assert wakes(due, due, granted_at=at(-1)) == at(1)
    assert wakes(none, granted_at=at(-1)) == ""
    # from its start where nothing was granted yet
    assert wakes(due, opened=(-1, 0)) == at(1)


def test_it_wakes_when_a_pass_over_a_bucket_is_taken_for_lost() -> None:
    missing, passed = Ledger(phase=-1), Ledger(phase=0)

    assert wakes(missing, passed, lost_at=at(3)) == at(3)
    assert wakes(passed, lost_at=at(3)) == ""
    assert wakes(missing) == ""
