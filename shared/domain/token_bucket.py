"""A budget of requests that refills steadily."""

from __future__ import annotations


class TokenBucket:
    """Allows `per_minute` requests in a burst and as many each minute after it."""

    __slots__ = ("_at", "_left", "_per_second", "_size")

    def __init__(self, per_minute: float, now: float) -> None:
        self._size = self._left = per_minute
        self._per_second = per_minute / 60
        self._at = now

    def take(self, now: float) -> float:
        """Spend one request at a time in seconds.

        Returns:
            0, or in how many seconds there will be one to spend; then nothing is spent.
        """
        gained = max(0.0, now - self._at) * self._per_second
        self._left = min(self._size, self._left + gained)
        self._at = max(self._at, now)
        if self._left >= 1:
            self._left -= 1
            return 0.0
        return (1 - self._left) / self._per_second
