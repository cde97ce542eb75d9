"""Builders and looks that tests of agent on hub share."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from odu_agent.contract.encoding import b64url

from tests.integration.agent.conftest import AGENT_FOLDER
from tests.integration.iothub.conftest import DEVICE_KEY, Hub
from tests.unit.agent.fixtures import root_keys


def _connection_string(device_id: str) -> str:
    return f"HostName=localhost;DeviceId={device_id};SharedAccessKey={DEVICE_KEY}"


@asynccontextmanager
async def _command(
    command: str, path: Path, **options: Any
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run `odu-agent` in a process that does not outlive the block."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "odu_agent", command, "--config", str(path)),
        env={"PYTHONPATH": str(AGENT_FOLDER), "PATH": ""},
        **options,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _write_config(hub: Hub, device_id: str, folder: Path, **changes: Any) -> Path:
    keys = {kid: {"n": b64url(key.n), "e": key.e} for kid, key in root_keys().items()}
    (folder / "roots.json").write_text(json.dumps(keys))
    members = {
        "manufacturer": "Contoso",
        "model": "Vacuum",
        "rootKeysFile": "roots.json",
        "caFile": str(hub.certificates.authority),
        "proxy": f"127.0.0.1:{hub.server.port}",
        "dataFolder": "data",
        "installerDataFolder": "installer",
        "simulator": True,
        "agents": [
            {
                "manufacturer": "contoso",
                "model": "vacuum",
                "connectionSource": {
                    "connectionType": "string",
                    "connectionData": _connection_string(device_id),
                },
            }
        ],
    }
    path = folder / "du-config.json"
    path.write_text(json.dumps(members | changes))
    return path
