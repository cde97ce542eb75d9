"""A second Functions host on the storage of a running stack, as Azure adds instances of an app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from local.stack.errors import StackError
from local.stack.running import Stack

_OF_THE_SUPERVISOR = ("--leash", "--socket-fd")


@asynccontextmanager
async def second_host(stack: Stack) -> AsyncIterator[None]:
    """Run a host like the stack's own, on a port of its own, while the block lasts.

    Raises:
        StackError: It does not start.
    """
    first = Path("/proc") / str(stack.pids["host"])
    settings = dict(
        each.split("=", 1) for each in (first / "environ").read_text().split("\0") if "=" in each
    )
    process = await asyncio.create_subprocess_exec(
        *_command((first / "cmdline").read_text().rstrip("\0").split("\0")),
        env=settings,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        if not await process.stdout.readline():
            raise StackError("the second Functions host does not start")
        yield
    finally:
        if process.returncode is None:
            process.terminate()
        await process.communicate()


def _command(first: list[str]) -> list[str]:
    """The first host's command line without what ties it to its supervisor."""
    kept, skip = [], False
    for word in first:
        if not skip and word not in _OF_THE_SUPERVISOR:
            kept.append(word)
        skip = word == "--socket-fd"
    return [*kept, "--port", "0"]
