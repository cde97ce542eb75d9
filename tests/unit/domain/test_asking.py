"""What a device row remembers when its device is given a command."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.contract.codes import AgentState
from shared.domain.fleet.asking import (
    answered_by,
    given,
    has_answered,
    is_heard_since_withdrawal,
    is_overdue,
    may_have_past,
    refused,
)
from shared.domain.fleet.command import Answered, PastAsk, past_name, precedence_of
from shared.domain.fleet.device import DeviceRecord
from shared.domain.fleet.orders import Order, OrderKind
from tests.builders.decisions import ASKED, STARTED, a_device, canceled, withdrawn
from tests.unit.domain.builders import a_command, a_deployment, at_second, busy, reported

NOW, LATER = at_second(100), at_second(200)
NEXT = replace(a_command("w2", class_id=ASKED.class_id), precedence=("b", "b", "w2"))
SILENT, BUSY = a_device(), a_device(busy())
GAVE_UP = reported(AgentState.IDLE, -1)


def test_first_command_is_noted_with_its_time() -> None:
    found = given(STARTED, replace(NEXT, refusal="no", refused_at=at_second(1)), NOW)

    assert found == replace(
        STARTED, commanded=replace(NEXT, at=NOW, asked_at=NOW), is_pending=True, past=()
    )


def test_what_a_device_did_before_rows_remembered_is_unknown() -> None:
    reporting = replace(a_device(busy(), asked=None), past=None)

    assert given(reporting, NEXT, NOW).past is None
    known = (PastAsk("x", is_answered=True),)
    assert given(replace(reporting, past=known), NEXT, NOW).past == known


def test_same_command_again_is_no_new_ask() -> None:
    again = given(SILENT, replace(ASKED, refusal="no", refused_at=at_second(1)), NOW)

    assert again == replace(SILENT, is_pending=True)
    assert again.commanded is not None
    assert again.commanded.asked_at == ASKED.asked_at


@pytest.mark.parametrize(
    ("retry", "asked_at"),
    [(at_second(50), NOW), (LATER, LATER), (NOW, NOW)],
)
def test_retry_is_a_new_ask_of_the_same_workflow(retry: str, asked_at: str) -> None:
    found = given(SILENT, replace(ASKED, retry_timestamp=retry), NOW)

    assert found.commanded is not None
    assert (found.commanded.asked_at, found.commanded.at) == (asked_at, ASKED.at)
    assert (found.is_pending, found.past) == (True, SILENT.past)


def test_ask_after_a_cancel_is_a_new_one_and_a_cancel_is_none() -> None:
    stopped = given(SILENT, canceled(ASKED, NOW, retry_timestamp="t"), NOW)
    assert stopped.commanded is not None
    assert (stopped.commanded.asked_at, stopped.is_pending) == (ASKED.asked_at, True)

    refusal = replace(ASKED, refusal="no", refused_at=at_second(1))
    told = given(SILENT, canceled(refusal, NOW), NOW)
    assert told.commanded is not None
    assert (told.commanded.refusal, told.commanded.refused_at) == ("no", at_second(1))


@pytest.mark.parametrize(("record", "has_sign"), [(SILENT, False), (BUSY, True)])
def test_device_moves_on_and_its_row_remembers(record: DeviceRecord, has_sign: bool) -> None:
    found = given(replace(record, past=()), NEXT, NOW)

    assert found.commanded == replace(NEXT, at=NOW, asked_at=NOW)
    assert found.is_pending
    assert found.past == (PastAsk(past_name("w1"), is_answered=has_sign),)
    answered = Answered(*ASKED.home, "w1", precedence_of(ASKED))
    assert found.answered == (answered if has_sign else None)
    assert given(replace(record, past=None), NEXT, NOW).past is None


def test_last_eight_workflows_are_remembered_each_once() -> None:
    past = tuple(PastAsk(past_name(f"p{number}"), is_answered=True) for number in range(8))
    own = PastAsk(past_name("w1"), is_answered=True)

    full = given(replace(SILENT, past=past), NEXT, NOW)
    again = given(replace(SILENT, past=(own, *past[:3])), NEXT, NOW)

    assert full.past == (*past[1:], PastAsk(own.workflow, is_answered=False))
    assert again.past == (*past[:3], PastAsk(own.workflow, is_answered=False))


def test_answers_count_only_within_a_group_and_class() -> None:
    past = (PastAsk(past_name("p"), is_answered=True),)
    elsewhere = replace(NEXT, group_id="annex")

    found = given(replace(BUSY, past=past), elsewhere, NOW)

    assert found.past == (
        PastAsk(past_name("p"), is_answered=False),
        PastAsk(past_name("w1"), is_answered=False),
    )


def test_refused_command_is_not_pending_any_more() -> None:
    found = refused(replace(SILENT, is_pending=True), "too large", NOW)

    assert found == replace(
        SILENT, commanded=replace(ASKED, refusal="too large", refused_at=NOW), is_pending=False
    )


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (STARTED, False),
        (SILENT, False),
        (BUSY, True),
        (a_device(asked=withdrawn(ASKED)), False),
        (a_device(GAVE_UP, asked=withdrawn(ASKED)), False),
        (a_device(GAVE_UP), True),
        (a_device(busy(), asked=withdrawn(ASKED)), True),
    ],
)
def test_sign_of_a_command(record: DeviceRecord, expected: bool) -> None:
    before = Answered("g", "c", "w0", (False, 500, "a", "b", "w0"))

    assert has_answered(record) is expected
    last = answered_by(replace(record, answered=before))
    assert (last != before) is expected


def test_workflow_may_be_of_the_past() -> None:
    past = tuple(PastAsk(past_name(f"p{number}"), is_answered=True) for number in range(8))

    assert not may_have_past(None, "p0")
    assert may_have_past(replace(SILENT, past=None), "p0")
    assert may_have_past(replace(SILENT, past=past[:2]), "p1")
    assert not may_have_past(replace(SILENT, past=past[:7]), "other")
    assert may_have_past(replace(SILENT, past=past), "other")


def an_order(second: int) -> dict[str, Any]:
    return {"orders": (Order(OrderKind.CANCEL, "w1", at_second(second)),)}


def an_own(starts: int, created: int) -> dict[str, Any]:
    made = a_deployment("own", starts_at=at_second(starts), created_at=at_second(created))
    return {"own": (made,)}


STOPPED = canceled(ASKED, at_second(20))
DAY_AFTER = "2024-05-02T00:00:20.000000+00:00"


@pytest.mark.parametrize(
    ("record", "now", "expected"),
    [
        (SILENT, NOW, False),
        (STARTED, NOW, False),
        (replace(SILENT, is_pending=True), NOW, True),
        # something was ordered since it was asked, at second 10
        (replace(SILENT, **an_order(10)), NOW, False),
        (replace(SILENT, **an_order(11)), NOW, True),
        (replace(SILENT, **an_order(100)), NOW, True),
        (replace(SILENT, **an_order(101)), NOW, False),
        (replace(STARTED, **an_order(1)), NOW, True),
        (replace(SILENT, **an_own(11, 5)), NOW, True),
        (replace(SILENT, **an_own(5, 11)), NOW, True),
        (replace(SILENT, **an_own(5, 9)), NOW, False),
        (replace(SILENT, **an_own(101, 11)), NOW, False),
        # it was told to stop a day ago, and works
        (a_device(busy(), asked=STOPPED), DAY_AFTER, True),
        (a_device(busy(), asked=STOPPED), "2024-05-02T00:00:19.000000+00:00", False),
        (a_device(asked=STOPPED), DAY_AFTER, False),
        (BUSY, DAY_AFTER, False),
        # it was heard since its command was withdrawn
        (a_device(asked=withdrawn(ASKED, at_second(5)), heard_at=at_second(6)), NOW, True),
        (a_device(asked=withdrawn(ASKED, at_second(5)), heard_at=at_second(5)), NOW, False),
    ],
)
def test_device_should_have_been_looked_at(record: DeviceRecord, now: str, expected: bool) -> None:
    assert is_overdue(record, now) is expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, False),
        ({"heard_at": at_second(51)}, True),
        ({"heard_at": at_second(50)}, False),
        ({"connection_at": at_second(51)}, True),
    ],
)
def test_device_has_shown_that_it_lives(changes: dict[str, Any], expected: bool) -> None:
    taken = a_device(asked=withdrawn(ASKED, at_second(50)))

    assert is_heard_since_withdrawal(replace(taken, **changes)) is expected
    assert not is_heard_since_withdrawal(replace(SILENT, **changes))
    assert not is_heard_since_withdrawal(replace(STARTED, **changes))
