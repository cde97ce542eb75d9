"""A second Functions host on the storage of a running stack, as Azure adds instances of an app."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from local.stack.errors import StackError
from local.stack.running import Stack

_READY = "ready "
_OF_THE_SUPERVISOR = ("--leash", "--socket-fd")


@asynccontextmanager
async def second_host(
    stack: Stack, command: Sequence[str] = (), **settings: str
) -> AsyncIterator[Stack]:
    """Run a host like the stack's own, on a port of its own, while the block lasts; the stack as
    its clients see it. `command` and `settings` are those that differ.

    Raises:
        StackError: It does not start.
    """
    process = await asyncio.create_subprocess_exec(
        *(command or host_command(stack)),
        env={**host_settings(stack), **settings},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        line = (await process.stdout.readline()).decode()
        if not line.startswith(_READY):
            raise StackError("the second Functions host does not start")
        port = json.loads(line.removeprefix(_READY))["port"]
        yield msgspec.structs.replace(stack, endpoint=f"https://localhost:{port}")
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


def host_settings(stack: Stack) -> dict[str, str]:
    """The environment of the stack's own host. Holds secrets: never print it."""
    entries = _of_the_host(stack, "environ")
    return dict(each.split("=", 1) for each in entries if "=" in each)


def host_command(stack: Stack) -> list[str]:
    """The command line of the stack's own host, without what ties it to its supervisor, on a port
    of its own.
    """
    kept, skip = [], False
    for word in _of_the_host(stack, "cmdline"):
        if not skip and word not in _OF_THE_SUPERVISOR:
            kept.append(word)
        skip = word == "--socket-fd"
    return [*kept, "--port", "0"]


def _of_the_host(stack: Stack, what: str) -> list[str]:
    file = Path("/proc") / str(stack.pids["host"]) / what
    return file.read_text().rstrip("\0").split("\0")
