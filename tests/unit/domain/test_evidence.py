"""What the row of a device keeps, read and forgets: rules that hold for any agent."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from typing import Any

import pytest

from shared.contract.codes import AgentState, Erc
from shared.domain.fleet.command import DeviceCommand
from shared.domain.fleet.device import (
    DeviceRecord,
    DeviceState,
    bucket_of,
    deployment_state,
    evidence_of,
    fold,
    fold_connection,
    fold_deletion,
    is_unexplained,
    outcome_of,
    working_since,
)
from shared.domain.rollouts.figures import Outcome
from tests.unit.domain.builders import (
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

ASKED = replace(a_command(), at=at_second(1), asked_at=at_second(1))


def a_device(*reports: dict[str, Any], asked: DeviceCommand | None = ASKED) -> DeviceRecord:
    changes = [a_change(version, report) for version, report in enumerate(reports, 2)]
    return a_record(a_change(1, started()), *changes, commanded=asked)


def with_result(report: dict[str, Any], **members: Any) -> dict[str, Any]:
    """A report with other members in its last result; None takes one out."""
    agent = report["deviceUpdate"]["agent"]
    result = {**agent["lastInstallResult"], **members}
    result = {name: value for name, value in result.items() if value is not None}
    return {"deviceUpdate": {"agent": {**agent, "lastInstallResult": result}}}


@pytest.mark.parametrize(("device_id", "bucket"), [("d1", 139), ("kiosk-0001", 212), ("", 227)])
def test_bucket_of_a_device_never_changes(device_id: str, bucket: int) -> None:
    assert bucket_of(device_id) == bucket


def test_sequence_of_a_connection_is_stored_as_in_every_release() -> None:
    known = fold_connection(a_record(), is_connected=True, sequence_number="1F", at=at_second(3))

    assert known.connection_sequence == "1F".rjust(64, "0")
    assert known.connection_at == at_second(3)
    again = fold_connection(known, is_connected=False, sequence_number="1F", at=at_second(4))
    assert again == known
    assert fold_connection(a_record(), is_connected=True, sequence_number="1").connection_at == ""


def test_what_is_of_the_moment_of_a_deletion_is_of_the_former_life() -> None:
    deleted = fold_deletion(a_record(), at_second(5), None)

    for at, is_connected in ((at_second(5), False), (at_second(6), True)):
        found = fold_connection(deleted, is_connected=True, sequence_number="1", at=at)
        assert found.is_connected is is_connected
    # the workflow goes on, but what was installed then counts no more
    before = a_device(succeeded(), succeeded(), failed())
    after = fold_deletion(before, at_second(2), None)
    assert outcome_of(replace(after, commanded=ASKED)) is Outcome.FAILED
    assert outcome_of(replace(fold_deletion(before, at_second(1), None), commanded=ASKED)) is (
        Outcome.SUCCEEDED
    )


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (a_device(), at_second(1)),
        (a_device(busy()), at_second(2)),
        (a_device(busy(), busy()), at_second(3)),
        (a_device(busy("other")), at_second(1)),
        (a_device(asked=None), ""),
        (a_record(a_change(2, busy(), at=""), commanded=ASKED), at_second(1)),
    ],
)
def test_work_is_known_since_the_last_report_about_it_or_the_ask(
    record: DeviceRecord, expected: str
) -> None:
    assert working_since(record) == expected


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (a_device(failed("other")), True),
        (a_device(busy(), failed("other")), True),
        (a_device(failed()), False),
        (a_device(busy()), False),
        (a_device(), False),
        (a_device(failed("other"), asked=None), False),
        (a_device(succeeded(), failed("other")), False),
    ],
)
def test_failure_of_something_else_is_unexplained_while_a_device_should_work(
    record: DeviceRecord, expected: bool
) -> None:
    assert is_unexplained(record) is expected


def test_command_that_the_hub_refuses_has_failed_unless_the_device_reports_it() -> None:
    refused = replace(
        ASKED,
        retry_timestamp=at_second(1),
        refusal="The twin is too large.",
        refused_at=at_second(9),
    )

    known = evidence_of(a_device(asked=refused))

    assert known is not None
    assert (known.workflow_id, known.retry_timestamp, known.version) == ("w1", at_second(1), 0)
    assert (known.state, known.result_code) == (int(AgentState.FAILED), None)
    assert known.extended_result_codes == (Erc.HUB_REFUSED_COMMAND,)
    assert (known.result_details, known.at) == ("The twin is too large.", at_second(9))
    assert outcome_of(a_device(asked=refused)) is Outcome.FAILED
    done = succeeded(retry_timestamp=at_second(1))
    assert outcome_of(a_device(done, asked=refused)) is Outcome.SUCCEEDED


CANCELED = reported(AgentState.IDLE, 200)


@pytest.mark.parametrize("canceled", [CANCELED, reported(AgentState.IDLE, -1)])
def test_repeated_progress_reopens_nothing_that_ended_as_cancelled(
    canceled: dict[str, Any],
) -> None:
    for reports in permutations([(2, canceled), (3, busy())]):
        record = a_record(*(a_change(*each) for each in reports), commanded=ASKED)
        assert deployment_state(record) is DeviceState.CANCELED


def test_result_above_zero_is_a_success() -> None:
    record = a_device(reported(AgentState.IDLE, 1, installed=V2))

    assert deployment_state(record) is DeviceState.SUCCEEDED


@pytest.mark.parametrize(
    ("fuller", "barer"),
    [
        pytest.param(failed(), with_result(failed(), resultCode=None), id="a code"),
        pytest.param(
            reported(AgentState.FAILED, 5), reported(AgentState.FAILED, 4), id="a greater code"
        ),
        pytest.param(
            reported(AgentState.FAILED, 1), reported(AgentState.FAILED, 0), id="a code above zero"
        ),
        pytest.param(with_result(failed(), resultDetails="Disk full."), failed(), id="details"),
        pytest.param(failed(erc=7), failed(), id="an extended code"),
        pytest.param(
            with_result(busy(), resultCode=1), with_result(busy(), resultCode=None), id="busy"
        ),
    ],
)
def test_of_two_reports_of_one_version_the_fuller_decides_in_any_order(
    fuller: dict[str, Any], barer: dict[str, Any]
) -> None:
    alone = evidence_of(a_record(a_change(2, fuller), commanded=ASKED))

    for reports in permutations((fuller, barer)):
        changes = [a_change(2, report) for report in reports]
        assert evidence_of(a_record(*changes, commanded=ASKED)) == alone


def test_first_version_that_names_a_workflow_stays_known() -> None:
    """A report without a name, later than another workflow began, is of that other one."""
    record = a_device(busy(), busy("w2"), busy())
    (known,) = [item for item in record.evidence if item.workflow_id == "w1"]

    assert (known.version, known.begins) == (4, 2)
    assert fold(record, a_change(4, busy())).evidence == record.evidence
