"""Which deployment decides about a device, and when the device is asked for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.contract.codes import Erc
from shared.domain.fleet.asking import CANCEL_DEADLINE, given
from shared.domain.fleet.command import DeviceCommand, SignatureGeneration
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device import DeviceRecord
from shared.domain.fleet.orders import EVERYTHING, Order, OrderKind
from shared.domain.fleet.reconcile_decision import Decision, Why
from shared.domain.instant import later
from shared.domain.rollouts.figures import slot_minutes
from shared.domain.rollouts.progress import Hold, Status
from shared.domain.rollouts.selection import place_of
from shared.domain.rollouts.specification import Deadlines, Phase, Select, Window
from tests.builders.decisions import (
    ASKED,
    NOW,
    STARTED,
    a_device,
    a_phased,
    canceled,
    decide,
    kiosk_id,
    withdrawn,
)
from tests.unit.domain.builders import (
    LONG_AGO,
    V1,
    a_change,
    a_deployment,
    a_record,
    at_second,
    busy,
    failed,
    started,
    succeeded,
)

FRESH = a_device(asked=None)
PLAIN = a_deployment("w1")
NIGHT = (Window(cron="0 3 * * *", duration="PT1H"),)
AT_NIGHT = "2024-05-01T03:00:00.000000+00:00"
NEW = DeviceCommand(
    workflow_id="w1",
    retry_timestamp=None,
    is_cancel=False,
    deployment_id="deployment-w1",
    group_id="$default",
    class_id=kiosk_id(),
    update_id=PLAIN.update_id,
    precedence=(LONG_AGO, LONG_AGO, "w1"),
)


def whys(notes: list[tuple[Why, str | None, str]]) -> list[Why]:
    return [why for why, _, _ in notes]


def test_device_without_a_class_is_left_alone() -> None:
    assert decide(DeviceRecord("d1"), PLAIN) == (Decision(), [(Why.NO_AGENT, None, "")])
    held = replace(STARTED, held_class=kiosk_id())
    assert decide(held, PLAIN) == (Decision(), [(Why.CLASS_HELD_BACK, None, "")])


def test_device_is_asked_with_what_the_deployment_says() -> None:
    signed = a_deployment("w1", issue=SignatureGeneration(3, 2))

    assert decide(FRESH, PLAIN) == (Decision(NEW, PLAIN), [(Why.DUE, "w1", "")])
    assert decide(FRESH, signed)[0].command == replace(NEW, issue=SignatureGeneration(3, 2))
    lobby = a_record(a_change(1, started(), group="lobby"))
    assert decide(lobby, PLAIN)[0].command == replace(NEW, group_id="lobby")
    has_it = a_record(a_change(1, started()), a_change(2, succeeded(workflow_id="w0")))
    assert decide(has_it, PLAIN)[0].command == replace(NEW, had_it=True)


def test_device_is_asked_in_the_phase_that_is_open() -> None:
    """It is counted there; as late once the phase was covered, and as member in one by count."""
    deadlines = Deadlines(start="PT2H", progress="PT1H")
    phases = (Phase(select=Select(percent=100)), Phase(select=Select(count=5)))
    minutes = slot_minutes(deadlines)
    asked = replace(NEW, label="0", slot_minutes=minutes, priority=500)

    for opened in (1, 2):
        deployment = a_phased(deadlines=deadlines, phases=phases, opened=opened)
        found, _ = decide(FRESH, deployment)
        assert found == Decision(replace(asked, label=str(opened - 1)), deployment)
    covered = a_phased(deadlines=deadlines, covered_at=at_second(5))
    assert decide(FRESH, covered)[0].command == replace(asked, label="late")
    counted = a_phased(phases=phases[1:], priority=700)
    found, _ = decide(FRESH, counted)
    assert found.is_member
    assert found.command is not None
    assert found.command.priority == 700


def test_phase_that_does_not_reach_a_device_leaves_it_to_the_deployment_before() -> None:
    place = place_of("d1", "w2") * 100 / 2**64
    below, above = (
        a_phased("w2", phases=(Phase(select=Select(percent=round(percent, 2))),))
        for percent in (place - 0.1, place + 0.1)
    )

    found, notes = decide(FRESH, PLAIN, below)
    assert found.deployment == PLAIN
    assert notes == [(Why.PHASE_NOT_REACHED, "w2", ""), (Why.DUE, "w1", "")]
    assert decide(FRESH, PLAIN, above)[0].deployment == above
    of_class, of_another = (
        a_phased("w2", phases=(Phase(select=Select(class_id=class_id)),))
        for class_id in (kiosk_id(), "another")
    )
    assert decide(FRESH, PLAIN, of_class)[0].deployment == of_class
    assert decide(FRESH, PLAIN, of_another)[0].deployment == PLAIN


@pytest.mark.parametrize(
    ("newer", "is_left", "why"),
    [
        (a_deployment("w2", starts_at=at_second(101)), True, [Why.NOT_STARTED]),
        (a_deployment("w2", compatibility=({"model": "gate"},)), True, [Why.NOT_COMPATIBLE]),
        (a_phased("w2", hold=Hold.ASKS, status=Status.PAUSED), True, [Why.PAUSED]),
        (a_phased("w2", status=Status.ABORTED), True, [Why.ENDED]),
        (a_phased("w2").canceled(kiosk_id()), True, [Why.CANCELED_FOR_CLASS]),
        (a_deployment("w2", undoes="w0"), True, []),
        (
            a_phased("w2", status=Status.ABORTED, phases=(Phase(select=Select(class_id="x")),)),
            True,
            [Why.ENDED, Why.PHASE_NOT_REACHED],
        ),
        # without phases, nobody falls back to an older one
        (a_deployment("w2").canceled(kiosk_id()), False, [Why.CANCELED_FOR_CLASS]),
        (a_deployment("w2").recalled("unsafe"), False, [Why.ENDED]),
    ],
)
def test_newer_deployment_that_does_not_ask_leaves_the_device_or_not(
    newer: Deployment, is_left: bool, why: list[Why]
) -> None:
    found, notes = decide(FRESH, PLAIN, newer)

    assert found == (Decision(NEW, PLAIN) if is_left else Decision())
    assert whys(notes) == ([*why, Why.DUE] if is_left else why)


@pytest.mark.parametrize(
    ("kind", "workflow_id", "why"),
    [
        (OrderKind.EXCLUDE, "w1", Why.EXCLUDED),
        (OrderKind.EXCLUDE, EVERYTHING, Why.EXCLUDED),
        (OrderKind.CANCEL, "w1", Why.CANCELED_FOR_DEVICE),
        (OrderKind.CANCEL, "w0", None),
        (OrderKind.RETRY, "w1", None),
    ],
)
def test_order_for_the_device_keeps_it_from_its_deployment(
    kind: OrderKind, workflow_id: str, why: Why | None
) -> None:
    orders = (Order(kind, workflow_id, at_second(5)),)

    found, notes = decide(a_device(asked=None, orders=orders), PLAIN)
    assert found == (Decision() if why else Decision(NEW, PLAIN))
    assert whys(notes) == [why or Why.DUE]
    if why is not None:
        assert decide(a_device(orders=orders), PLAIN)[0] == Decision(canceled(ASKED))


def test_rollback_reaches_only_devices_of_what_it_undoes_and_stops_that() -> None:
    undo = a_deployment("w2", undoes="w1", update_id=V1, starts_at=at_second(50))

    assert decide(FRESH, PLAIN, undo) == (Decision(), [(Why.ROLLED_BACK, "w1", "")])
    found, _ = decide(a_device(succeeded()), PLAIN, undo)
    assert found.deployment == undo
    working, notes = decide(a_device(busy()), PLAIN, undo)
    assert working == Decision(canceled(ASKED))
    assert whys(notes) == [Why.WORKS_ON_ANOTHER]
    assert decide(FRESH, PLAIN, undo, now=at_second(49))[0].deployment == PLAIN


# a device that is busy, or has gone further

OPEN_AGENT = {"deviceUpdate": {"agent": {"deviceProperties": {"aduVer": "DU;agent/1.2.0"}}}}
IN_DOWNLOAD = failed(erc=int(Erc.HANDLER_DOWNLOAD_EXCEPTION))
NEWER = a_deployment("w2", starts_at=at_second(30))


@pytest.mark.parametrize(
    ("reports", "why"),
    [
        pytest.param([busy()], Why.WORKS_ON_ANOTHER, id="works"),
        pytest.param([OPEN_AGENT, IN_DOWNLOAD], Why.AGENT_HOLDS_FAILED_UPDATE, id="holds it"),
        pytest.param([OPEN_AGENT, failed(), busy()], Why.WORKS_ON_ANOTHER, id="may run it again"),
    ],
)
def test_device_that_may_still_work_is_told_to_stop_first(
    reports: list[dict[str, Any]], why: Why
) -> None:
    found, notes = decide(a_device(*reports), PLAIN, NEWER)
    assert (found, notes) == (Decision(canceled(ASKED)), [(why, "w2", "")])

    told = canceled(ASKED, at_second(50))
    waiting, notes = decide(a_device(*reports, asked=told), PLAIN, NEWER)
    assert waiting.command is None
    assert waiting.deployment is None
    assert notes[0] == (why, "w2", "")


@pytest.mark.parametrize(
    "reports", [[], [failed()], [succeeded()], [OPEN_AGENT, failed()], [IN_DOWNLOAD]]
)
def test_device_that_does_not_work_is_asked_at_once(reports: list[dict[str, Any]]) -> None:
    found, _ = decide(a_device(*reports), PLAIN, NEWER)

    assert found.deployment == NEWER


def test_device_that_never_says_that_it_has_stopped_is_asked_after_a_day() -> None:
    record = a_device(busy(), asked=canceled(ASKED, at_second(50)))
    end = later(at_second(50), CANCEL_DEADLINE)

    assert decide(record, PLAIN, NEWER) == (
        Decision(look_at=end),
        [(Why.WORKS_ON_ANOTHER, "w2", ""), (Why.CANCELING, "w2", end)],
    )
    assert decide(record, PLAIN, NEWER, now=end)[0].deployment == NEWER


def moved(*steps: tuple[Deployment, list[dict[str, Any]]]) -> DeviceRecord:
    """A device that was given these deployments in turn, and what it reported of each."""
    record, version = replace(STARTED, past=()), 2
    for deployment, reports in steps:
        command = replace(
            NEW,
            workflow_id=deployment.workflow_id,
            precedence=deployment.times,
            class_id=kiosk_id(),
        )
        record = given(record, command, at_second(version))
        for report in reports:
            told = a_record(a_change(version, report))
            record = replace(record, evidence=(*record.evidence, *told.evidence))
            version += 1
    return record


def done(workflow_id: str) -> list[dict[str, Any]]:
    return [succeeded(workflow_id=workflow_id)]


def test_device_never_goes_back_to_what_it_has_answered() -> None:
    """Nor to what is older than that: only to a greater priority, or to what started later."""
    back = moved((PLAIN, done("w1")), (NEWER, done("w2")))
    never = moved((NEWER, done("w2")))

    assert decide(back, PLAIN) == (Decision(), [(Why.ANSWERED_BEFORE, "w1", "")])
    assert decide(never, PLAIN) == (Decision(), [(Why.GONE_FURTHER, "w1", "")])
    later_one = a_deployment("w3", starts_at=at_second(31))
    assert decide(never, later_one)[0].deployment == later_one
    urgent = a_phased("w1", priority=900)
    assert decide(never, urgent)[0].deployment == urgent
    minor = a_phased("w3", priority=100, given={"starts_at": at_second(30)})
    assert decide(never, minor) == (Decision(), [(Why.GONE_FURTHER, "w3", "")])
    undo = a_deployment("w0", undoes="w2")
    assert decide(never, undo)[0].deployment == undo


def test_device_that_has_not_answered_or_has_moved_may_go_back() -> None:
    silent = moved((PLAIN, []), (NEWER, []))
    elsewhere = moved((NEWER, done("w2")))
    asked = elsewhere.commanded
    assert asked is not None
    elsewhere = replace(elsewhere, commanded=replace(asked, group_id="lobby"))

    for record in (silent, elsewhere):
        assert decide(record, PLAIN)[0].deployment == PLAIN


# when nothing asks


def test_command_of_a_deployment_that_is_gone_is_taken_back() -> None:
    told = canceled(ASKED, at_second(50))

    assert decide(a_device())[0] == Decision(withdrawn(ASKED))
    assert decide(a_device(failed()))[0] == Decision(canceled(ASKED))
    for left in (FRESH, a_device(busy()), a_device(succeeded()), a_device(asked=told)):
        assert decide(left)[0] == Decision()
    end = later(at_second(50), CANCEL_DEADLINE)
    assert decide(a_device(busy(), asked=told))[0] == Decision(look_at=end)
    paused = a_phased("w2", hold=Hold.ASKS, status=Status.PAUSED)
    away = replace(ASKED, group_id="lobby")
    assert decide(a_device(asked=away), paused)[0] == Decision(withdrawn(away))


def test_recalled_update_is_taken_back_wherever_the_device_has_gone_since() -> None:
    elsewhere = a_deployment("w1", compatibility=({"model": "gate"},))

    for record in (a_device(), a_device(busy()), a_device(failed()), a_device(succeeded())):
        assert decide(record, elsewhere, is_recalled=True)[0] == Decision(canceled(ASKED))
    told = a_device(asked=canceled(ASKED, at_second(50)))
    for record in (FRESH, told):
        assert decide(record, elsewhere, is_recalled=True)[0] == Decision()
    assert decide(a_device(succeeded()), NEWER, is_recalled=True)[0].deployment == NEWER


# windows, and a device's own deployments


def test_device_is_asked_when_its_window_is_open() -> None:
    """Nobody but the device's own reminder notices a window of a deployment without phases."""
    plain, phased = a_deployment("w1", own_windows=NIGHT), a_phased(windows=NIGHT)
    closes_at = "2024-05-01T04:00:00.000000+00:00"

    assert decide(FRESH, plain) == (
        Decision(deployment=plain, look_at=AT_NIGHT, remind_at=AT_NIGHT),
        [(Why.WINDOW_CLOSED, "w1", AT_NIGHT)],
    )
    assert decide(FRESH, phased)[0] == Decision(deployment=phased, look_at=AT_NIGHT)
    asked, _ = decide(FRESH, plain, now=AT_NIGHT)
    assert asked == Decision(NEW, plain, remind_at=closes_at)
    asked, _ = decide(FRESH, phased, now=AT_NIGHT)
    assert (asked.deployment, asked.remind_at, asked.closes_at) == (phased, "", closes_at)
    elsewhere = replace(ASKED, workflow_id="w0")
    waiting, _ = decide(a_device(asked=elsewhere), plain)
    assert waiting == Decision(withdrawn(elsewhere), remind_at=AT_NIGHT)


def own(workflow_id: str = "own", **changes: Any) -> Deployment:
    return a_deployment(workflow_id, is_own=True, **changes)


def test_deployment_of_the_device_alone_goes_before_those_of_its_group() -> None:
    record = a_device(asked=None, own=(own(),))

    found, _ = decide(record, NEWER)

    assert found.deployment == own()
    assert found.command is not None
    assert found.command.is_own
    waiting = own(starts_at=at_second(200))
    found, notes = decide(a_device(asked=None, own=(waiting,)), PLAIN)
    assert found == Decision(NEW, PLAIN, remind_at=at_second(200))
    assert notes[0] == (Why.NOT_STARTED, "own", at_second(200))


def test_device_returns_to_its_group_once_its_own_deployment_was_taken_back() -> None:
    ended = own(recall_reason="unsafe")
    asked = replace(ASKED, workflow_id="own", is_own=True)
    told = canceled(asked, at_second(50))

    assert decide(a_device(asked=None, own=(ended,)), PLAIN)[0].deployment == PLAIN
    assert decide(a_device(asked=asked, own=(ended,)), PLAIN)[0] == Decision(canceled(asked))
    assert decide(a_device(asked=told, own=(ended,)), PLAIN)[0].deployment == PLAIN
    working = a_device(busy("own"), asked=told, own=(ended,))
    assert decide(working, PLAIN)[0] == Decision(look_at=later(at_second(50), CANCEL_DEADLINE))


def test_time_is_told_where_something_ends_by_itself() -> None:
    assert decide(FRESH, a_deployment("w1", starts_at=at_second(101)))[1] == [
        (Why.NOT_STARTED, "w1", at_second(101))
    ]
    assert decide(FRESH, a_deployment("w1", starts_at=NOW))[0].command is not None
