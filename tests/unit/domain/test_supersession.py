"""A roll-out stops because of something else: a recall, a newer deployment, its own rollback."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device_class import make_device_class
from shared.domain.fleet.supersession import recalled, rolled_back_since, superseded_by
from shared.domain.rollouts.evaluation import Change, Sums
from shared.domain.rollouts.figures import Figures
from shared.domain.rollouts.progress import Hold, Reason, ReasonCode, Status
from shared.domain.rollouts.specification import Phase, Select
from shared.domain.rollouts.transition import Step
from tests.builders.decisions import a_phased
from tests.unit.domain.builders import V1, a_deployment, at_second

NOW = at_second(100)
KIOSK = make_device_class("", {"manufacturer": "acme", "model": "kiosk"})
RED = make_device_class("", {"manufacturer": "acme", "model": "kiosk", "colour": "red"})
GATE = make_device_class("", {"manufacturer": "acme", "model": "gate"})
MINE = (KIOSK, RED, GATE)
SUMS = Sums(
    by_class={KIOSK.class_id: {"0": Figures(failed=2)}, RED.class_id: {"0": Figures(asked=1)}},
    is_covered=True,
    as_of=at_second(60),
)
STALE = replace(SUMS, as_of=at_second(50))


def item(status: Status = Status.RUNNING, **given: object) -> Deployment:
    """A roll-out whose last transition was at second 50."""
    phased = a_phased("w1", status=status, given=given)
    assert phased.progress is not None
    return replace(phased, progress=msgspec.structs.replace(phased.progress, as_of=at_second(50)))


def told(change: Change | None) -> tuple[Step, Status, Hold, ReasonCode | None, str]:
    """What a change does; it bears the figures, and stands from now on."""
    assert change is not None
    assert change.figures == {"failed": 2, "asked": 1}
    assert (change.progress.as_of, change.progress.since) == (NOW, NOW)
    assert change.progress.reason == change.reason
    code, message = (change.reason.code, change.reason.message) if change.reason else (None, "")
    return change.step, change.progress.status, change.progress.hold, code, message


def test_recall_of_its_update_aborts_a_roll_out() -> None:
    step, status, _, code, message = told(recalled(item(recall_reason="unsafe"), SUMS, NOW))

    assert (step, status, code) == (Step.ABORTED, Status.ABORTED, ReasonCode.RECALLED)
    assert "unsafe" in message
    assert recalled(item(), SUMS, NOW) is None
    assert recalled(item(recall_reason="unsafe"), STALE, NOW) is None
    assert recalled(a_deployment(recall_reason="unsafe"), SUMS, NOW) is None


NEWER = a_deployment("w2", starts_at=at_second(1))


@pytest.mark.parametrize("status", list(Status))
def test_newer_deployment_for_all_its_classes_pauses_a_roll_out_that_goes_on(
    status: Status,
) -> None:
    found = superseded_by(item(status), [NEWER], MINE, SUMS, NOW)

    if status in (Status.RUNNING, Status.BAKING, Status.AWAITING_ADVANCE):
        *what, message = told(found)
        assert what == [Step.PAUSED, Status.PAUSED, Hold.ASKS, ReasonCode.SUPERSEDED]
        assert NEWER.deployment_id in message
    else:
        assert found is None


@pytest.mark.parametrize(
    ("others", "present", "sums"),
    [
        pytest.param([NEWER], MINE, STALE, id="sums of before the last transition"),
        pytest.param([a_deployment("w0")], MINE, SUMS, id="older"),
        pytest.param([replace(NEWER, starts_at=at_second(101))], MINE, SUMS, id="not started"),
        pytest.param([replace(NEWER, undoes="w0")], MINE, SUMS, id="a rollback"),
        pytest.param([replace(NEWER, recall_reason="unsafe")], MINE, SUMS, id="ended"),
        pytest.param([NEWER.canceled(RED.class_id)], MINE, SUMS, id="cancelled for one class"),
        pytest.param([NEWER.deleted(RED.class_id)], MINE, SUMS, id="not for one class"),
        pytest.param([NEWER], (GATE,), SUMS, id="no class of its own is present"),
        pytest.param([], MINE, SUMS, id="none"),
        pytest.param(
            [a_phased("w2", hold=Hold.ASKS, given={"starts_at": at_second(1)})],
            MINE,
            SUMS,
            id="paused itself",
        ),
    ],
)
def test_nothing_else_pauses_it(
    others: list[Deployment], present: tuple[object, ...], sums: Sums
) -> None:
    assert superseded_by(item(), others, present, sums, NOW) is None  # type: ignore[arg-type]
    if sums is SUMS and present is MINE:
        assert superseded_by(item(), [*others, NEWER], MINE, SUMS, NOW) is not None
    assert superseded_by(a_deployment(), [NEWER], MINE, SUMS, NOW) is None


def undo(class_id: str | None = None, created: int = 55, **changes: object) -> Deployment:
    return a_deployment(
        "undo",
        undoes="w1",
        update_id=V1,
        created_at=at_second(created),
        only_class_id=class_id,
        **changes,
    )


def test_rollback_of_every_class_that_was_asked_ends_a_roll_out() -> None:
    others = [undo(KIOSK.class_id), undo(RED.class_id, created=5)]

    *what, message = told(rolled_back_since(item(), others, MINE, SUMS, NOW))

    assert what == [Step.ROLLED_BACK, Status.ROLLED_BACK, Hold.NONE, ReasonCode.FAILURE_PERCENT]
    assert "deployment-undo" in message
    tripped = Reason(code=ReasonCode.FAILURE_COUNT, message="3 devices have failed.")
    paused = item()
    assert paused.progress is not None
    paused = replace(paused, progress=msgspec.structs.replace(paused.progress, reason=tripped))
    found = rolled_back_since(paused, [undo()], MINE, SUMS, NOW)
    assert found is not None
    assert found.reason == tripped


def test_rollback_of_some_classes_pauses_it_and_takes_back_what_nobody_has_begun() -> None:
    first, second = undo(KIOSK.class_id), replace(undo(GATE.class_id), compatibility=({},))
    second = replace(second, deployment_id="a-second")

    found = rolled_back_since(item(), [first, second], MINE, SUMS, NOW)

    *what, message = told(found)
    assert what == [Step.PAUSED, Status.PAUSED, Hold.WITHDRAW, ReasonCode.ROLLED_BACK_ELSEWHERE]
    assert "deployment-undo" in message


@pytest.mark.parametrize(
    ("others", "sums"),
    [
        pytest.param([undo()], STALE, id="sums of before the last transition"),
        pytest.param([undo(created=50)], SUMS, id="not after the last transition"),
        pytest.param([replace(undo(), undoes="w0")], SUMS, id="of another deployment"),
        pytest.param([undo(starts_at=at_second(101))], SUMS, id="not started"),
        pytest.param([], SUMS, id="none"),
    ],
)
def test_nothing_follows_from_another_rollback(others: list[Deployment], sums: Sums) -> None:
    assert rolled_back_since(item(), others, MINE, sums, NOW) is None
    assert rolled_back_since(a_deployment("w1"), [undo()], MINE, SUMS, NOW) is None


def test_phases_do_not_matter_for_what_comes_before_it() -> None:
    few = a_phased(
        "w2", phases=(Phase(select=Select(percent=1)),), given={"starts_at": at_second(1)}
    )

    assert superseded_by(item(), [few], MINE, SUMS, NOW) is not None
