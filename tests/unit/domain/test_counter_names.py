"""Names of counters are stored: another name in a later release would lose what was counted."""

from __future__ import annotations

from dataclasses import replace

from shared.domain.fleet.counters import (
    EXCLUDED,
    PENDING,
    UNHEALTHY,
    WINDOWED,
    History,
    contribution,
    history_contribution,
    is_later_cell,
    resumed_workflow,
    working_cell,
    zone_cell,
)
from shared.domain.fleet.device import DeviceRecord, fold, fold_connection
from shared.domain.fleet.evidence import DeviceState
from shared.domain.fleet.failure import counted_as
from shared.domain.rollouts.figures import Outcome, phase_cell, slot_end
from tests.unit.domain.builders import (
    a_change,
    a_command,
    a_record,
    at_second,
    busy,
    failed,
    started,
    succeeded,
)


def test_counters_of_a_failed_device_are_named_as_in_every_release() -> None:
    record = a_record(a_change(1, started()), a_change(2, failed()), commanded=a_command())

    found = {key: dict(cells) for key, cells in contribution(record).items()}

    (own,) = (cells for (_, class_id), cells in found.items() if class_id != "class")
    assert own == {
        "total": 1,
        "installed:idle:-": 1,
        "heard:2024-05-01": 1,
        "failing:00000000": 1,
        "unhealthy": 1,
    }
    assert found["$default", "class"] == {"deployment:Failed:w1": 1, "failed:00000000:w1": 1}


def test_counters_of_a_device_that_succeeded_are_named_as_in_every_release() -> None:
    record = a_record(a_change(1, started()), a_change(2, succeeded()), commanded=a_command())

    found = {key: dict(cells) for key, cells in contribution(record).items()}

    (own,) = (cells for (_, class_id), cells in found.items() if class_id != "class")
    assert own == {"total": 1, "installed:idle:acme/kiosk/2.0": 1, "heard:2024-05-01": 1}
    assert found["$default", "class"] == {"deployment:Succeeded:w1": 1}


def test_phase_of_a_roll_out_is_counted_with_its_outcome_workflow_and_slot() -> None:
    asked = replace(a_command(), label="2", slot_minutes=60, at=at_second(1), asked_at=at_second(1))
    silent = a_record(a_change(1, started()), commanded=asked)
    working = fold(silent, a_change(2, busy(), at=at_second(3700)))

    cells = contribution(silent)["$default", "class"]
    assert cells == {
        "deployment:InProgress:w1": 1,
        phase_cell("2", Outcome.ASKED, "w1", slot_end(at_second(1), 60)): 1,
    }
    cells = contribution(working)["$default", "class"]
    assert cells[phase_cell("2", Outcome.STARTED, "w1", slot_end(at_second(3700), 60))] == 1
    assert slot_end(at_second(1), 60) != slot_end(at_second(3700), 60)


def _counted_at_home(record: DeviceRecord) -> dict[str, int]:
    """The counters of the group and class that a device belongs to, not those of its deployment."""
    (own,) = (cells for (_, class_id), cells in contribution(record).items() if class_id != "class")
    return dict(own)


def test_connection_and_work_of_a_device_are_counted_once_each() -> None:
    record = a_record(a_change(1, started()), a_change(2, busy()), commanded=a_command())
    gone, back = (
        fold_connection(record, is_connected=is_connected, sequence_number="1")
        for is_connected in (False, True)
    )
    day = "2024-05-01"

    assert _counted_at_home(gone) == {
        "total": 1,
        "installed:busy:-": 1,
        f"heard:{day}": 1,
        "disconnected": 1,
        f"working:{day}": 1,
        "unhealthy": 1,
    }
    assert _counted_at_home(back) == {
        "total": 1,
        "installed:busy:-": 1,
        "connected": 1,
        f"working:{day}": 1,
    }


def test_command_that_may_not_stand_in_the_twin_is_counted_as_pending() -> None:
    record = replace(a_record(a_change(1, started()), commanded=a_command()), is_pending=True)

    assert contribution(record)["$default", "class"] == {"deployment:InProgress:w1": 1, PENDING: 1}


def test_failure_is_counted_under_its_code_in_the_deployment_and_where_the_device_is() -> None:
    reports = a_change(1, started()), a_change(2, failed(erc=0x30300027))
    record = a_record(*reports, commanded=a_command())
    code = counted_as((0x30300027,))

    assert _counted_at_home(record)[f"failing:{code}"] == 1
    assert contribution(record)["$default", "class"][f"failed:{code}:w1"] == 1


def test_phase_without_slots_and_ask_without_a_time_have_no_end() -> None:
    silent = a_record(a_change(1, started()))
    without_slots = replace(a_command(), label="2", at=at_second(1))
    without_time = replace(a_command(), label="2", slot_minutes=60)

    for command in (without_slots, without_time):
        cells = contribution(replace(silent, commanded=command))["$default", "class"]
        assert cells[phase_cell("2", Outcome.ASKED, "w1", 0)] == 1


def test_past_of_a_failed_device_is_counted_with_its_code_and_phase() -> None:
    past = History(
        device_id="d1",
        module_id=None,
        commanded=replace(a_command(), label="2"),
        state=DeviceState.FAILED,
        result_code=0,
        extended_result_codes=(0x30300027,),
        ended_at=at_second(9),
        outcome=Outcome.FAILED,
        until=5,
    )

    assert history_contribution(past) == {
        ("$default", "class"): {
            "deployment:Failed:w1": 1,
            f"failed:{counted_as((0x30300027,))}:w1": 1,
            phase_cell("2", Outcome.FAILED, "w1", 5): 1,
        }
    }
    assert counted_as((0x30300027,)) != counted_as(())
    silent = replace(past, state=DeviceState.IN_PROGRESS, outcome=Outcome.ASKED)
    assert history_contribution(silent) == {
        ("$default", "class"): {
            "deployment:InProgress:w1": 1,
            phase_cell("2", Outcome.ASKED, "w1", 5): 1,
        }
    }


def test_workflow_is_resumed_only_where_another_was_asked_before() -> None:
    first, other = (
        replace(a_record(a_change(1, started())), commanded=a_command(workflow))
        for workflow in ("w1", "w2")
    )

    assert resumed_workflow(None, first) == "w1"
    assert resumed_workflow(other, first) == "w1"
    assert resumed_workflow(first, replace(first, heard_at=at_second(9))) is None
    assert resumed_workflow(first, replace(first, commanded=None)) is None


def test_cells_that_release_0_1_had_not_are_known() -> None:
    assert is_later_cell(UNHEALTHY)
    assert is_later_cell(working_cell(at_second(1)))
    assert is_later_cell(zone_cell("Asia/Tokyo"))
    assert is_later_cell(WINDOWED)
    assert is_later_cell(EXCLUDED)
    assert not is_later_cell("total")
    assert not is_later_cell("installed:idle:-")
