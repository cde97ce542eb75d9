"""When time alone may move a roll-out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

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
