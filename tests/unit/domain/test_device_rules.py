"""What a change, a deletion and a whole twin leave of a device's record, and what it adds up to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.contract.codes import AgentState
from shared.contract.twin import StepReport, result_report, workflow_member
from shared.domain.fleet.command import DeviceCommand
from shared.domain.fleet.device import (
    DEFAULT_GROUP,
    DeviceRecord,
    DeviceState,
    TwinChange,
    deployment_state,
    evidence_of,
    fold,
    fold_connection,
    fold_deletion,
    has_agent,
    installed_update,
    introduces,
    is_cancelling,
    is_working,
    outcome_of,
    view,
)
from shared.domain.fleet.twin_content import ACKNOWLEDGED, kept_content
from shared.domain.rollouts.figures import Outcome
from tests.builders.decisions import ASKED, STARTED, a_device, canceled, kiosk_id, withdrawn
from tests.unit.domain.builders import (
    V1,
    V2,
    a_change,
    a_command,
    a_record,
    at_second,
    busy,
    failed,
    reported,
    started,
    succeeded,
)


def test_change_of_a_former_life_changes_nothing() -> None:
    gone = DeviceRecord("d1", deleted_at=at_second(5))

    for second in (4, 5):
        assert fold(gone, a_change(second, started())) is gone
    assert has_agent(fold(gone, a_change(6, started())))
    assert has_agent(fold(gone, a_change(5, started(), at="")))


def test_whole_twin_takes_the_place_of_all_that_was_known() -> None:
    whole = a_change(3, {"deviceUpdate": {"__t": "c", "agent": {"state": 0}}}, is_whole=True)

    found = fold(STARTED, whole)

    assert view(STARTED).device_class is not None
    assert view(found).device_class is None


def test_device_was_heard_when_it_spoke_itself() -> None:
    tagged = fold(STARTED, a_change(2, group="lobby"))
    whole = TwinChange("d1", None, 3, {}, is_whole=True, at=at_second(9), heard_at=at_second(8))

    assert STARTED.heard_at == at_second(1)
    assert (tagged.heard_at, tagged.changed_at) == (at_second(1), at_second(2))
    assert (fold(STARTED, whole).heard_at, fold(STARTED, whole).changed_at) == (
        at_second(8),
        at_second(9),
    )
    late = fold(fold(STARTED, a_change(5, busy())), a_change(4, busy()))
    assert (late.heard_at, late.changed_at) == (at_second(5), at_second(5))


def test_agent_has_started_when_it_introduced_itself() -> None:
    busy_now = fold(STARTED, a_change(2, busy()))
    whole = TwinChange("d1", None, 3, {}, is_whole=True, at=at_second(9), started_at=at_second(7))

    assert busy_now.started_at == at_second(1)
    assert fold(busy_now, a_change(3, started())).started_at == at_second(3)
    assert fold(busy_now, whole).started_at == at_second(7)
    assert fold(fold(busy_now, a_change(3, started())), a_change(2, started())).started_at == (
        at_second(3)
    )


def test_acknowledgement_alone_says_only_that_the_device_lives() -> None:
    content = {ACKNOWLEDGED: True}
    change = TwinChange("d1", None, 7, content, is_whole=False, at=at_second(7))

    found = fold(STARTED, change)

    assert found == replace(STARTED, heard_at=at_second(7))
    assert fold(STARTED, replace(change, content={})) is STARTED


def a_module(*changes: TwinChange) -> DeviceRecord:
    record = DeviceRecord("d1", "m1", commanded=ASKED, seen_by="sync")
    for change in changes:
        record = fold(record, change)
    return record


def test_deletion_leaves_what_is_known_to_be_of_later() -> None:
    record = a_module(
        a_change(1, started()),
        a_change(4, busy("w1")),
        a_change(6, failed("w2")),
        a_change(5, {"deviceUpdate": {"__t": "c", "agent": {"state": 0}}}),
        a_change(7, {"deviceUpdate": {"__t": "c", "agent": {"state": 0}}}),
    )

    found = fold_deletion(record, at_second(5), None)

    assert (found.device_id, found.module_id, found.deleted_at) == ("d1", "m1", at_second(5))
    assert [item.workflow_id for item in found.evidence] == ["w2"]
    assert [item.at for item in found.nameless] == [at_second(7)]
    rest = replace(found, evidence=(), nameless=())
    assert rest == DeviceRecord("d1", "m1", deleted_at=at_second(5))
    assert fold_deletion(found, at_second(5), None) is found
    assert fold_deletion(found, at_second(4), None) is found


def test_deletion_makes_room_for_a_device_that_was_created_again() -> None:
    present = a_change(2, started(), is_whole=True, at=at_second(3))

    found = fold_deletion(STARTED, at_second(5), present)

    assert found.deleted_at == at_second(5)
    assert view(found).device_class is not None


@pytest.mark.parametrize(("second", "is_kept"), [(4, False), (5, False), (6, True)])
def test_connection_after_a_deletion_is_of_the_new_device(second: int, is_kept: bool) -> None:
    connected = fold_connection(
        STARTED, is_connected=True, sequence_number="1", at=at_second(second)
    )

    found = fold_deletion(connected, at_second(5), None)

    assert found.is_connected is is_kept
    assert found.connection_at == (at_second(second) if is_kept else "")
    assert bool(found.connection_sequence) is is_kept


def test_connection_counts_if_it_is_the_newest_of_this_life() -> None:
    first = fold_connection(STARTED, is_connected=True, sequence_number="0A", at=at_second(9))

    assert (first.is_connected, first.connection_at) == (True, at_second(9))
    for number in ("09", "0A", "A"):
        assert fold_connection(first, is_connected=False, sequence_number=number) is first
    later = fold_connection(first, is_connected=False, sequence_number="10", at="")
    assert (later.is_connected, later.connection_at) == (False, "")
    gone = DeviceRecord("d1", deleted_at=at_second(9))
    assert fold_connection(gone, is_connected=True, sequence_number="1", at=at_second(9)) is gone
    assert fold_connection(gone, is_connected=True, sequence_number="1", at="").is_connected
    assert fold_connection(
        gone, is_connected=True, sequence_number="1", at=at_second(10)
    ).is_connected


def test_view_is_what_the_device_adds_up_to() -> None:
    device = a_record(
        a_change(1, started(), group="lobby"), a_change(2, succeeded()), commanded=a_command("w1")
    )

    found = view(device)

    assert found.group_id == "lobby"
    assert found.device_class is not None
    assert found.device_class.class_id == kiosk_id()
    assert (found.installed, installed_update(device)) == (V2, V2)
    assert found.report.result_code == 700
    assert found.state is DeviceState.SUCCEEDED
    assert view(DeviceRecord("d1")).state is None
    assert view(DeviceRecord("d1")).group_id == DEFAULT_GROUP
    assert view(replace(device, held_class=kiosk_id())).device_class is None
    assert view(replace(device, held_class="other")).device_class is not None


@pytest.mark.parametrize("tag", ["", "x" * 201, 5, None, {"a": "b"}, "."])
def test_tag_that_names_no_group_means_the_default(tag: Any) -> None:
    twin = {"tags": {"ADUGroup": tag}, "properties": {"reported": started()}}
    change = TwinChange("d1", None, 1, kept_content(twin), is_whole=True, at=at_second(1))

    assert view(a_record(change)).group_id == DEFAULT_GROUP


def test_steps_of_an_earlier_run_are_not_shown() -> None:
    workflow = workflow_member(3, "w1", None)
    ended = result_report(AgentState.FAILED, 0, workflow=workflow, step_results=[StepReport(0)])
    device = a_record(a_change(1, started()), a_change(2, ended))

    assert len(view(device).report.step_results) == 1
    assert view(fold(device, a_change(3, failed()))).report.step_results == ()
    assert len(view(fold(device, a_change(3, {"deviceInformation": {}}))).report.step_results) == 1


def test_agent_is_there_while_anything_it_reported_stays() -> None:
    none = a_record(a_change(1, {"deviceUpdate": None}), a_change(2, group="lobby"))

    assert has_agent(STARTED)
    assert not has_agent(none)
    assert not has_agent(DeviceRecord("d1"))
    assert introduces(none, STARTED)
    assert not introduces(STARTED, STARTED)
    assert not introduces(STARTED, none)
    assert not introduces(none, none)


STOPPED = canceled(ASKED, at_second(15))


@pytest.mark.parametrize(
    ("device", "outcome", "state"),
    [
        (a_device(asked=None), None, None),
        (a_device(), Outcome.ASKED, DeviceState.IN_PROGRESS),
        (a_device(busy("w0")), Outcome.ASKED, DeviceState.IN_PROGRESS),
        (a_device(busy()), Outcome.STARTED, DeviceState.IN_PROGRESS),
        (a_device(failed()), Outcome.FAILED, DeviceState.FAILED),
        (a_device(failed(), busy()), Outcome.FAILED, DeviceState.FAILED),
        (a_device(succeeded()), Outcome.SUCCEEDED, DeviceState.SUCCEEDED),
        (a_device(succeeded(V1)), Outcome.STARTED, DeviceState.IN_PROGRESS),
        (
            a_device(succeeded(), asked=replace(ASKED, had_it=True)),
            Outcome.HAD,
            DeviceState.SUCCEEDED,
        ),
        (a_device(reported(AgentState.IDLE, -1)), Outcome.CANCELED, DeviceState.CANCELED),
        (a_device(asked=STOPPED), Outcome.CANCELED, DeviceState.CANCELED),
        (a_device(busy(), asked=STOPPED), Outcome.CANCELED, DeviceState.IN_PROGRESS),
        (a_device(failed(), asked=STOPPED), Outcome.FAILED, DeviceState.FAILED),
        (a_device(succeeded(), asked=STOPPED), Outcome.SUCCEEDED, DeviceState.SUCCEEDED),
        (a_device(asked=withdrawn(ASKED)), Outcome.WITHDRAWN, DeviceState.CANCELED),
        (a_device(busy(), asked=withdrawn(ASKED)), Outcome.STARTED, DeviceState.IN_PROGRESS),
        (a_device(failed(), asked=withdrawn(ASKED)), Outcome.FAILED, DeviceState.FAILED),
    ],
)
def test_outcome_of_a_command(
    device: DeviceRecord, outcome: Outcome | None, state: DeviceState | None
) -> None:
    assert outcome_of(device) is outcome
    assert deployment_state(device) is state
    assert view(device).state is state


@pytest.mark.parametrize(
    ("later", "expected"),
    [
        (succeeded(V1, workflow_id="w0"), Outcome.REVERTED),
        (succeeded(V2, workflow_id="w0"), Outcome.SUCCEEDED),
        (busy("w0"), Outcome.SUCCEEDED),
        ({"deviceUpdate": {"__t": "c", "agent": {"installedUpdateId": "?"}}}, Outcome.SUCCEEDED),
        ({"deviceUpdate": {"__t": "c", "agent": {"installedUpdateId": None}}}, Outcome.SUCCEEDED),
    ],
)
def test_update_that_is_no_longer_installed_has_gone_back(
    later: dict[str, Any], expected: Outcome
) -> None:
    assert outcome_of(a_device(succeeded(), later)) is expected


def test_update_that_was_installed_before_has_not_gone_back() -> None:
    assert outcome_of(a_device(succeeded(V1, workflow_id="w0"), succeeded())) is Outcome.SUCCEEDED


@pytest.mark.parametrize(
    ("device", "working", "cancelling"),
    [
        (a_device(asked=None), False, False),
        (a_device(), False, False),
        (a_device(busy()), True, False),
        (a_device(busy(), asked=STOPPED), True, True),
        (a_device(failed()), False, False),
        (a_device(succeeded()), False, False),
        (a_device(succeeded(), busy()), False, False),
    ],
)
def test_device_works_until_it_says_that_it_has_ended(
    device: DeviceRecord, working: bool, cancelling: bool
) -> None:
    assert is_working(device) is working
    assert is_cancelling(device) is cancelling


RETRIED = replace(ASKED, retry_timestamp="t")


@pytest.mark.parametrize(
    ("asked", "reports", "expected"),
    [
        (ASKED, [busy("w1", "t")], None),
        (RETRIED, [busy("w1", "t")], "t"),
        (RETRIED, [busy("w1")], None),
        # a cancel bears no timestamp: an agent that starts with it ends the workflow without one
        (
            replace(RETRIED, is_cancel=True, canceled_at=at_second(10)),
            [busy("w1", "t"), reported(AgentState.IDLE, -1)],
            "canceled",
        ),
        (
            replace(RETRIED, is_cancel=True, canceled_at=at_second(21)),
            [busy("w1", "t"), reported(AgentState.IDLE, -1)],
            "t",
        ),
        (
            replace(RETRIED, is_cancel=True, canceled_at=at_second(10)),
            [failed("w1", "t"), reported(AgentState.IDLE, -1)],
            "t",
        ),
        (
            replace(RETRIED, is_cancel=True, canceled_at=at_second(10)),
            [succeeded(V2, "w1", "t"), reported(AgentState.IDLE, -1)],
            "t",
        ),
        (RETRIED, [busy("w1", "t"), reported(AgentState.IDLE, -1)], "t"),
        (
            replace(RETRIED, is_cancel=True, canceled_at=at_second(10)),
            [reported(AgentState.IDLE, -1)],
            "canceled",
        ),
        (
            replace(RETRIED, is_cancel=True, canceled_at=at_second(10)),
            [failed("w1")],
            None,
        ),
    ],
)
def test_evidence_is_of_the_workflow_and_the_retry(
    asked: DeviceCommand, reports: list[dict[str, Any]], expected: str | None
) -> None:
    found = evidence_of(a_device(*reports, asked=asked))

    if expected == "canceled":
        assert found is not None
        assert (found.outcome, found.retry_timestamp) == (DeviceState.CANCELED, None)
    else:
        assert (found and found.retry_timestamp) == expected


def test_what_the_hub_refused_has_failed_at_that_time() -> None:
    refused = replace(RETRIED, refusal="too large", refused_at=at_second(30))

    found = evidence_of(a_device(asked=refused))

    assert found is not None
    assert (found.outcome, found.at, found.result_details) == (
        DeviceState.FAILED,
        at_second(30),
        "too large",
    )
    assert (found.workflow_id, found.retry_timestamp, found.result_code) == ("w1", "t", None)
    assert (found.version, len(found.extended_result_codes)) == (0, 1)
    answered = evidence_of(a_device(busy("w1", "t"), asked=refused))
    assert answered is not None
    assert answered.outcome is DeviceState.IN_PROGRESS
