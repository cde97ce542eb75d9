"""Keeps one part running: restarts it with back-off when it crashes, until that is futile."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Protocol

from local.stack.child import Child, Part
from local.stack.errors import GaveUp
from local.stack.logs import tail

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

FIRST_BACK_OFF_SECONDS = 0.5
LONGEST_BACK_OFF_SECONDS = 8.0
CRASHES_TO_GIVE_UP = 5
CRASH_WINDOW_SECONDS = 60.0
READY_SECONDS = 60.0
"""Time that a part gets to become ready; one that does not has crashed."""
STOP_SECONDS = 15.0
"""Time that a part gets to end on SIGTERM."""


class Progress(Protocol):
    """Where the stack tells what it does."""

    def done(self, what: str, seconds: float, where: str) -> None:
        """One part is ready, after some seconds."""

    def note(self, text: str) -> None:
        """Something else worth a line."""


class Keeper:
    """Runs one part until it is told to stop."""

    def __init__(
        self, part: Part, cwd: Path, progress: Progress, on_restart: Callable[[], None]
    ) -> None:
        self.part = part
        """What is run at the next restart; may be replaced."""
        self.pid: int | None = None
        self._cwd = cwd
        self._progress = progress
        self._on_restart = on_restart
        self._stopping = asyncio.Event()
        self._grace_seconds = STOP_SECONDS
        self._crashes: deque[float] = deque()
        self._first: asyncio.Future[list[str]] = asyncio.get_running_loop().create_future()
        self.task = asyncio.create_task(self._run())
        """Ends when the part was stopped; fails with `GaveUp` when it is not worth restarting."""

    async def ready(self) -> list[str]:
        """Wait until the part is ready for the first time and return its announcements.

        Never returns when the part gives up or is stopped before: `task` tells.
        """
        return await asyncio.shield(self._first)

    async def stop(self, grace_seconds: float = STOP_SECONDS) -> None:
        """End the part, and wait for it."""
        self._grace_seconds = grace_seconds
        self._stopping.set()
        await asyncio.wait((self.task,))

    async def _run(self) -> None:
        while not self._stopping.is_set():
            child = await Child.start(self.part, self._cwd)
            self.pid = child.pid
            reason = await self._watch(child)
            self.pid = None
            if not self._stopping.is_set():
                await self._back_off(reason)

    async def _watch(self, child: Child) -> str:
        """Wait for the end of a child, ending it oneself on demand; return how it ended."""
        life = asyncio.create_task(self._live(child))
        stop = asyncio.create_task(self._stopping.wait())
        await asyncio.wait((life, stop), return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if not life.done():
            await child.stop(self._grace_seconds)
        return await life

    async def _live(self, child: Child) -> str:
        try:
            announcements = await asyncio.wait_for(child.announced(), READY_SECONDS)
        except TimeoutError:
            if not self._stopping.is_set():
                await child.stop(0)
            return f"it was not ready within {READY_SECONDS:.0f} s"
        if announcements is not None and not self._stopping.is_set():
            if self._first.done():
                self._progress.note(f"{self.part.name} runs again")
                self._on_restart()
            else:
                self._first.set_result(announcements)
        return _describe(await child.ended())

    async def _back_off(self, reason: str) -> None:
        now = time.monotonic()
        self._crashes.append(now)
        while self._crashes[0] < now - CRASH_WINDOW_SECONDS:
            self._crashes.popleft()
        count = len(self._crashes)
        if count >= CRASHES_TO_GIVE_UP:
            raise GaveUp(
                f"{self.part.name} ended {count} times within {CRASH_WINDOW_SECONDS:.0f} s"
                f" (at last: {reason}); the end of {self.part.log}:\n{tail(self.part.log)}"
            )
        delay = min(FIRST_BACK_OFF_SECONDS * 2 ** (count - 1), LONGEST_BACK_OFF_SECONDS)
        self._progress.note(
            f"{self.part.name} ended unexpectedly ({reason}); restarting in {delay:g} s"
        )
        try:
            await asyncio.wait_for(self._stopping.wait(), delay)
        except TimeoutError:
            return


def _describe(code: int) -> str:
    return f"killed by signal {-code}" if code < 0 else f"exit code {code}"
