"""The commands about deployments, devices and groups."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from odu_cli.exit_codes import ExitCode
from tests.command_line import run
from tests.sources import Sources
from tests.unit.cli.conftest import Odu
from tests.unit.cli.service import PREFIX, Answer, Service, an_error

if TYPE_CHECKING:
    from pathlib import Path

from tests.builders.cli_answers import an_operation

WATCHED = "management/groups/pilot/deployments/d1"


def a_subgroup(class_id: str, state: str, total: int, **counts: int) -> dict[str, Any]:
    names = {
        "in_progress": "devicesInProgressCount",
        "succeeded": "devicesCompletedSucceededCount",
        "failed": "devicesCompletedFailedCount",
        "canceled": "devicesCanceledCount",
    }
    return {
        "groupId": "pilot",
        "deviceClassId": class_id,
        "deploymentState": state,
        "totalDevices": total,
        **{name: counts.get(word, 0) for word, name in names.items()},
    }


def a_status(state: str, *subgroups: dict[str, Any]) -> dict[str, Any]:
    return {"groupId": "pilot", "deploymentState": state, "subgroupStatus": list(subgroups)}


def a_class(class_id: str, **more: Any) -> dict[str, Any]:
    properties = {"manufacturer": "contoso", "model": f"model of {class_id}"}
    return {
        "deviceClassId": class_id,
        "deviceClassProperties": {"compatProperties": properties},
        **more,
    }


async def test_deployment_create_sends_policy_and_start(odu: Odu, service: Service) -> None:
    service.on("PUT", WATCHED, Answer())
    service.on("GET", WATCHED, Answer(body={"deploymentId": "d1"}))
    where = ("--group", "pilot", "--id", "d1", "--start", "2030-01-01T00:00:00Z", "--json")
    policy = ("--rollback-to", "contoso/t/1.0", "--failed-percentage", "10")

    ended = await odu("deployment", "create", "--update", "contoso/t/1.1", *where, *policy)

    assert (ended.code, ended.document) == (0, {"deploymentId": "d1"})
    assert service.requests[0].body == {
        "deploymentId": "d1",
        "groupId": "pilot",
        "startDateTime": "2030-01-01T00:00:00Z",
        "update": {"updateId": {"provider": "contoso", "name": "t", "version": "1.1"}},
        "rollbackPolicy": {
            "update": {"updateId": {"provider": "contoso", "name": "t", "version": "1.0"}},
            "failure": {"devicesFailedPercentage": 10, "devicesFailedCount": 1},
        },
    }


@pytest.mark.parametrize(
    ("last", "code"),
    [
        (a_status("Active", a_subgroup("c1", "Active", 2, succeeded=2)), ExitCode.SUCCESS),
        (
            a_status(
                "ActiveWithSubgroupFailures", a_subgroup("c1", "Active", 2, succeeded=1, failed=1)
            ),
            ExitCode.FAILED,
        ),
        (a_status("Canceled", a_subgroup("c1", "Canceled", 2, canceled=2)), ExitCode.FAILED),
        (a_status("Inactive", a_subgroup("c1", "Inactive", 0)), ExitCode.FAILED),
        (a_status("Failed"), ExitCode.FAILED),
    ],
    ids=["succeeded", "failures", "cancelled", "superseded", "nothing"],
)
async def test_watched_deployment_ends_with_its_devices(
    odu: Odu, service: Service, last: dict[str, Any], code: ExitCode
) -> None:
    waiting = a_status("Active", a_subgroup("c1", "Active", 2))
    at_work = a_status("Active", a_subgroup("c1", "Active", 2, in_progress=1, succeeded=1))
    answers = [Answer(body=body) for body in (waiting, at_work, last)]
    service.on("GET", WATCHED, Answer(body={"deploymentId": "d1"}))
    service.on("GET", f"{WATCHED}/status", *answers)
    service.on("GET", "management/deviceClasses", Answer(body={"value": [a_class("c1")]}))

    ended = await odu("deployment", "status", "d1", "-g", "pilot", "--watch", "--json")

    assert (ended.code, ended.document) == (code, last)
    assert len(service.asked_for("GET", f"{WATCHED}/status")) == 3


async def test_deployment_status_shows_classes_by_name(odu: Odu, service: Service) -> None:
    subgroups = (a_subgroup("c1", "Active", 2), a_subgroup("c2", "Active", 7, succeeded=7))
    service.on("GET", f"{WATCHED}/status", Answer(body=a_status("Active", *subgroups)))
    about = {
        "update": {"updateId": {"provider": "contoso", "name": "t", "version": "1.1"}},
        "startDateTime": "2026-01-01T00:00:00Z",
        "isRetried": True,
        "isUpdateDeleted": True,
    }
    service.on("GET", WATCHED, Answer(body=about))
    classes = [a_class("c1", friendlyName="Ovens"), a_class("c2")]
    service.on("GET", "management/deviceClasses", Answer(body={"value": classes}))

    ended = await odu("deployment", "status", "d1", "-g", "pilot")

    assert ended.code == 0
    assert "retried, update deleted" in ended.stdout
    lines = [line.split() for line in ended.stdout.splitlines()]
    assert ["Ovens", "Active", "2", "0", "0", "0", "0", "c1"] in lines
    assert ["contoso", "model", "of", "c2", "Active", "7", "0", "7", "0", "0", "c2"] in lines


@pytest.mark.parametrize("action", ["cancel", "retry"])
async def test_cancel_and_retry_concern_every_class_when_none_is_named(
    odu: Odu, service: Service, action: str
) -> None:
    subgroups = (a_subgroup("c1", "Active", 2), a_subgroup("c2", "Active", 2))
    service.on("GET", f"{WATCHED}/status", Answer(body=a_status("Active", *subgroups)))
    base = "management/groups/pilot/deviceClassSubgroups"
    refused = Answer(409, an_error("Conflict", "It is over."))
    service.on("POST", f"{base}/c1/deployments/d1:{action}", refused)
    service.on("POST", f"{base}/c2/deployments/d1:{action}", Answer(body={"deploymentId": "d1"}))

    ended = await odu("deployment", action, "d1", "-g", "pilot", "--json")
    one = await odu("deployment", action, "d1", "-g", "pilot", "--class", "c1")

    assert (ended.code, ended.document) == (0, [{"deploymentId": "d1"}])
    assert one.code == ExitCode.CONFLICT
    assert one.stderr == "odu: It is over.\n"


async def test_deployment_devices_come_from_every_class(odu: Odu, service: Service) -> None:
    subgroups = (a_subgroup("c1", "Active", 1), a_subgroup("c2", "Active", 1))
    service.on("GET", f"{WATCHED}/status", Answer(body=a_status("Active", *subgroups)))
    for class_id in ("c1", "c2"):
        states = [
            {
                "deviceId": f"of {class_id}",
                "deviceState": "Failed",
                "retryCount": 0,
                "movedOnToNewDeployment": False,
            }
        ]
        address = (
            f"management/groups/pilot/deviceClassSubgroups/{class_id}/deployments/d1/devicestates"
        )
        service.on("GET", address, Answer(body={"value": states}))

    ended = await odu("deployment", "devices", "d1", "-g", "pilot", "--status", "Failed", "--json")

    assert [item["deviceId"] for item in ended.document] == ["of c1", "of c2"]
    assert service.requests[-1].query == {"filter": "deviceState eq 'Failed'"}


async def test_deployments_of_all_groups_are_listed(odu: Odu, service: Service) -> None:
    groups = [{"groupId": "$default"}, {"groupId": "pilot"}]
    service.on("GET", "management/groups", Answer(body={"value": groups}))
    for group in ("$default", "pilot"):
        found = {"value": [{"deploymentId": f"of {group}"}]}
        service.on("GET", f"management/groups/{group}/deployments", Answer(body=found))

    ended = await odu("deployment", "list", "--json")

    assert [item["deploymentId"] for item in ended.document] == ["of $default", "of pilot"]


async def test_log_collection_is_watched_until_it_has_ended(odu: Odu, service: Service) -> None:
    base = "management/deviceDiagnostics/logCollections/l1"
    service.on("PUT", base, Answer(201, {"operationId": "l1", "status": "NotStarted"}))
    devices = [{"deviceId": "d1", "moduleId": "m", "status": "Failed", "resultCode": "0"}]
    last = {"operationId": "l1", "status": "Failed", "deviceStatus": devices}
    service.on(
        "GET", f"{base}/detailedStatus", Answer(body={"status": "Running"}), Answer(body=last)
    )

    ended = await odu("log", "collect", "d1/m", "d2", "--id", "l1", "--watch", "--json")

    assert (ended.code, ended.document) == (ExitCode.FAILED, last)
    assert service.requests[0].body == {
        "operationId": "l1",
        "deviceList": [{"deviceId": "d1", "moduleId": "m"}, {"deviceId": "d2"}],
    }


async def test_group_shows_everything_of_it_in_one_document(odu: Odu, service: Service) -> None:
    base = "management/groups/pilot"
    parts: dict[str, Any] = {
        "": {"groupId": "pilot"},
        "/updateCompliance": {"totalDeviceCount": 3},
        "/deviceClassSubgroups": {"value": [{"deviceClassId": "c1"}]},
        "/bestUpdates": {"value": []},
        "/failures": {"value": []},
    }
    for suffix, body in parts.items():
        service.on("GET", base + suffix, Answer(body=body))

    ended = await odu("group", "show", "pilot", "--json")

    assert ended.document == {
        "group": {"groupId": "pilot"},
        "updateCompliance": {"totalDeviceCount": 3},
        "subgroups": [{"deviceClassId": "c1"}],
        "bestUpdates": [],
        "failures": [],
    }


async def test_devices_are_imported_from_the_registry(odu: Odu, service: Service) -> None:
    location = {"Operation-Location": f"{PREFIX}management/operations/o1?api-version=2022-10-01"}
    service.on("POST", "management/devices:import", Answer(202, headers=location))
    service.on("GET", "management/operations/o1", Answer(body=an_operation("Succeeded")))

    ended = await odu("device", "import", "--type", "modules", "--watch", "--json")

    assert (ended.code, ended.document["status"]) == (0, "Succeeded")
    assert service.requests[0].body == "Modules"


async def test_endpoint_and_instance_take_the_place_of_the_stack(
    odu: Odu, service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    description = json.loads((odu.state / "stack.json").read_text())
    monkeypatch.setenv("SSL_CERT_FILE", description["ca_file"])
    service.on("GET", "updates", Answer(body={"value": []}))

    ended = await asyncio.to_thread(
        run, "update", "list", "--endpoint", f"{service.endpoint}/", "--instance", "blue", "--json"
    )

    assert (ended.code, ended.document) == (0, [])


async def test_logs_are_collected_and_downloaded_under_safe_names(
    odu: Odu, service: Service, tmp_path: Path
) -> None:
    base = "management/deviceDiagnostics/logCollections"
    async with Sources() as sources:
        files = [
            {"deviceId": "d1", "fileName": name, "link": sources.put(content, f"file{number}")}
            for number, (name, content) in enumerate(
                [("agent/a.log", b"one"), ("../../b c.log", b"two")]
            )
        ]

        async def found() -> None:
            [request] = [one for one in service.requests if one.method == "PUT"]
            chosen = request.body["operationId"]
            ended = {"status": "Succeeded", "operationId": chosen, "deviceStatus": []}
            service.on("GET", f"{base}/{chosen}/detailedStatus", Answer(body=ended))
            service.on("GET", f"{base}/{chosen}/files", Answer(body={"value": files}))

        service.on_any("PUT", base, Answer(201, {}), found)

        ended = await odu("device", "logs", "download", "d1", "-o", str(tmp_path / "out"), "--json")

    assert ended.code == 0, ended.stderr
    written = {item["path"]: item["sizeInBytes"] for item in ended.document}
    assert written == {
        str(tmp_path / "out/d1/agent/a.log"): 3,
        str(tmp_path / "out/d1/_../_../b_c.log"): 3,
    }
    assert (tmp_path / "out/d1/_../_../b_c.log").read_bytes() == b"two"
