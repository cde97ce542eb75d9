"""What is said before something is lost, to whoever sits at a terminal."""

from __future__ import annotations

import asyncio
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from local.stack.running import import_path
from odu_cli.exit_codes import ExitCode
from tests.unit.cli.conftest import TOKEN, Odu
from tests.unit.cli.service import PREFIX, Answer, Service, an_error

if TYPE_CHECKING:
    from collections.abc import Iterator

UPDATE = {"provider": "contoso", "name": "toaster", "version": "1.2"}
ADDRESS = "updates/providers/contoso/names/toaster/versions/1.2"


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    ends = pty.openpty()
    yield ends
    for end in ends:
        os.close(end)


async def answered(
    odu: Odu, terminal: tuple[int, int], answer: str, *arguments: str
) -> tuple[int, str]:
    """Run a command whose input is a terminal; its exit code and what it said."""
    keyboard, stdin = terminal
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "odu_cli", *arguments, "--state", str(odu.state)),
        env={**import_path(), "ODU_TOKEN": TOKEN},
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    os.write(keyboard, f"{answer}\n".encode())
    _, stderr = await process.communicate()
    return process.returncode or 0, stderr.decode()


def two_deployments(service: Service, *, of: dict[str, str]) -> None:
    groups = [
        {"groupId": "idle", "deployments": []},
        {"groupId": "pilot", "deployments": ["d1", "d2", "d3"]},
    ]
    service.on("GET", "management/groups", Answer(body={"value": groups}))
    other = {**of, "version": "9.9"}
    for identity, update, total in (("d1", of, 20), ("d2", other, 99), ("d3", of, 4)):
        base = f"management/groups/pilot/deployments/{identity}"
        service.on("GET", base, Answer(body={"update": {"updateId": update}}))
        counts = {
            "totalDevices": total,
            "devicesInProgressCount": total // 4,
            "devicesCompletedSucceededCount": 0,
            "devicesCompletedFailedCount": 0,
            "devicesCanceledCount": 0,
        }
        service.on("GET", f"{base}/status", Answer(body={"subgroupStatus": [counts]}))


@pytest.mark.parametrize(("answer", "code"), [("n", ExitCode.ERROR), ("y", ExitCode.SUCCESS)])
async def test_recall_says_how_many_deployments_and_devices_it_touches_before_it_asks(
    odu: Odu, service: Service, terminal: tuple[int, int], answer: str, code: ExitCode
) -> None:
    two_deployments(service, of=UPDATE)
    of_devices = [
        {"deviceId": "a", "isInForce": True, "deviceState": "InProgress"},
        {"deviceId": "b", "isInForce": True},
        {"deviceId": "c", "isInForce": False, "deviceState": "InProgress"},
    ]
    service.on("GET", f"management/{ADDRESS}/deviceDeployments", Answer(body={"value": of_devices}))
    service.on("GET", ADDRESS, Answer(body={"updateId": UPDATE}))
    service.on("POST", f"{ADDRESS}:recall", Answer(body={"updateId": UPDATE}))

    ended = await answered(
        odu, terminal, answer, "update", "recall", "contoso/toaster/1.2", "--reason", "bad"
    )

    assert ended[0] == code
    assert ("2 deployments of it and 2 devices' own with 26 devices, 7 in progress") in ended[1]
    assert len(service.asked_for("POST", f"{ADDRESS}:recall")) == (answer == "y")


async def test_delete_says_what_it_touches_and_a_mistyped_update_is_told_before(
    odu: Odu, service: Service, terminal: tuple[int, int]
) -> None:
    service.on("GET", "management/groups", Answer(body={"value": []}))
    service.on("GET", f"management/{ADDRESS}/deviceDeployments", Answer(body={"value": []}))
    service.on(
        "GET",
        ADDRESS,
        Answer(body={"updateId": UPDATE}),
        Answer(404, an_error("NotFound", "There is no such update.")),
    )

    asked = await answered(odu, terminal, "n", "update", "delete", "contoso/toaster/1.2")
    unknown = await answered(odu, terminal, "n", "update", "delete", "contoso/toaster/1.2")

    assert asked[0] == ExitCode.ERROR
    assert "no deployment of it is in force" in asked[1]
    assert unknown == (ExitCode.NOT_FOUND, "odu: There is no such update.\n")
    assert {request.method for request in service.requests} == {"GET"}


async def test_delete_of_a_deployment_says_how_its_devices_stand(
    odu: Odu, service: Service, terminal: tuple[int, int]
) -> None:
    two_deployments(service, of=UPDATE)

    code, said = await answered(odu, terminal, "n", "deployment", "delete", "d1", "-g", "pilot")

    assert code == ExitCode.ERROR
    assert "devices: 20; 5 in progress" in said


def known_deployment(service: Service, **more: Any) -> None:
    base = "management/groups/pilot/deployments/d1"
    service.on("PUT", base, Answer(412, an_error("PreconditionFailed", "There is one.")))
    service.on(
        "GET", base, Answer(body={"deploymentId": "d1", "update": {"updateId": UPDATE}, **more})
    )


@pytest.mark.parametrize(
    ("update", "more", "code", "words"),
    [
        (
            "contoso/toaster/1.2",
            {"isCanceled": True},
            ExitCode.CONFLICT,
            "exists and was cancelled",
        ),
        ("contoso/toaster/1.3", {}, ExitCode.CONFLICT, "exists and deploys contoso/toaster/1.2"),
        ("contoso/toaster/1.2", {}, ExitCode.SUCCESS, "exists already"),
    ],
)
async def test_create_with_an_id_never_takes_up_another_or_a_cancelled_deployment(
    odu: Odu, service: Service, update: str, more: dict[str, Any], code: ExitCode, words: str
) -> None:
    known_deployment(service, **more)

    ended = await odu("deployment", "create", "-g", "pilot", "-u", update, "--id", "d1")

    assert ended.code == code
    assert words in ended.stderr


async def test_failed_import_names_its_update(odu: Odu, service: Service) -> None:
    location = {"Operation-Location": f"{PREFIX}updates/operations/o1?api-version=2022-10-01"}
    service.on("POST", "updates:scan", Answer(202, headers=location))
    failed = {
        "operationId": "o1",
        "status": "Failed",
        "update": {"updateId": UPDATE},
        "error": {"code": "HashMismatch", "message": "It is another file."},
    }
    service.on("GET", "updates/operations/o1", Answer(body=failed))

    ended = await odu("operation", "show", "o1")

    assert ended.stderr.startswith("odu: operation o1 of contoso/toaster/1.2 failed (HashMismatch)")


@pytest.mark.parametrize(("counted", "shown"), [(2, "3000ABCD"), (7, "3000ABCD and others")])
async def test_status_shows_the_codes_that_devices_have_reported(
    odu: Odu, service: Service, counted: int, shown: str
) -> None:
    base = "management/groups/pilot"
    words = {"message": "A step failed.", "nextStep": "Look."}
    subgroup = {
        "deviceClassId": "c1",
        "deploymentState": "Failed",
        "totalDevices": counted,
        "failures": [{"code": "30000000", "deviceCount": counted, **words}],
    }
    status = {"deploymentState": "Failed", "subgroupStatus": [subgroup]}
    about = {"update": {"updateId": UPDATE}, "startDateTime": "2026-01-01T00:00:00Z"}
    devices = [
        {"deviceId": name, "deviceState": "Failed", "failure": {"code": "3000ABCD", **words}}
        for name in ("d1", "d2")
    ]
    service.on("GET", f"{base}/deployments/d1/status", Answer(body=status))
    service.on("GET", f"{base}/deployments/d1", Answer(body=about))
    service.on("GET", "management/deviceClasses", Answer(body={"value": []}))
    service.on(
        "GET",
        f"{base}/deviceClassSubgroups/c1/deployments/d1/devicestates",
        Answer(body={"value": devices}),
    )

    ended = await odu("deployment", "status", "d1", "-g", "pilot")

    [line] = [line for line in ended.stdout.splitlines() if "A step failed." in line]
    assert line.split("  ")[0] == shown
    assert str(counted) in line.split()
