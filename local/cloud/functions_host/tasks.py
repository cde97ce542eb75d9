"""Background tasks that nobody awaits but whose failure is never lost, and pauses that grow."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from typing import Any

_logger = logging.getLogger(__name__)


class TaskSet:
    """Tasks that live until they end, are drained or are cancelled."""

    def __init__(self, on_failure: Callable[[str, BaseException], None]) -> None:
        """Call `on_failure` with the name and the error of any task that fails unobserved."""
        self._on_failure = on_failure
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
        """Run a coroutine in the background."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def finish[R](self, work: Coroutine[Any, Any, R], name: str) -> R:
        """Run a coroutine that goes on to its end even when the caller is cancelled meanwhile.

        Its error is the caller's to handle; after a cancellation it is only logged.
        """
        task: asyncio.Task[R] = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_log_failure)
            raise

    async def drain(self, seconds: float) -> None:
        """Wait until all tasks have ended, at most for some seconds."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=seconds)

    async def cancel(self) -> None:
        """Cancel all tasks and wait until they have ended."""
        tasks = set(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_failure(task.get_name(), error)


def _log_failure(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _logger.error("%s failed while the host was stopping: %r", task.get_name(), error)


class Backoff:
    """Pauses that double from `shortest` to `longest` seconds, a little spread."""

    def __init__(self, shortest: float, longest: float) -> None:
        self._shortest = shortest
        self._longest = longest
        self._next = shortest

    def reset(self) -> None:
        """Start again from the shortest pause."""
        self._next = self._shortest

    def pause(self) -> float:
        """Return the length of the next pause in seconds."""
        length = self._next
        self._next = min(self._longest, self._next * 2)
        return min(self._longest, length * random.uniform(0.8, 1.2))  # noqa: S311 - not a secret
