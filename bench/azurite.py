"""An Azurite of a benchmark's own: in memory, on free ports, with the tables and queues made."""

from __future__ import annotations

import asyncio
import base64
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from local.stack.azurite import (
    ACCOUNT,
    KEEP_ALIVE_SECONDS,
    SERVICES,
    announced_ports,
    connection_string,
)
from local.stack.errors import StackError
from local.stack.provision import provision

_PROGRAM = Path(__file__).parents[1] / "local/node_modules/azurite/dist/src/azurite.js"
_START_SECONDS = 60.0


@asynccontextmanager
async def azurite() -> AsyncIterator[str]:
    """Run Azurite within the block; its connection string.

    Raises:
        StackError: it is not installed or does not start.
    """
    node = os.environ.get("ODU_NODE") or shutil.which("node")
    if node is None or not _PROGRAM.exists():
        raise StackError("Azurite is not installed; ./odu installs it")
    key = base64.b64encode(secrets.token_bytes(32)).decode()
    argv = [node, str(_PROGRAM), "--inMemoryPersistence", "--silent", "--disableTelemetry"]
    argv.append("--skipApiVersionCheck")
    for service in SERVICES:
        argv += [f"--{service}Host", "127.0.0.1", f"--{service}Port", "0"]
        argv += [f"--{service}KeepAliveTimeout", KEEP_ALIVE_SECONDS]
    with tempfile.TemporaryDirectory(prefix="odu-bench-") as folder:
        process = await asyncio.create_subprocess_exec(
            *argv,
            cwd=folder,
            env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{key}"},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        try:
            ports = await _ports(process)
            address = connection_string(key, ports)
            await asyncio.to_thread(provision, address)
            yield address
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()


async def _ports(process: asyncio.subprocess.Process) -> dict[str, int]:
    assert process.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(_START_SECONDS):
        while len(ports := announced_ports(lines)) < len(SERVICES):
            line = await process.stdout.readline()
            if not line:
                raise StackError(f"Azurite did not start: {''.join(lines)}")
            lines.append(line.decode())
    return ports
