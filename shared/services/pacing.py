"""Keeps commands below the hub's budget for twin updates.

The devices' own reports draw on the same budget, so commands get a small share of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

DEFAULT_PUSH_BACK_SECONDS = 5.0


@dataclass(slots=True)
class Pacer:
    """Spaces the commands of this process to each instance's hub evenly.

    `now` tells seconds that only grow, `sleep` waits for so many.
    """

    per_second: float
    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _next: dict[str, float] = field(default_factory=dict, init=False)
    _held: dict[str, int] = field(default_factory=dict, init=False)
    _until: dict[str, float] = field(default_factory=dict, init=False)

    async def turn(self, instance: str) -> None:
        """Wait until the next command may leave. A turn that was taken before the hub pushed back
        is void: whoever waits for it takes another.
        """
        while True:
            held = self._held.get(instance, 0)
            now = self.now()
            turn = max(now, self._next.get(instance, 0.0))
            self._next[instance] = turn + 1 / self.per_second
            if turn > now:
                await self.sleep(turn - now)
            if held == self._held.get(instance, 0):
                return

    def push_back(self, instance: str, seconds: float | None) -> None:
        """Hold all commands back because the hub is throttling, those that wait as well."""
        wait = seconds if seconds is not None else DEFAULT_PUSH_BACK_SECONDS
        until = max(self._until.get(instance, 0.0), self.now() + wait)
        self._next[instance] = self._until[instance] = until
        self._held[instance] = self._held.get(instance, 0) + 1
