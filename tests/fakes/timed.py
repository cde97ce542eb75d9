"""Time that a test lets pass: a clock that is set, queues whose messages wait, a loop that never
waits.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import selectors
from collections.abc import Callable
from datetime import datetime, timedelta

from shared import messages
from tests.fakes.clock import FixedClock
from tests.fakes.storage import MemoryQueues, Message

START = "2026-03-02T08:00:00.000000+00:00"


class StillClock(FixedClock):
    """A clock that stands still until it is set, but for a microsecond a look."""

    def __init__(self, start: str) -> None:
        super().__init__(start, step_seconds=0.000001)

    @property
    def moment(self) -> datetime:
        return self._now

    def set(self, moment: datetime) -> None:
        self._now = max(self._now, moment)


class TimedQueues(MemoryQueues):
    """Messages by the time at which they are due; `lose` says which are lost, `double` which come
    twice, `late` how many seconds later one comes.
    """

    def __init__(self, clock: StillClock) -> None:
        super().__init__()
        self._clock = clock
        self._number = itertools.count()
        self.waiting: list[tuple[datetime, int, Message]] = []
        self.lose: Callable[[Message], bool] = lambda _: False
        self.double: Callable[[Message], bool] = lambda _: False
        self.late: Callable[[Message], float] = lambda _: 0.0
        self.count = 0

    async def put(self, message: messages.Message, *, delay_seconds: float = 0) -> None:
        await super().put(message, delay_seconds=delay_seconds)
        made = self.messages.pop()
        self.count += 1
        if self.lose(made):
            return
        for _ in range(2 if self.double(made) else 1):
            self.put_back(made, delay_seconds + self.late(made))

    def put_back(self, message: Message, seconds: float) -> None:
        due = self._clock.moment + timedelta(seconds=seconds)
        heapq.heappush(self.waiting, (due, next(self._number), message))


class InstantLoop(asyncio.SelectorEventLoop):
    """An event loop in which every wait is over at once: its time jumps to the next timer."""

    def __init__(self) -> None:
        self._ahead = 0.0
        super().__init__(_Jumping(self))

    def time(self) -> float:
        return super().time() + self._ahead

    def jump(self, seconds: float) -> None:
        """Let time go on."""
        self._ahead += seconds


class _Jumping(selectors.SelectSelector):
    def __init__(self, loop: InstantLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(
        self, timeout: float | None = None
    ) -> list[tuple[selectors.SelectorKey, selectors._EventMask]]:
        if timeout is None:
            return super().select()
        if timeout > 0:
            self._loop.jump(timeout)
        return []
