"""The whole local stack, started and stopped as users do."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from local.stack.instances import keep_instances, kept_instances
from local.stack.ports import listen
from local.stack.running import Stack, import_path, start
from local.stack.state import StateDirectory, lock_parts
from shared.topology import CONTAINERS, QUEUES, TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PARTS = {"azurite", "identity", "eventgrid", "iothub", "host"}
WAIT_SECONDS = 60
ODU = [sys.executable, "-P", "-m", "local.cli"]
NO_BACK_OFF = """
import sys
from local.stack import keeper
keeper.FIRST_BACK_OFF_SECONDS = 0.01
from local.cli.up import main
sys.exit(main(sys.argv[1:]))
"""


def odu(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ODU, *map(str, arguments)],
        env={**import_path(), **environment},
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )


def begin(*arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*ODU, "up", "--leash", *map(str, arguments)],
        env={**import_path(), **environment},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def until[T](look: Callable[[], T | None]) -> T:
    """Wait for something that other processes do to files and processes."""
    async with asyncio.timeout(WAIT_SECONDS):
        while (found := look()) is None:  # noqa: ASYNC110 (nothing tells what others do)
            await asyncio.sleep(0.02)
    return found


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def until_ended(pids: dict[str, int]) -> None:
    await until(lambda: None if any(map(runs, pids.values())) else True)


def nothing_runs(state: Path) -> bool:
    """Say whether no part of a stack runs any more: every part holds the lock."""
    os.close(lock_parts(StateDirectory(state), pytest.fail))
    return True


def leftovers(directory: Path) -> list[Path]:
    return list(directory.glob("odu-*"))


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stack")


@pytest.fixture(scope="module")
def stack(state: Path) -> Iterator[Stack]:
    with start(state) as running:
        yield running


def test_stack_describes_itself_to_its_owner_only(stack: Stack, state: Path) -> None:
    path = state / "stack.json"
    document = json.loads(path.read_text())

    assert path.stat().st_mode & 0o077 == 0
    assert set(document["pids"]) == {*PARTS, "supervisor"}
    assert document["endpoint"] == f"https://localhost:{document['ports']['host']}"
    assert document["console_url"] == f"{document['endpoint']}/console/"
    assert "HostName=localhost:" in document["iot_hub_connection_string"]
    assert str(stack) == f"Stack({stack.endpoint})"


def is_provisioned(stack: Stack) -> bool:
    connection = stack.storage_connection_string
    with (
        TableServiceClient.from_connection_string(connection) as tables,
        QueueServiceClient.from_connection_string(connection) as queues,
        BlobServiceClient.from_connection_string(connection) as blobs,
    ):
        return (
            {table.name for table in tables.list_tables()} >= set(TABLES)
            and {queue.name for queue in queues.list_queues()} >= set(QUEUES)
            and {container.name for container in blobs.list_containers()} >= set(CONTAINERS)
        )


def test_stack_provisions_what_the_topology_names(stack: Stack) -> None:
    assert is_provisioned(stack)


def test_every_server_shows_a_certificate_that_its_authority_vouches_for(stack: Stack) -> None:
    context = ssl.create_default_context(cafile=stack.ca_file)
    for name in PARTS - {"azurite"}:
        with (
            socket.create_connection(("127.0.0.1", stack.ports[name])) as connection,
            context.wrap_socket(connection, server_hostname="localhost") as secured,
        ):
            assert secured.version() == "TLSv1.3"


def test_status_tells_that_every_part_answers(stack: Stack, state: Path) -> None:
    done = odu("status", "--json", "--state", state)

    document = json.loads(done.stdout)
    assert done.returncode == 0
    assert document["up"] is True
    assert {part["name"].split()[0] for part in document["parts"]} == PARTS
    assert all(part["healthy"] for part in document["parts"])


def test_token_prints_a_token_with_the_roles_and_nothing_else(stack: Stack, state: Path) -> None:
    roles = ("--role", "Device Update Reader", "--role", "deploymentsadministrator")
    done = odu("token", *roles, "--instance", "local", "--state", state)

    claims: dict[str, Any] = jwt.decode(done.stdout.strip(), options={"verify_signature": False})
    assert done.stderr == ""
    granted = ["DeviceUpdateReader/local", "DeviceUpdateDeploymentsAdministrator/local"]
    assert claims["roles"] == granted
    assert claims["iss"] == stack.token_issuer
    assert claims["aud"] == stack.token_audience


def test_token_lists_the_roles_when_there_is_no_such_one(stack: Stack, state: Path) -> None:
    done = odu("token", "--role", "Owner", "--state", state)

    assert done.returncode == 2
    assert done.stdout == ""
    assert "there is no role 'Owner'; the roles are DeviceUpdateAdministrator," in done.stderr


def test_a_second_stack_on_the_same_state_is_refused(stack: Stack, state: Path) -> None:
    done = odu("up", "--state", state)

    assert done.returncode == 4
    assert done.stdout == ""
    assert done.stderr == f"odu: a stack with the state {state} is already running\n"


def test_a_further_instance_on_a_running_stack_is_refused_with_the_way_to_get_it(
    stack: Stack, state: Path
) -> None:
    done = odu("up", "--state", state, "--instance", "second")

    assert done.returncode == 4
    assert "is already running without the instance second" in done.stderr
    assert "./odu down, then ./odu up --instance second" in done.stderr


@pytest.mark.parametrize("name", ["iothub", "azurite"])
async def test_a_part_that_was_killed_comes_back_on_its_port(
    stack: Stack, state: Path, name: str
) -> None:
    before = Stack.load(state)
    os.kill(before.pids[name], signal.SIGKILL)

    def restarted() -> Stack | None:
        now = Stack.load(state)
        return now if now.pids.get(name) not in (None, before.pids[name]) else None

    after = await until(restarted)

    assert after.ports == before.ports
    assert is_provisioned(after)
    # the other parts may need a moment to find the restarted one again
    await until(lambda: odu("status", "--state", state).returncode == 0 or None)


async def test_stack_leaves_no_orphans_and_keeps_its_ports_when_it_is_killed(
    tmp_path: Path,
) -> None:
    first_up = odu("up", "--detach", "--state", tmp_path)
    assert first_up.returncode == 0, first_up.stderr
    first = Stack.load(tmp_path)
    assert first_up.stdout == f"ready {first.endpoint}\n"

    os.kill(first.pids["supervisor"], signal.SIGKILL)
    second_up = odu("up", "--detach", "--state", tmp_path)
    assert second_up.returncode == 0, second_up.stderr
    await until_ended(first.pids)
    second = Stack.load(tmp_path)
    assert second.ports == first.ports
    assert "is taken" not in second_up.stderr

    for pid in second.pids.values():
        os.kill(pid, signal.SIGKILL)
    third_up = odu("up", "--detach", "--state", tmp_path)
    assert third_up.returncode == 0, third_up.stderr
    third = Stack.load(tmp_path)
    assert third.ports == first.ports

    down = odu("down", "--state", tmp_path)
    assert down.returncode == 0, down.stderr
    await until_ended(third.pids)
    assert not (tmp_path / "stack.json").exists()
    assert odu("status", "--state", tmp_path).returncode == 1


async def test_an_ephemeral_stack_leaves_nothing_behind_after_an_interrupt(tmp_path: Path) -> None:
    with begin("--ephemeral", TMPDIR=str(tmp_path)) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready https://localhost:")
        (state,) = leftovers(tmp_path)
        pids = Stack.load(state).pids

        process.send_signal(signal.SIGINT)

        assert process.wait(WAIT_SECONDS) == 0
    await until_ended(pids)
    assert leftovers(tmp_path) == []


async def test_an_ephemeral_stack_may_be_told_its_folder_and_removes_it(tmp_path: Path) -> None:
    state = tmp_path / "given"
    with begin("--ephemeral", "--state", state) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready https://localhost:")
        pids = Stack.load(state).pids
        process.terminate()
        assert process.wait(WAIT_SECONDS) == 0
    await until_ended(pids)
    assert leftovers(tmp_path) == []


def test_an_ephemeral_stack_never_removes_what_it_has_not_made(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("dear")

    done = odu("up", "--ephemeral", "--state", tmp_path)

    assert done.returncode == 1
    assert "is not empty: --ephemeral would remove what is in it" in done.stderr
    assert kept.read_text() == "dear"


def test_further_instances_are_kept_by_later_starts_with_the_same_state(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    assert kept_instances(state) == ()
    assert keep_instances(state, ["second"]) == ("second",)
    assert keep_instances(state, []) == ("second",)
    assert keep_instances(state, ["third", "second"]) == ("second", "third")
    (tmp_path / "instances.json").write_text("damaged")
    assert kept_instances(state) == ()


def test_stack_ends_everything_when_it_is_stopped_while_it_starts(tmp_path: Path) -> None:
    with begin("--state", tmp_path) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "signing keys" in line:
                break

        process.terminate()

        assert process.wait(WAIT_SECONDS) == 0
    assert nothing_runs(tmp_path)


def test_up_names_the_port_when_it_is_taken(tmp_path: Path) -> None:
    with listen(0) as other:
        port = other.getsockname()[1]
        done = odu("up", "--state", tmp_path, "--port", str(port))

    assert done.returncode == 1
    assert f"port {port} cannot be used: Address already in use" in done.stderr
    assert nothing_runs(tmp_path)


def test_up_gives_up_on_a_part_that_crashes_again_and_again(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-P", "-c", NO_BACK_OFF, "--state", str(tmp_path)],
        env={**import_path(), "ODU_NODE": "/bin/false"},
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=False,
    )

    assert done.returncode == 5
    assert "azurite ended 5 times within 60 s (at last: exit code 1)" in done.stderr
    assert nothing_runs(tmp_path)


@pytest.mark.parametrize("options", [["--sku", "S9"], ["--units", "0"], ["--port", "http"]])
def test_up_refuses_options_that_make_no_sense(tmp_path: Path, options: list[str]) -> None:
    done = odu("up", "--state", tmp_path, *options)

    assert done.returncode == 2
    assert f"argument {options[0]}: invalid" in done.stderr


def test_start_says_why_a_stack_does_not_come_up(tmp_path: Path) -> None:
    with (
        listen(0) as other,
        pytest.raises(Exception, match=r"(?s)did not come up.*port \d+ cannot be used"),
        start(tmp_path, options=["--port", str(other.getsockname()[1])]),
    ):
        pytest.fail("it came up")


def test_down_does_nothing_when_nothing_runs(tmp_path: Path) -> None:
    done = odu("down", "--state", tmp_path)

    assert done.returncode == 0
    assert done.stdout == f"no stack is running in {tmp_path}\n"
