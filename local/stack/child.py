"""One child process: started on its leash, logged, waited for, ended."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from local.stack.leash import die_with_parent
from local.stack.logs import RotatingLog

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PYTHON_READY = re.compile(r"^ready (\{.*\})$", re.MULTILINE)
_READ_BYTES = 64 * 1024
_MAXIMUM_PREAMBLE = 1024 * 1024
"""Characters of output in which the announcement is looked for."""


@dataclass(frozen=True, slots=True)
class Part:
    """How one part of the stack is run.

    It is ready once it has printed `announcements` matches of `ready`. `settings` are added to the
    environment; `descriptors` are inherited; `group` is the process group it joins, 0 one of its
    own: never the supervisor's, for whom alone Ctrl-C is.
    """

    name: str
    argv: tuple[str, ...]
    log: Path
    settings: Mapping[str, str] = field(default_factory=dict, repr=False)
    descriptors: tuple[int, ...] = ()
    group: int = 0
    ready: re.Pattern[str] = PYTHON_READY
    announcements: int = 1


class Child:
    """A running process of a part."""

    def __init__(self, part: Part, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._part = part
        self._announced: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self._preamble = ""
        self._logging = asyncio.create_task(self._log_output())

    @classmethod
    async def start(cls, part: Part, cwd: Path) -> Child:
        """Start a part."""
        process = await asyncio.create_subprocess_exec(
            *part.argv,
            cwd=cwd,
            env={**os.environ, **part.settings},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=part.descriptors,
            process_group=part.group,
            preexec_fn=die_with_parent,
        )
        return cls(part, process)

    @property
    def pid(self) -> int:
        """The process id."""
        return self._process.pid

    async def announced(self) -> list[str] | None:
        """Wait until the part is ready and return its announcements; None if it ended before."""
        await asyncio.wait((self._announced, self._logging), return_when=asyncio.FIRST_COMPLETED)
        return self._announced.result() if self._announced.done() else None

    async def ended(self) -> int:
        """Wait until the process has ended and its output is logged; return its exit code."""
        await asyncio.shield(self._logging)
        return await self._process.wait()

    async def stop(self, grace_seconds: float) -> None:
        """End the process: SIGTERM, and SIGKILL once the grace is over."""
        self._signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.ended(), grace_seconds)
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self.ended()

    def _signal(self, signum: signal.Signals) -> None:
        if self._process.returncode is None:
            self._process.send_signal(signum)

    async def _log_output(self) -> None:
        assert self._process.stdout is not None
        log = RotatingLog(self._part.log)
        try:
            while data := await self._process.stdout.read(_READ_BYTES):
                log.write(data)
                if not self._announced.done():
                    self._look_for_announcements(data)
        finally:
            log.close()

    def _look_for_announcements(self, data: bytes) -> None:
        self._preamble += data.decode(errors="replace")
        complete = self._preamble[: self._preamble.rfind("\n") + 1]
        found = [match[0] for match in self._part.ready.finditer(complete)]
        if len(found) >= self._part.announcements:
            self._announced.set_result(found)
            self._preamble = ""
        self._preamble = self._preamble[-_MAXIMUM_PREAMBLE:]
