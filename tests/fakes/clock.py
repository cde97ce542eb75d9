"""A clock for tests."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import count


class FixedClock:
    """A clock that moves on by a step each time it is looked at."""

    def __init__(self, start: str = "2024-05-01T12:00:00+00:00", step_seconds: float = 0.001):
        self._now = datetime.fromisoformat(start)
        self._step = timedelta(seconds=step_seconds)
        self._ids = count(1)

    def now(self) -> str:
        self._now += self._step
        return self._now.isoformat(timespec="microseconds")

    def fresh_id(self) -> str:
        return f"{next(self._ids):032x}"

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
