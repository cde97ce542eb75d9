"""Real servers of the local stack as child processes of a test."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections import deque
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

ROOT = Path(__file__).parent.parent
START_SECONDS = 180
STOP_SECONDS = 15
LOG_LINES = 2_000


class Server:
    """A running server: its port, its log and the means to end it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.port = 0
        self._lines: deque[str] = deque(maxlen=LOG_LINES)
        self._grown = asyncio.Condition()
        self._drain = asyncio.create_task(self._read_log())

    @property
    def url(self) -> str:
        """Base address, without a slash at the end."""
        return f"https://localhost:{self.port}"

    @property
    def log(self) -> str:
        """The last lines that the server wrote to stderr."""
        return "".join(self._lines)

    async def wait_until_ready(self) -> None:
        """Read the ready line; fail with the server's log if it ends or stays silent."""
        assert self.process.stdout is not None
        async with asyncio.timeout(START_SECONDS):
            line = (await self.process.stdout.readline()).decode()
        if not line.startswith("ready "):
            await self.kill()
            raise AssertionError(f"the server said {line!r} instead of being ready: {self.log}")
        self.port = json.loads(line.removeprefix("ready "))["port"]

    async def wait_for_log(self, text: str, seconds: float = 10) -> None:
        """Wait until the log holds a text."""
        async with asyncio.timeout(seconds), self._grown:
            await self._grown.wait_for(lambda: text in self.log)

    async def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        if self.process.returncode is None:
            self.process.terminate()
        async with asyncio.timeout(STOP_SECONDS):
            return await self._ended()

    async def kill(self) -> None:
        """Send SIGKILL and wait for the end."""
        if self.process.returncode is None:
            self.process.kill()
        await self._ended()

    async def loosen_leash(self) -> int:
        """Close the server's standard input and return the exit code."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        async with asyncio.timeout(STOP_SECONDS):
            return await self._ended()

    async def _ended(self) -> int:
        code = await self.process.wait()
        await self._drain
        return code

    async def _read_log(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self._lines.append(line.decode(errors="replace"))
            async with self._grown:
                self._grown.notify_all()


@asynccontextmanager
async def start_server(
    module: str,
    *args: str | Path,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> AsyncIterator[Server]:
    """Run `python -m module args`, wait for its ready line, and end it at the end of the block.

    Args:
        module: package or module to run.
        args: its command line, with the TLS arguments; `--leash` is added.
        env: environment variables besides the inherited ones.
        pass_fds: descriptors that the server inherits (`--socket-fd`).
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *map(str, args),
        "--leash",
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        pass_fds=pass_fds,
    )
    server = Server(process)
    try:
        await server.wait_until_ready()
        yield server
        await server.stop()
    finally:
        await server.kill()
