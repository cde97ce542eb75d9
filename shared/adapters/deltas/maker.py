"""The service's side of making deltas: one process at a time, ended when it takes too long."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.domain.errors import DependencyFailed
from shared.ports import MadeDelta

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Awaitable, Callable

SECONDS = 900.0
_PASSED_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TMPDIR", "COVERAGE_PROCESS_CONFIG")


class ZstdDeltaMaker:
    """Implements `ports.DeltaMaker`.

    A delta takes as much memory as both files and 300 MiB; files are bounded by the caller.

    Args:
        seconds: How long one may take.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        self._seconds = seconds
        self._turn = asyncio.Lock()

    async def make(
        self,
        source: Path,
        target: Path,
        delta: Path,
        *,
        most_bytes: int,
        on_progress: Callable[[int], Awaitable[None]] | None = None,
    ) -> MadeDelta:
        """See the port; waiting for its turn is not counted."""
        async with self._turn:
            process = await _started(source, target, delta, str(most_bytes))
            said = await self._listen(process, on_progress)
        if "failed" in said:
            raise _failed(str(said["failed"]), retryable=False)
        return MadeDelta(said["sizeBytes"], said.get("sha256"))

    async def _listen(
        self, process: Process, on_progress: Callable[[int], Awaitable[None]] | None
    ) -> dict[str, Any]:
        """What the process says at last: an object a line, before it how far it has come."""
        assert process.stdout is not None
        output = b""
        try:
            async with asyncio.timeout(self._seconds):
                async for output in process.stdout:
                    if on_progress is not None and b"doneBytes" in output:
                        await on_progress(json.loads(output)["doneBytes"])
                await process.wait()
        except TimeoutError:
            raise _failed(f"it takes more than {self._seconds:g} s", retryable=False) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        try:
            said = json.loads(output)
        except ValueError:
            raise _failed("its process ended early") from None
        assert isinstance(said, dict)
        if process.returncode != 0 or "doneBytes" in said:
            raise _failed("its process ended early")
        return said


async def _started(*arguments: Path | str) -> Process:
    environment = {name: os.environ[name] for name in _PASSED_ENVIRONMENT if name in os.environ}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "shared.adapters.deltas.worker",
        *map(str, arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        env={**environment, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )


def _failed(reason: str, *, retryable: bool = True) -> DependencyFailed:
    return DependencyFailed(
        f"The delta was not made: {reason}.", code="DeltaNotMade", retryable=retryable
    )
