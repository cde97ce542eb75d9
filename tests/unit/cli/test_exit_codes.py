"""Every way in which a command can fail has a sentence and an exit code of its own."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from local.cli import token
from local.stack.running import import_path
from odu_cli.exit_codes import MEANINGS, ExitCode
from tests.command_line import run
from tests.unit.cli.conftest import TOKEN, Odu, describe_stack
from tests.unit.cli.service import PREFIX, Answer, Service, an_error

if TYPE_CHECKING:
    from pathlib import Path

    from tests.certificates import Certificates


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (400, ExitCode.INVALID, "odu: That is why."),
        (401, ExitCode.TOKEN, "refuses the token: That is why. It comes from ODU_TOKEN"),
        (403, ExitCode.ROLE, "the token lacks the role. That is why."),
        (404, ExitCode.NOT_FOUND, "odu: That is why."),
        (409, ExitCode.CONFLICT, "odu: That is why."),
        (412, ExitCode.CONFLICT, "odu: That is why."),
        (415, ExitCode.INVALID, "odu: That is why."),
        (500, ExitCode.ERROR, "the service failed (500): That is why."),
    ],
)
async def test_command_says_why_and_exits_with_its_code_when_the_service_refuses(
    odu: Odu, service: Service, status: int, code: ExitCode, words: str
) -> None:
    error = an_error("Reason", "That is why.", target="updateId")
    service.on("GET", "updates", Answer(status, error))

    people = await odu("update", "list")
    programs = await odu("update", "list", "--json")

    assert people.code == programs.code == code
    assert people.stdout == ""
    assert words in people.stderr
    assert people.stderr.count("\n") == 1
    assert programs.document == error


@pytest.mark.parametrize("status", [429, 503])
async def test_command_asks_again_and_then_gives_up_when_the_service_is_busy(
    odu: Odu, service: Service, status: int
) -> None:
    busy = Answer(status, an_error("TooManyRequests", "Slow down."), {"Retry-After": "0"})
    service.on("GET", "updates", busy)

    ended = await odu("update", "list")

    assert ended.code == ExitCode.BUSY
    assert "Slow down." in ended.stderr
    assert len(service.requests) == 4


async def test_command_succeeds_when_the_service_was_busy_for_a_moment(
    odu: Odu, service: Service
) -> None:
    busy = Answer(503, an_error("ServiceUnavailable", "Soon."), {"Retry-After": "0"})
    service.on("GET", "updates", busy, Answer(body={"value": []}))

    ended = await odu("update", "list", "--json")

    assert (ended.code, ended.document) == (0, [])


async def test_command_names_the_address_when_nobody_listens(
    tmp_path: Path, certificates: Certificates, odu: Odu
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    describe_stack(odu.state, f"https://localhost:{port}", str(certificates.authority))

    ended = await odu("group", "list", "--json")

    assert ended.code == ExitCode.UNREACHABLE
    assert ended.stderr == (
        f"odu: https://localhost:{port} cannot be reached: {os.strerror(errno.ECONNREFUSED)}\n"
    )
    assert ended.document["error"]["code"] == "Unreachable"


async def test_command_does_not_send_the_token_when_the_certificate_is_not_trusted(
    odu: Odu, service: Service
) -> None:
    ended = await asyncio.to_thread(
        run, "update", "list", "--endpoint", service.endpoint, "--instance", "blue"
    )

    assert ended.code == ExitCode.UNREACHABLE
    assert "its certificate is not trusted" in ended.stderr
    assert service.requests == []


def test_command_says_how_to_start_a_stack_when_none_is_up(tmp_path: Path) -> None:
    ended = run("update", "list", "--state", str(tmp_path))

    assert ended.code == ExitCode.UNREACHABLE
    assert ended.stderr == (
        f"odu: no stack is up in {tmp_path}; start one in a checkout (./odu up), "
        "or name a service: --endpoint URL --instance ID\n"
    )


def test_token_command_fails_in_the_same_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert token.main(["--state", str(tmp_path)]) == ExitCode.UNREACHABLE
    assert capsys.readouterr() == ("", f"odu: no stack is up in {tmp_path}; start one: ./odu up\n")

    describe_stack(tmp_path, "https://localhost", "")
    assert token.main(["--state", str(tmp_path), "--role", "Owner"]) == ExitCode.USAGE
    assert capsys.readouterr().err.startswith("odu: there is no role 'Owner'; the roles are ")


def test_command_asks_to_sign_in_when_azure_gives_no_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in os.environ if name.startswith(("AZURE_", "ODU_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "EnvironmentCredential")

    ended = run("update", "list", "--endpoint", "https://localhost:1", "--instance", "blue")

    assert ended.code == ExitCode.TOKEN
    assert "az login" in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("update", "list", "--endpoint", "http://localhost", "--instance", "blue"),
        ("update", "list", "--endpoint", "https://localhost"),
        ("update", "list", "--nonsense"),
        ("update", "show", "contoso/toaster"),
        ("update", "show", "contoso/toaster/one"),
        ("update", "import"),
        ("update", "import", "m.json", "--endpoint", "https://localhost", "--instance", "blue"),
        ("update", "import", "--url", "https://example.com/m.json", "--drop"),
        ("update", "delete", "contoso/toaster/1.0"),
        ("deployment", "cancel", "d1"),
        ("manifest", "init", "--provider", "contoso"),
    ],
    ids=" ".join,
)
async def test_command_line_is_refused_with_the_usual_code_when_it_is_wrong(
    odu: Odu, service: Service, arguments: tuple[str, ...]
) -> None:
    command, *rest = arguments
    ended = await odu(command, *rest) if command != "manifest" else run(*arguments)

    assert ended.code == ExitCode.USAGE
    assert ended.stdout == ""
    assert ended.stderr
    assert service.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, b"<html>"),
        Answer(404, b"<html>"),
        Answer(404),
        Answer(302, headers={"Location": "https://example.com/"}),
    ],
    ids=["page", "missing page", "empty 404", "redirect"],
)
async def test_command_doubts_the_address_when_another_kind_of_server_answers(
    odu: Odu, service: Service, answer: Answer
) -> None:
    service.on("GET", "updates", answer)

    ended = await odu("update", "list")

    assert ended.code == ExitCode.ERROR
    assert "is this the address of a Device Update service?" in ended.stderr
    assert len(service.requests) == 1


async def test_list_follows_no_page_outside_of_the_service(odu: Odu, service: Service) -> None:
    outside = {"value": ["contoso"], "nextLink": "https://example.com/deviceUpdate/next"}
    service.on("GET", "updates", Answer(body=outside))

    ended = await odu("update", "list", "--json")

    assert ended.code == ExitCode.ERROR
    assert ended.document["error"]["code"] == "UnexpectedAnswer"


async def test_list_prints_the_error_alone_when_a_later_page_fails(
    odu: Odu, service: Service
) -> None:
    first = {"value": [{"deviceId": "d1"}], "nextLink": f"{PREFIX}more?token=t"}
    service.on("GET", "management/devices", Answer(body=first))
    service.on("GET", "more", Answer(400, an_error("InvalidArgument", "Bad token.")))

    ended = await odu("device", "list", "--json")

    assert ended.code == ExitCode.INVALID
    assert ended.document == an_error("InvalidArgument", "Bad token.")


def test_every_code_is_explained_in_the_help() -> None:
    shown = run("update", "--help").stdout

    assert set(MEANINGS) == set(ExitCode)
    for code, meaning in MEANINGS.items():
        assert f"{code.value:>3}  {meaning}"[:60] in shown


def test_help_loads_no_http_client_and_no_sdk() -> None:
    script = (
        "import sys, odu_cli.main\n"
        "print(*{'aiohttp', 'azure', 'jsonschema', 'cryptography', 'rich'} & set(sys.modules))"
    )

    done = subprocess.run(
        [sys.executable, "-c", script],
        env=import_path(),
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "\n"


async def test_watch_ends_without_a_trace_when_interrupted(odu: Odu, service: Service) -> None:
    running = {"operationId": "o1", "status": "Running", "stage": "fetch"}
    service.on("GET", "updates/operations/o1", Answer(body=running))
    argv = [sys.executable, "-m", "odu_cli", "operation", "show", "o1", "--watch"]
    process = await asyncio.create_subprocess_exec(
        *argv,
        "--state",
        str(odu.state),
        env={**import_path(), "ODU_TOKEN": TOKEN},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    await service.asked.wait()

    process.send_signal(signal.SIGINT)
    stdout, stderr = await process.communicate()

    assert process.returncode == ExitCode.INTERRUPTED
    assert stdout == b""
    assert b"Traceback" not in stderr
