"""A real Azurite as a child process of a test: blobs, queues and tables on free ports."""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.processes import ROOT, START_SECONDS, STOP_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

PROGRAM = ROOT / "local/node_modules/azurite/dist/src/azurite.js"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The account and key that every Azurite has; documented, so no secret."""

_LISTENING = re.compile(r"Azurite (Blob|Queue|Table) service .* listening at (http://\S+)")


@dataclass(frozen=True, slots=True)
class Azurite:
    """A running Azurite."""

    connection_string: str


@asynccontextmanager
async def start_azurite(
    folder: Path,
    *,
    account: tuple[str, str] = (ACCOUNT, KEY),
    kept_in: Path | None = None,
) -> AsyncIterator[Azurite]:
    """Run Azurite within the block.

    Args:
        folder: Where it runs.
        account: Name and key.
        kept_in: Where it keeps everything; in memory if None.
    """
    keeping = ("--location", str(kept_in)) if kept_in else ("--inMemoryPersistence",)
    process = await asyncio.create_subprocess_exec(
        "node",
        str(PROGRAM),
        *keeping,
        *("--blobHost", "127.0.0.1", "--queueHost", "127.0.0.1", "--tableHost", "127.0.0.1"),
        *("--blobPort", "0", "--queuePort", "0", "--tablePort", "0"),
        *("--tableKeepAliveTimeout", "60"),
        *("--skipApiVersionCheck", "--disableTelemetry", "--silent"),
        cwd=folder,
        env={**os.environ, "AZURITE_ACCOUNTS": ":".join(account)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    drain: asyncio.Task[bytes] | None = None
    try:
        async with asyncio.timeout(START_SECONDS):
            endpoints = await _endpoints(process.stdout)
        drain = asyncio.create_task(process.stdout.read())
        yield Azurite(
            f"DefaultEndpointsProtocol=http;AccountName={account[0]};AccountKey={account[1]};"
            + ";".join(f"{name}Endpoint={url}/{account[0]}" for name, url in endpoints.items())
        )
        if kept_in:
            process.terminate()  # it writes what it has
            async with asyncio.timeout(STOP_SECONDS):
                await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        if drain is not None:
            await drain


async def _endpoints(output: asyncio.StreamReader) -> dict[str, str]:
    endpoints: dict[str, str] = {}
    lines = []
    while len(endpoints) < 3:
        line = (await output.readline()).decode()
        if not line:
            raise AssertionError(f"Azurite did not start: {''.join(lines)}")
        lines.append(line)
        if found := _LISTENING.search(line):
            endpoints[found[1]] = found[2]
    return endpoints
