"""What the reports of a device mean: agents of any kind, the field's own included."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.contract.codes import AgentState
from shared.domain.fleet.counters import contribution
from shared.domain.fleet.device import (
    DeviceRecord,
    DeviceState,
    TwinChange,
    bucket_of,
    deployment_state,
    device_key,
    fold,
    view,
)
from shared.domain.fleet.listing import listed
from shared.domain.fleet.twin_content import kept_content
from shared.domain.updates.update_id import UpdateId
from tests.builders.device_reports import content_of
from tests.fakes.hub import merge_patch
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


@pytest.mark.parametrize("later", [busy(), failed(), reported(AgentState.IDLE, 200)])
def test_success_stays_when_the_same_workflow_is_reported_again(later: dict[str, Any]) -> None:
    record = a_record(
        a_change(2, started()), a_change(3, succeeded()), a_change(4, later), commanded=a_command()
    )

    assert deployment_state(record) is DeviceState.SUCCEEDED


def test_retry_starts_over_when_its_timestamp_is_new() -> None:
    record = a_record(a_change(2, started()), a_change(3, failed()), commanded=a_command())
    retried = replace(record, commanded=a_command(retry_timestamp="t2"))
    done = fold(retried, a_change(4, succeeded(retry_timestamp="t2")))

    assert deployment_state(record) is DeviceState.FAILED
    assert deployment_state(retried) is DeviceState.IN_PROGRESS
    assert deployment_state(done) is DeviceState.SUCCEEDED


@pytest.mark.parametrize(
    ("report", "state"),
    [
        (None, DeviceState.IN_PROGRESS),
        (busy(), DeviceState.IN_PROGRESS),
        (failed(), DeviceState.FAILED),
        (reported(AgentState.FAILED, 5), DeviceState.FAILED),
        (reported(AgentState.IDLE, 0), DeviceState.FAILED),
        (reported(AgentState.IDLE, -1), DeviceState.CANCELED),
        (reported(AgentState.IDLE, 200), DeviceState.CANCELED),
        (succeeded(V2), DeviceState.SUCCEEDED),
        (succeeded(V1), DeviceState.IN_PROGRESS),
        (succeeded(V2, "other"), DeviceState.IN_PROGRESS),
        (failed("other"), DeviceState.IN_PROGRESS),
    ],
)
def test_state_follows_the_report_of_the_commanded_workflow(
    report: dict[str, Any] | None, state: DeviceState
) -> None:
    changes = [a_change(2, started())] + ([a_change(3, report)] if report else [])

    assert deployment_state(a_record(*changes, commanded=a_command())) is state
    assert deployment_state(a_record(*changes)) is None


@pytest.mark.parametrize(
    ("report", "state"),
    [
        (busy(), DeviceState.IN_PROGRESS),
        (failed(), DeviceState.FAILED),
        (succeeded(), DeviceState.SUCCEEDED),
        (reported(AgentState.IDLE, -1), DeviceState.CANCELED),
    ],
)
def test_cancelled_device_keeps_an_end_that_it_reached_in_time(
    report: dict[str, Any], state: DeviceState
) -> None:
    record = a_record(
        a_change(2, started()), a_change(3, report), commanded=a_command(is_cancel=True)
    )

    assert deployment_state(record) is state


def test_cancelled_device_that_never_began_is_cancelled_at_once() -> None:
    record = a_record(a_change(2, started()), commanded=a_command(is_cancel=True))

    assert deployment_state(record) is DeviceState.CANCELED


def test_repeated_6_of_a_failed_workflow_reopens_nothing() -> None:
    changes = [a_change(2, started()), a_change(3, failed()), a_change(9, busy())]

    for order in (changes, changes[::-1]):
        record = a_record(*order, commanded=a_command())
        assert deployment_state(record) is DeviceState.FAILED


def test_cancel_that_a_failed_device_reports_at_its_start_leaves_it_failed() -> None:
    ended = reported(AgentState.IDLE, 200)
    changes = [a_change(2, started()), a_change(3, failed()), a_change(9, ended)]

    for order in (changes, changes[::-1]):
        record = a_record(*order, commanded=a_command(is_cancel=True))
        assert deployment_state(record) is DeviceState.FAILED


def test_retried_device_that_reports_its_cancel_without_timestamp_has_ended() -> None:
    asked = a_command(is_cancel=True, retry_timestamp="t1")
    asked = replace(asked, canceled_at=at_second(5))
    changes = [a_change(2, started()), a_change(4, busy(retry_timestamp="t1"))]

    working = a_record(*changes, commanded=asked)
    ended = a_record(*changes, a_change(9, reported(AgentState.IDLE, 200)), commanded=asked)

    assert deployment_state(working) is DeviceState.IN_PROGRESS
    assert deployment_state(ended) is DeviceState.CANCELED


def test_failure_is_known_when_the_result_is_not_repeated() -> None:
    report = failed()
    del report["deviceUpdate"]["agent"]["lastInstallResult"]

    record = a_record(a_change(2, started()), a_change(3, report), commanded=a_command())

    assert deployment_state(record) is DeviceState.FAILED


def test_installed_update_of_an_earlier_workflow_is_not_a_success_of_the_next() -> None:
    whole = {**succeeded(V2), **busy("w2")}
    whole["deviceUpdate"]["agent"]["installedUpdateId"] = succeeded(V2)["deviceUpdate"]["agent"][
        "installedUpdateId"
    ]

    record = a_record(a_change(5, whole, is_whole=True), commanded=a_command("w2"))

    assert deployment_state(record) is DeviceState.IN_PROGRESS
    assert view(record).installed == V2


@pytest.mark.parametrize("is_read", [False, True])
@pytest.mark.parametrize(("code", "state"), [(0, DeviceState.FAILED), (200, DeviceState.CANCELED)])
def test_update_that_is_still_installed_is_no_success_of_a_workflow_that_was_given_up(
    code: int, state: DeviceState, is_read: bool
) -> None:
    changes = [a_change(2, succeeded(V2, "w1")), a_change(3, reported(AgentState.IDLE, code, "w2"))]
    twin = TwinChange(
        device_id="d1",
        module_id=None,
        version=3,
        content=content_of(a_record(*changes)),
        is_whole=True,
        at=at_second(3),
    )

    record = a_record(*changes, *([twin] if is_read else []), commanded=a_command("w2"))

    assert deployment_state(record) is state


@pytest.mark.parametrize("is_late", [False, True])
def test_device_was_last_heard_when_it_last_spoke_even_if_nothing_is_left_of_it(
    is_late: bool,
) -> None:
    report = a_change(3, started())
    whole = TwinChange(
        device_id="d1",
        module_id=None,
        version=4,
        content={"agent": report.content["agent"]},
        is_whole=True,
        at=at_second(4),
    )
    record = a_record(*([whole, report] if is_late else [report, whole]))

    assert (record.heard_at, record.changed_at) == (at_second(3), at_second(4))


def test_evidence_is_bounded_when_workflows_follow_each_other() -> None:
    record = a_record(*(a_change(at, busy(f"w{at}")) for at in range(1, 40)))

    assert [item.workflow_id for item in record.evidence] == ["w39", "w38", "w37", "w36"]


@pytest.mark.parametrize("name", ["not json", '{"provider":"acme"}', '{"provider":"a b"}', 7])
def test_installed_update_is_unknown_when_no_import_could_name_it(name: Any) -> None:
    report = {"deviceUpdate": {"agent": {"installedUpdateId": name}}}

    assert view(a_record(a_change(2, report))).installed is None


def test_device_information_that_is_removed_takes_the_time_zone_along() -> None:
    twin = {"properties": {"reported": {"deviceInformation": None}}}

    assert kept_content(twin) == {"information": None}


def test_acknowledgement_is_kept_only_where_it_is_of_a_cancel() -> None:
    def content(action: int) -> dict[str, Any]:
        value = {"workflow": {"action": action, "id": "w1"}}
        reported = {"deviceUpdate": {"service": {"value": value, "ac": 200}}}
        return kept_content({"properties": {"reported": reported}})

    assert content(3) == {}
    assert content(255) == {"acknowledged": True}
    heard = fold(a_record(), TwinChange("d1", None, 9, content(255), False, at_second(9)))
    assert (heard.heard_at, heard.registers) == (at_second(9), {})


@pytest.mark.parametrize(
    ("retried_at", "kept"),
    [("2024-05-01T00:00:01Z", None), ("2024-05-01T00:00:02.0000Z", "t1"), (None, "t1")],
)
def test_retry_timestamp_that_an_earlier_workflow_left_in_the_twin_is_not_of_the_next(
    retried_at: str | None, kept: str | None
) -> None:
    reported = busy("w2", "t1")
    times = {"id": {"$lastUpdated": "2024-05-01T00:00:02Z"}}
    times["retryTimestamp"] = {"$lastUpdated": retried_at} if retried_at else {}
    reported["$metadata"] = {"deviceUpdate": {"agent": {"workflow": times}}}
    whole = kept_content({"properties": {"reported": reported}})

    record = a_record(
        TwinChange(
            device_id="d1", module_id=None, version=3, content=whole, is_whole=True, at=at_second(3)
        )
    )

    assert [(item.workflow_id, item.retry_timestamp) for item in record.evidence] == [("w2", kept)]


def test_agent_section_that_is_removed_takes_the_class_with_it() -> None:
    record = a_record(a_change(2, started()), a_change(3, {"deviceUpdate": {"agent": None}}))

    assert view(record).device_class is None


def test_modules_share_the_bucket_of_their_device() -> None:
    assert device_key("d1", "m1") == "d1/m1"
    assert device_key("d1", None) == "d1"
    assert 0 <= bucket_of("d1") < 256


CASES = json.loads((Path(__file__).parents[2] / "data/cases/agent-reports.json").read_text())


FROM_FIELD = {each["name"]: each for each in CASES["sequences"] if "path" not in each}


@pytest.mark.parametrize("name", FROM_FIELD)
def test_reports_from_the_field_mean_the_same_one_by_one_as_in_the_whole_twin(name: str) -> None:
    """In any order, too; only what the whole twin forgets may be missing there."""
    target, command = UpdateId("fabrikam", "kit", "1.1"), "w1"
    text = json.dumps(FROM_FIELD[name]["reports"]).replace("<the id of the command>", command)
    twin: dict[str, Any] = {}
    changes, states = [], []
    for number, report in enumerate(json.loads(text), 2):
        at = at_second(number)
        patch = {"deviceUpdate": {"agent": report}}
        twin = merge_patch(twin, {**patch, "$metadata": _times(patch, at)})
        changes.append(a_change(number, patch))
        whole = TwinChange(
            "d1", None, number, kept_content({"properties": {"reported": twin}}), True, at
        )
        asked = a_command(command, update_id=target)
        one_by_one = a_record(*changes, commanded=asked)
        assert one_by_one == a_record(*reversed(changes), commanded=asked)
        assert deployment_state(a_record(whole, commanded=asked)) is deployment_state(one_by_one)
        assert deployment_state(fold(one_by_one, whole)) is deployment_state(one_by_one)
        states.append(deployment_state(one_by_one))

    for state, right in zip(states, FROM_FIELD[name]["right"], strict=True):
        if right.startswith("not Succeeded"):
            assert state is not DeviceState.SUCCEEDED
            assert view(one_by_one).installed == UpdateId("fabrikam", "kit", "1.0")
        else:
            assert str(state) == right


def _times(node: dict[str, Any], at: str) -> dict[str, Any]:
    return {
        "$lastUpdated": at,
        **{
            name: _times(value if isinstance(value, dict) else {}, at)
            for name, value in node.items()
        },
    }


def test_end_without_a_name_is_not_of_a_workflow_that_was_named_after_it() -> None:
    end = {"deviceUpdate": {"agent": {"state": 0, "installedUpdateId": json.dumps(V2.to_wire())}}}
    changes = [a_change(2, busy("w1")), a_change(3, end), a_change(4, busy("w2"))]

    for some in (changes, changes[::-1]):
        assert deployment_state(a_record(*some, commanded=a_command("w1"))) is DeviceState.SUCCEEDED
        assert (
            deployment_state(a_record(*some, commanded=a_command("w2"))) is DeviceState.IN_PROGRESS
        )


def test_end_without_a_name_is_of_nothing_once_the_name_was_removed() -> None:
    end = {"deviceUpdate": {"agent": {"state": 0, "installedUpdateId": json.dumps(V2.to_wire())}}}
    for gone in ({"deviceUpdate": None}, {"deviceUpdate": {"agent": {"workflow": None}}}):
        changes = [a_change(2, busy("w1")), a_change(3, gone), a_change(4, end)]
        record = a_record(*changes, commanded=a_command("w1"))
        assert deployment_state(record) is DeviceState.IN_PROGRESS


@pytest.mark.parametrize(
    "twin",
    [
        {"properties": None},
        {"properties": {"reported": None}},
        {"properties": {"reported": {"deviceUpdate": None}}},
        {"properties": {"reported": {"deviceUpdate": {"agent": None}}}},
    ],
)
def test_null_at_any_height_takes_the_device_out_at_once(twin: dict[str, Any]) -> None:
    record = a_record(a_change(2, started()), a_change(3, busy()), commanded=a_command())
    assert contribution(record)

    gone = fold(record, TwinChange("d1", None, 4, kept_content(twin), False, at_second(4)))

    assert view(gone).device_class is None
    assert contribution(gone) == {}
    assert listed(record) is not None
    assert listed(gone) is None


def test_a_change_of_which_nothing_is_kept_is_no_sign_of_life() -> None:
    known = DeviceRecord("d1", heard_at="2024-05-01T00:00:00+00:00")
    change = TwinChange(
        device_id="d1",
        module_id=None,
        version=9,
        content={},
        is_whole=False,
        at="2024-05-02T00:00:00+00:00",
    )

    assert fold(known, change) == known


def test_success_at_a_start_may_name_the_workflow_with_another_action() -> None:
    """The open agent says 0 there, for what it was asked is in no twin change since its start."""
    end = succeeded(V2, "w1")
    end["deviceUpdate"]["agent"]["workflow"]["action"] = 0

    record = a_record(a_change(2, started()), a_change(3, end), commanded=a_command("w1"))

    assert deployment_state(record) is DeviceState.SUCCEEDED
