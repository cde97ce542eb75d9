"""The way of the reference device to the service and its content: Debian's tinyproxy on loopback.

Links of the stack name this host as `localhost` or `127.0.0.1`, which is another machine for the
device; a proxy is where these names mean this one.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from local.lab.commands import LabError, program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

_LOOPBACK = "127.0.0.1"
_START_SECONDS = 60.0
_LOOK_SECONDS = 0.05
# What it logs at other levels names links, which hold signatures.
_CONFIGURATION = """\
Listen {address}
Port {port}
Timeout 600
MaxClients 100
LogLevel Critical
DisableViaHeader Yes
"""


@asynccontextmanager
async def proxy(folder: Path) -> AsyncIterator[int]:
    """Run a proxy; gives its port on loopback.

    Raises:
        LabError: It does not start.
    """
    port = _free_port()
    file = folder / "tinyproxy.conf"
    file.write_text(_CONFIGURATION.format(address=_LOOPBACK, port=port))
    process = await asyncio.create_subprocess_exec(program("tinyproxy"), "-d", "-c", str(file))
    try:
        async with asyncio.timeout(_START_SECONDS):
            await _listening(process, port)
        yield port
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def _listening(process: asyncio.subprocess.Process, port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection(_LOOPBACK, port)
        except OSError:
            if process.returncode is not None:
                raise LabError(f"tinyproxy ended with exit code {process.returncode}") from None
            await asyncio.sleep(_LOOK_SECONDS)
        else:
            writer.close()
            await writer.wait_closed()
            return


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port
