"""The agent with the real device SDK, over MQTT, on a hub of its own process."""

from __future__ import annotations

import asyncio
import json
import signal
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from odu_agent import Agent, AgentConfig

from tests.builders.agent_on_hub import _command, _connection_string, _write_config
from tests.integration.agent.conftest import AGENT_FOLDER
from tests.integration.iothub.conftest import DEVICE_KEY, Hub, eventually
from tests.unit.agent.content_server import ContentServer, serving
from tests.unit.agent.fixtures import QUICK, Update, config


@pytest.fixture
async def server() -> AsyncIterator[ContentServer]:
    async with serving() as started:
        yield started


def _config(hub: Hub, device_id: str, folder: Path) -> AgentConfig:
    return config(
        folder,
        connection_string=_connection_string(device_id),
        ca_file=hub.certificates.authority,
        proxy=("127.0.0.1", hub.server.port),
    )


@asynccontextmanager
async def _running(agent: Agent) -> AsyncIterator[None]:
    running = asyncio.create_task(agent.run())
    try:
        yield
    finally:
        await agent.stop()
        await running


async def _desire(hub: Hub, device_id: str, service: dict[str, Any]) -> None:
    await hub.patch(device_id, desired={"deviceUpdate": {"__t": "c", "service": service}})


async def _until_installed(hub: Hub, device_id: str, version: str) -> dict[str, Any]:
    found: dict[str, Any] = {}

    async def is_installed() -> bool:
        twin = await hub.service("get_twin", device_id)
        agent = twin.properties.reported.get("deviceUpdate", {}).get("agent", {})
        found.update(agent)
        installed = json.loads(agent.get("installedUpdateId", "{}"))
        return agent.get("state") == 0 and installed.get("version") == version

    async with asyncio.timeout(90):
        while True:
            try:
                await eventually(is_installed)
            except TimeoutError:
                continue
            return found


async def test_agents_install_what_the_hub_desires(
    agent_hub: Hub, server: ContentServer, tmp_path: Path
) -> None:
    ids = [await agent_hub.new_device("agent") for _ in range(3)]
    agents = [Agent(_config(agent_hub, name, tmp_path / name), limits=QUICK) for name in ids]
    await _desire(agent_hub, ids[0], Update(server).service("before"))

    async with _running(agents[0]), _running(agents[1]), _running(agents[2]):
        await _until_installed(agent_hub, ids[0], "1.0")
        for name in ids:
            await agent_hub.state(name, "Connected")
            await _desire(agent_hub, name, Update(server, "2.0").service(f"two-{name}"))
        reports = [await _until_installed(agent_hub, name, "2.0") for name in ids]

    assert [report["workflow"]["id"] for report in reports] == [f"two-{name}" for name in ids]
    assert all(report["deviceProperties"]["model"] == "vacuum" for report in reports)


async def test_agent_follows_the_hub_again_after_the_connection_was_lost(
    agent_hub: Hub, server: ContentServer, tmp_path: Path
) -> None:
    name = await agent_hub.new_device("agent")

    async with _running(Agent(_config(agent_hub, name, tmp_path), limits=QUICK)):
        await _desire(agent_hub, name, Update(server).service("one"))
        await _until_installed(agent_hub, name, "1.0")
        await agent_hub.faults(dropConnections=True)
        await _desire(agent_hub, name, Update(server, "2.0").service("two"))
        report = await _until_installed(agent_hub, name, "2.0")

    assert report["workflow"]["id"] == "two"


async def test_command_runs_an_agent_until_it_is_told_to_end(
    agent_hub: Hub, server: ContentServer, tmp_path: Path
) -> None:
    name = await agent_hub.new_device("agent")
    await _desire(agent_hub, name, Update(server).service("w"))

    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "odu_agent",
        "--config",
        str(_write_config(agent_hub, name, tmp_path)),
        env={"PYTHONPATH": str(AGENT_FOLDER), "PATH": ""},
        stderr=asyncio.subprocess.PIPE,
    )
    await _until_installed(agent_hub, name, "1.0")
    process.send_signal(signal.SIGTERM)
    _, errors = await asyncio.wait_for(process.communicate(), 20)

    assert process.returncode == 0
    assert b"completed" in errors
    assert DEVICE_KEY.encode() not in errors
    assert b"Traceback" not in errors


async def test_two_halves_install_together(
    agent_hub: Hub, server: ContentServer, tmp_path: Path
) -> None:
    name = await agent_hub.new_device("halves")
    contents = {"f1": b"payload one", "f2": b"payload two" * 1000}
    await _desire(agent_hub, name, Update(server, contents=contents).service("w"))
    path = _write_config(agent_hub, name, tmp_path, installerSocket="run/installer.sock")

    async with _command("installer", path) as installer, _command("run", path) as network:
        report = await _until_installed(agent_hub, name, "1.0")
        network.send_signal(signal.SIGTERM)
        installer.send_signal(signal.SIGTERM)
        codes = [await asyncio.wait_for(half.wait(), 30) for half in (network, installer)]

    assert codes == [0, 0]
    assert report["lastInstallResult"]["extendedResultCodes"] == "00000000,A0000008"
    records = json.loads((tmp_path / "installer" / "workflows.json").read_text())
    assert records["ended"][0]["outcome"]["resultCode"] == 700
    assert not list((tmp_path / "data" / "downloads").iterdir()), "no copy is left behind"
    assert stat.S_IMODE((tmp_path / "run" / "installer.sock").stat().st_mode) == 0o600


async def test_check_says_that_all_is_well_and_what_is_not(
    agent_hub: Hub, server: ContentServer, tmp_path: Path
) -> None:
    name = await agent_hub.new_device("checked")
    path = _write_config(agent_hub, name, tmp_path)
    path.chmod(0o600)

    well = await _check(path)
    await _desire(agent_hub, name, Update(server).service("w"))
    with_command = await _check(path)
    foreign = await _check(_changed(path, rootKeysFile="foreign.json"))
    no_authority = await _check(_changed(path, caFile=None))
    wrong_key = await _check(_changed(path, key="d3Jvbmc="))
    no_proxy = await _check(_changed(path, proxy="127.0.0.1:9"))
    no_installer = await _check(_changed(path, installerSocket="nobody.sock"))
    nonsense = await _check(_changed(path, compatPropertyNames=7))

    assert well[0] == 0, well[1]
    assert "ok    hub: connected as " + name in well[1]
    assert "ok    root key package of the service: version 1" in with_command[1]
    assert (foreign[0], "FAULT root key package of the service" in foreign[1]) == (1, True)
    assert "FAULT hub: the certificate does not hold" in no_authority[1]
    assert "caFile must hold" in no_authority[1]
    assert "FAULT hub: the hub does not accept the device's credentials" in wrong_key[1]
    assert "does the proxy 127.0.0.1:9 answer" in no_proxy[1]
    assert "odu-agent-installer.socket" in no_installer[1]
    assert (nonsense[0], nonsense[1].count("\n")) == (2, 2)
    assert DEVICE_KEY not in "".join(output for _, output in (well, wrong_key, nonsense))


def _changed(path: Path, *, key: str | None = None, **changes: Any) -> Path:
    """Another configuration beside one, without the members that are None."""
    members = json.loads(path.read_text()) | changes
    if key is not None:
        source = members["agents"][0]["connectionSource"]
        source["connectionData"] = source["connectionData"].replace(DEVICE_KEY, key)
    foreign = {"root.1": json.loads((path.parent / "roots.json").read_text())["root.2"]}
    (path.parent / "foreign.json").write_text(json.dumps(foreign))
    other = path.with_name("other.json")
    present = {name: value for name, value in members.items() if value is not None}
    other.write_text(json.dumps(present))
    other.chmod(0o600)
    return other


async def _check(path: Path) -> tuple[int, str]:
    async with _command("check", path, stdout=asyncio.subprocess.PIPE) as process:
        output, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode is not None
    return process.returncode, output.decode()
