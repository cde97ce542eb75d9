from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.fleet.counters import outcome_in
from shared.domain.fleet.device import (
    DeviceRecord,
    DeviceState,
    TwinChange,
    deployment_state,
    evidence_of,
    fold,
    is_unexplained,
)
from shared.domain.fleet.refusal import refused_command
from shared.domain.fleet.twin_content import kept_content
from tests.builders.device import nameless
from tests.unit.domain.builders import a_change, a_command, a_record, failed, started, succeeded

GIVEN, LATER, EARLIER = (f"2024-05-01T10:00:{second}.5Z" for second in ("10", "12", "08"))


def a_twin(**agent: Any) -> dict[str, Any]:
    """A twin whose device was asked for w2, has acknowledged it and reports a wrong signature."""
    reported = {
        "state": 255,
        "workflow": {"id": "w1", "action": 3},
        "lastInstallResult": {"resultCode": 0, "extendedResultCodes": "A0200004,A0000FFF"},
        **agent,
    }
    service = {"workflow": {"action": 3, "id": "w2"}}
    return {
        "desired": {
            "deviceUpdate": {"service": service},
            "$metadata": {"deviceUpdate": {"service": {"workflow": {"$lastUpdated": GIVEN}}}},
        },
        "reported": {
            "deviceUpdate": {"agent": reported, "service": {"value": copy.deepcopy(service)}},
            "$metadata": {"deviceUpdate": {"agent": {"state": {"$lastUpdated": LATER}}}},
        },
    }


def refused(twin: dict[str, Any]) -> tuple[str, str | None] | None:
    return refused_command(twin["desired"], twin["reported"])


def agent(twin: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = twin["reported"]["deviceUpdate"]["agent"]
    return found


def test_refusal_is_of_the_command_that_was_acknowledged() -> None:
    assert refused(a_twin()) == ("w2", None)
    assert refused(a_twin(workflow=None)) == ("w2", None)


def test_refusal_of_a_retry_names_the_retry() -> None:
    twin = a_twin()
    for place in (
        twin["desired"]["deviceUpdate"]["service"],
        twin["reported"]["deviceUpdate"]["service"]["value"],
    ):
        place["workflow"]["retryTimestamp"] = "t2"

    assert refused(twin) == ("w2", "t2")


@pytest.mark.parametrize("retry", [5, True, {}, ["t2"], None])
def test_retry_timestamp_that_is_no_text_is_none(retry: Any) -> None:
    twin = a_twin()
    for place in (
        twin["desired"]["deviceUpdate"]["service"],
        twin["reported"]["deviceUpdate"]["service"]["value"],
    ):
        place["workflow"]["retryTimestamp"] = retry

    assert refused(twin) == ("w2", None)


def _set(*path: str, to: Any) -> Callable[[dict[str, Any]], None]:
    def change(twin: dict[str, Any]) -> None:
        for name in path[:-1]:
            twin = twin[name]
        twin[path[-1]] = to

    return change


_STATE = ("reported", "$metadata", "deviceUpdate", "agent", "state", "$lastUpdated")
_ACKNOWLEDGED = ("reported", "deviceUpdate", "service", "value", "workflow")
_AGENT = ("reported", "deviceUpdate", "agent")


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_set(*_STATE, to=EARLIER), id="the failure is older than the command"),
        pytest.param(_set(*_STATE, to=GIVEN), id="it is not newer"),
        pytest.param(_set(*_STATE, to="soon"), id="nobody knows when it was"),
        pytest.param(_set("reported", "$metadata", to={}), id="the hub does not say when it was"),
        pytest.param(_set("desired", "$metadata", to={}), id="nor when the command was given"),
        pytest.param(_set(*_ACKNOWLEDGED, "id", to="w1"), id="another command is acknowledged"),
        pytest.param(_set(*_ACKNOWLEDGED, "retryTimestamp", to="t1"), id="so is another try"),
        pytest.param(_set(*_ACKNOWLEDGED, to=7), id="the acknowledgement is malformed"),
        pytest.param(_set(*_AGENT, "state", to=6), id="it is at work"),
        pytest.param(_set(*_AGENT, "workflow", to={"id": "w2"}), id="it names the command itself"),
        pytest.param(
            _set(*_AGENT, "lastInstallResult", to={"extendedResultCodes": "30500101"}),
            id="a step has failed: that of the workflow that it holds",
        ),
        pytest.param(_set(*_AGENT, "lastInstallResult", to=None), id="there is no code"),
        pytest.param(_set("desired", "deviceUpdate", to=None), id="nothing is desired"),
    ],
)
def test_refusal_is_attributed_to_nothing_when(change: Callable[[dict[str, Any]], None]) -> None:
    twin = a_twin()
    change(twin)

    assert refused(twin) is None


def whole(twin: dict[str, Any], version: int) -> TwinChange:
    content = kept_content({"properties": {"reported": twin["reported"]}})
    return TwinChange(
        device_id="d1",
        module_id=None,
        version=version,
        content=content,
        is_whole=True,
        at="",
        refused=refused(twin),
    )


def test_device_that_refused_without_a_name_has_failed_once_its_twin_was_read() -> None:
    first = a_record(a_change(2, started()), a_change(3, succeeded()), commanded=a_command("w1"))
    asked = replace(first, commanded=a_command("w2"))
    silent = fold(asked, a_change(5, nameless()))
    twin = a_twin(deviceProperties=started()["deviceUpdate"]["agent"]["deviceProperties"])

    known = fold(silent, whole(twin, 6))

    assert deployment_state(silent) is DeviceState.IN_PROGRESS
    assert (is_unexplained(silent), is_unexplained(asked), is_unexplained(known)) == (
        (True, False, False)
    )
    assert deployment_state(known) is DeviceState.FAILED
    evidence = evidence_of(known)
    assert evidence is not None
    assert evidence.extended_result_codes[0] == 0xA0200004
    assert outcome_in(known, a_command("w1")).state is DeviceState.SUCCEEDED


def test_late_failure_of_the_workflow_before_is_not_one_of_the_next() -> None:
    asked = a_record(a_change(2, started()), commanded=a_command("w2"))
    late = fold(asked, a_change(5, failed("w1")))
    twin = a_twin()
    _set(*_ACKNOWLEDGED, "id", to="w1")(twin)

    seen = fold(late, whole(twin, 6))

    assert deployment_state(seen) is DeviceState.IN_PROGRESS
    assert isinstance(seen, DeviceRecord)


@pytest.mark.parametrize("code", ["8030000B", "8030000C", "8030000D", "8030000E", "8030000F"])
def test_a_detached_manifest_that_the_agent_cannot_read_is_a_refusal_of_the_command(
    code: str,
) -> None:
    twin = a_twin(lastInstallResult={"resultCode": 0, "extendedResultCodes": code})

    assert refused(twin) == ("w2", None)
