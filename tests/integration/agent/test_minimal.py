"""The minimal client that device makers port, against the hub stand-in."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from odu_agent.contract.encoding import b64url

from tests.integration.agent.conftest import AGENT_FOLDER
from tests.integration.iothub.conftest import DEVICE_KEY, Hub
from tests.unit.agent.content_server import ContentServer, serving
from tests.unit.agent.fixtures import Update, root_keys

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MINIMAL = AGENT_FOLDER / "minimal" / "minimal_agent.py"


@pytest.fixture
async def server() -> AsyncIterator[ContentServer]:
    async with serving() as started:
        yield started


@asynccontextmanager
async def _running(hub: Hub, name: str, folder: Path) -> AsyncIterator[None]:
    keys = {kid: {"n": b64url(key.n), "e": key.e} for kid, key in root_keys().items()}
    (folder / "roots.json").write_text(json.dumps(keys))
    installer = folder / "install.sh"
    installer.write_text(f'#!/bin/sh\ncat "$@" >> {folder}/installed\n')
    installer.chmod(0o755)
    options = {
        "host": hub.host,
        "device": name,
        "key": DEVICE_KEY,
        "roots": folder / "roots.json",
        "manufacturer": "contoso",
        "model": "vacuum",
        "install": installer,
        "ca": hub.certificates.authority,
        "data": folder / "data",
    }
    arguments = [str(part) for key, value in options.items() for part in (f"--{key}", value)]
    process = await asyncio.create_subprocess_exec(sys.executable, "-I", str(MINIMAL), *arguments)
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def _deploy(hub: Hub, name: str, service: dict[str, Any]) -> None:
    await hub.patch(name, desired={"deviceUpdate": {"__t": "c", "service": service}})


async def _agent_of(hub: Hub, name: str, workflow_id: str) -> dict[str, Any]:
    """What the device reports once a workflow has ended."""
    async with asyncio.timeout(90):
        while True:
            twin = await hub.service("get_twin", name)
            agent: dict[str, Any] = twin.properties.reported.get("deviceUpdate", {}).get(
                "agent", {}
            )
            is_own = agent.get("workflow", {}).get("id") == workflow_id
            if is_own and agent["state"] != 6 and agent.get("deviceProperties"):
                return agent
            await asyncio.sleep(0.05)


async def test_minimal_client_introduces_itself_installs_once_and_refuses_a_forged_update(
    agent_hub: Hub, server: ContentServer, tmp_path: Path
) -> None:
    name = await agent_hub.new_device("minimal")
    async with _running(agent_hub, name, tmp_path):
        await _deploy(agent_hub, name, Update(server).service("one"))
        installed = await _agent_of(agent_hub, name, "one")
        forged = Update(server, "2.0").service("two")
        forged["updateManifest"] = forged["updateManifest"].replace('"2.0"', '"3.0"')
        await _deploy(agent_hub, name, forged)
        refused = await _agent_of(agent_hub, name, "two")
    async with _running(agent_hub, name, tmp_path):
        await _deploy(agent_hub, name, Update(server, "4.0", {"f1": b" and four"}).service("four"))
        again = await _agent_of(agent_hub, name, "four")

    assert installed["installedUpdateId"] == (
        '{"provider":"Contoso","name":"Vacuum","version":"1.0"}'
    )
    assert installed["deviceProperties"]["model"] == "vacuum"
    assert (installed["state"], installed["lastInstallResult"]["resultCode"]) == (0, 700)
    assert (refused["state"], refused["lastInstallResult"]["extendedResultCodes"]) == (
        255,
        "80300001",
    )
    assert again["state"] == 0
    assert (tmp_path / "installed").read_bytes() == b"payload one and four"


def test_minimal_client_is_small_and_needs_nothing_but_python() -> None:
    lines = MINIMAL.read_text().splitlines()
    imports = {
        line.split()[1].split(".")[0] for line in lines if line.startswith(("import", "from"))
    }

    assert len(lines) < 400
    assert imports - {"__future__"} <= sys.stdlib_module_names
