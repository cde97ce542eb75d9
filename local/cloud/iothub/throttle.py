"""Token buckets of a hub's size.

Each meter holds a burst of about one minute of its rate. A spent bucket refuses at once and says
when the next token is due; the real hub first delays calls for a while, which callers cannot rely
on.
"""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

from local.cloud.iothub import limits
from local.cloud.iothub.errors import throttled

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.cloud.iothub.limits import Meter, Sku


class Bucket:
    """One token bucket: `rate` tokens a second, at most `capacity` of them."""

    def __init__(self, rate: float, capacity: float, clock: Callable[[], float]) -> None:
        self._rate = rate
        self._capacity = capacity
        self._clock = clock
        self._tokens = capacity
        self._at = clock()

    def take(self, amount: float = 1.0) -> float:
        """Take tokens and return 0, or take none and return the seconds until they are there."""
        now = self._clock()
        self._tokens = min(self._capacity, self._tokens + (now - self._at) * self._rate)
        self._at = now
        missing = min(amount, self._capacity) - self._tokens
        if missing > 1e-9:
            return missing / self._rate
        self._tokens -= amount
        return 0.0


class Throttle:
    """The buckets of one hub; lets everything pass unless it is `enabled`."""

    def __init__(
        self,
        sku: Sku,
        units: int,
        *,
        enabled: bool,
        burst_seconds: float = 60.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._buckets: dict[Meter, Bucket] = {}
        if enabled:
            for meter in limits.Meter:
                rate = limits.rate(sku, units, meter)
                self._buckets[meter] = Bucket(rate, max(1.0, rate * burst_seconds), clock)

    def wait(self, meter: Meter, amount: float = 1.0) -> float:
        """Take from the meter and return 0, or the seconds to wait before trying again."""
        bucket = self._buckets.get(meter)
        return bucket.take(amount) if bucket else 0.0

    def take(self, meter: Meter, amount: float = 1.0) -> None:
        """Take from the meter.

        Raises:
            HubError: 429 with the seconds to wait.
        """
        seconds = self.wait(meter, amount)
        if seconds:
            raise throttled(meter, math.ceil(seconds))

    async def delay(self, meter: Meter) -> None:
        """Take from the meter, as late as it allows."""
        while seconds := self.wait(meter):  # noqa: ASYNC110 - only time fills a bucket
            await asyncio.sleep(seconds)
