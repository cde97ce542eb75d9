"""A bare handler in a Functions host of its own, beside a stack: the ceiling of requests/s."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from local.stack.certificates import ensure_certificates
from local.stack.errors import StackError
from local.stack.running import REPOSITORY, Stack
from local.stack.state import StateDirectory

BARE_PATH = "/bare"
_APP = Path(__file__).parent / "bare_app"
_START_SECONDS = 30.0


@asynccontextmanager
async def bare_host(stack: Stack) -> AsyncIterator[Stack]:
    """The stack as seen by a client, its endpoint that of the bare host.

    The host is the program that serves the stack, with the same certificate and storage account,
    so that a request differs in nothing but what the function does.

    Raises:
        StackError: The host does not start.
    """
    state = StateDirectory(Path(stack.state))
    certificate = ensure_certificates(state)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "local.cloud.functions_host"),
        *("--app", str(_APP), "--host-id", "bare"),
        *("--keys-file", str(state.path / "bare-keys.json")),
        *("--tls-cert", str(certificate.certificate), "--tls-key", str(certificate.key)),
        cwd=REPOSITORY,
        env={
            **os.environ,
            "AzureWebJobsStorage": stack.storage_connection_string,
            "SSL_CERT_FILE": str(state.trust),
            "REQUESTS_CA_BUNDLE": str(state.trust),
        },
        stdout=PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(_START_SECONDS):
            line = (await process.stdout.readline()).decode()
        if not line.startswith("ready "):
            raise StackError("the bare host did not start; its log is above")
        port = json.loads(line.removeprefix("ready "))["port"]
        yield msgspec.structs.replace(stack, endpoint=f"https://localhost:{port}")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
