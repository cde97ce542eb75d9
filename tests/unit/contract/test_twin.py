from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.codes import AgentState
from shared.contract.manifest import ManifestUpdateId
from shared.contract.twin import (
    AgentReport,
    StepReport,
    acknowledgement,
    cancel_command,
    deployment_command,
    desired_patch,
    device_information,
    parse_agent_report,
    result_report,
    startup_report,
    workflow_member,
)

_UPDATE = ManifestUpdateId("Contoso", "Vacuum", "1.0")
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda values: st.lists(values) | st.dictionaries(st.text(), values),
)
_CODES = st.lists(st.integers(0, 0xFFFFFFFF), min_size=1).map(tuple)
_STEPS = st.lists(
    st.builds(StepReport, st.integers(-1, 1200), _CODES, st.none() | st.text()), max_size=4
).map(tuple)


def test_deployment_command_has_the_contracts_members() -> None:
    command = deployment_command("w", "t", "{}", "a.b.c", {"f": "http://x/y"}, "http://x/r.json")

    assert command == {
        "workflow": {"action": 3, "id": "w", "retryTimestamp": "t"},
        "rootKeyPackageUrl": "http://x/r.json",
        "updateManifest": "{}",
        "updateManifestSignature": "a.b.c",
        "fileUrls": {"f": "http://x/y"},
    }


def test_desired_patch_removes_the_addresses_that_are_left_over() -> None:
    command = deployment_command("w", None, "{}", "a.b.c", {"f": "http://x/y"}, "http://x/r.json")

    patch = desired_patch(command, present_file_ids=["f", "old"])

    section = patch["deviceUpdate"]
    assert section["__t"] == "c"
    assert section["service"]["fileUrls"] == {"old": None, "f": "http://x/y"}
    assert section["service"]["workflow"]["retryTimestamp"] is None


def test_cancel_command_removes_what_the_deployment_left() -> None:
    command = cancel_command("w", "http://x/r.json")

    assert command["workflow"] == {"action": 255, "id": "w", "retryTimestamp": None}
    assert command["rootKeyPackageUrl"] == "http://x/r.json"
    removed = ("updateManifest", "updateManifestSignature", "fileUrls")
    assert all(command[name] is None for name in removed)
    assert desired_patch(command, present_file_ids=["f"])["deviceUpdate"]["service"] == command


def test_startup_report_is_the_contracts() -> None:
    report = startup_report(
        "contoso",
        "espresso-v1",
        additional={"location": "lab"},
        compatibility_names=["manufacturer", "model", "location"],
        agent_version="DU;agent/1.1.0",
    )

    assert report == {
        "deviceUpdate": {
            "__t": "c",
            "agent": {
                "deviceProperties": {
                    "manufacturer": "contoso",
                    "model": "espresso-v1",
                    "location": "lab",
                    "interfaceId": None,
                    "contractModelId": "dtmi:azure:iot:deviceUpdateContractModel;3",
                    "aduVer": "DU;agent/1.1.0",
                },
                "compatPropertyNames": "manufacturer,model,location",
            },
        }
    }


def test_result_report_of_a_success_is_the_contracts() -> None:
    report = result_report(
        AgentState.IDLE,
        700,
        extended_result_codes=(0, 0xA0000FFF),
        workflow=workflow_member(3, "w", None),
        installed_update_id=_UPDATE,
        step_results=(StepReport(700), StepReport(603, (0,), "")),
    )

    assert report["deviceUpdate"]["agent"] == {
        "lastInstallResult": {
            "stepResults": {
                "step_0": {
                    "resultCode": 700,
                    "extendedResultCodes": "00000000",
                    "resultDetails": None,
                },
                "step_1": {
                    "resultCode": 603,
                    "extendedResultCodes": "00000000",
                    "resultDetails": "",
                },
            },
            "resultCode": 700,
            "extendedResultCodes": "00000000,A0000FFF",
            "resultDetails": None,
        },
        "state": 0,
        "workflow": {"action": 3, "id": "w"},
        "installedUpdateId": '{"provider":"Contoso","name":"Vacuum","version":"1.0"}',
    }


def test_result_report_of_progress_clears_the_steps_of_the_past() -> None:
    agent = result_report(AgentState.DEPLOYMENT_IN_PROGRESS, 1)["deviceUpdate"]["agent"]

    assert agent["lastInstallResult"]["stepResults"] is None
    assert "workflow" not in agent
    assert "installedUpdateId" not in agent


def test_acknowledgement_keeps_addresses_and_signature_out() -> None:
    service = deployment_command("w", None, "{}", "a.b.c", {"f": "http://x/y?sig=s"}, "http://x/r")

    reported = acknowledgement(service, 7)["deviceUpdate"]["service"]

    assert reported["value"] == {**service, "updateManifestSignature": None, "fileUrls": None}
    assert (reported["ac"], reported["ad"], reported["av"]) == (200, "", 7)


def test_device_information_cuts_long_texts() -> None:
    section = device_information({"model": "m" * 100, "totalMemory": 7})["deviceInformation"]

    assert section == {"__t": "c", "model": "m" * 64, "totalMemory": 7}


@given(
    st.sampled_from([AgentState.IDLE, AgentState.FAILED]),
    st.integers(-1, 1200),
    _CODES,
    st.none() | st.text(),
    st.none() | st.text(),
    _STEPS,
)
def test_report_comes_back_from_what_was_reported(
    state: AgentState,
    result_code: int,
    codes: tuple[int, ...],
    details: str | None,
    retry_timestamp: str | None,
    steps: tuple[StepReport, ...],
) -> None:
    report = result_report(
        state,
        result_code,
        extended_result_codes=codes,
        result_details=details,
        workflow=workflow_member(3, "w", retry_timestamp),
        installed_update_id=_UPDATE,
        step_results=steps,
    )

    parsed = parse_agent_report(report["deviceUpdate"]["agent"])

    assert parsed == AgentReport(
        state=state,
        workflow_id="w",
        action=3,
        retry_timestamp=retry_timestamp,
        installed_update_id=_UPDATE,
        result_code=result_code,
        extended_result_codes=codes,
        result_details=details,
        step_results=steps,
    )


@given(_JSON)
def test_parse_agent_report_takes_any_json(section: Any) -> None:
    assert isinstance(parse_agent_report(section), AgentReport)


_MEMBERS = ("state", "workflow", "lastInstallResult", "installedUpdateId")


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(_MEMBERS, _JSON)))
def test_parse_agent_report_takes_any_members(section: Any) -> None:
    assert isinstance(parse_agent_report(section), AgentReport)


def test_parse_agent_report_reads_the_number_of_older_agents() -> None:
    section = {"lastInstallResult": {"resultCode": 0, "extendedResultCode": -1}, "state": 255.0}

    assert parse_agent_report(section) == AgentReport(
        state=255, result_code=0, extended_result_codes=(0xFFFFFFFF,)
    )


@pytest.mark.parametrize("state", ["0", "255", "", True, False, None, 4.5, [], {}])
def test_state_that_is_no_whole_number_is_none(state: Any) -> None:
    assert parse_agent_report({"state": state}).state is None


def test_texts_that_are_none_are_left_out_and_steps_end_at_a_gap() -> None:
    section = {
        "workflow": {"id": 5, "action": 3, "retryTimestamp": ["t"]},
        "lastInstallResult": {
            "resultDetails": 7,
            "stepResults": {"step_0": {"resultCode": 1}, "step_2": {"resultCode": 2}},
        },
    }

    assert parse_agent_report(section) == AgentReport(action=3, step_results=(StepReport(1, ()),))
