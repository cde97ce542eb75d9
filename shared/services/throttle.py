"""Keeps the requests to an instance within its budget, in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from shared.domain.access import Action
from shared.domain.limits import Budget, TooManyRequests
from shared.domain.token_bucket import TokenBucket


@dataclass(slots=True)
class Throttle:
    """One token bucket for each instance and data action. `now` is a clock in seconds."""

    budget: Budget
    now: Callable[[], float]
    _buckets: dict[tuple[str, Action], TokenBucket] = field(default_factory=dict, init=False)

    def spend(self, instance: str, action: Action) -> None:
        """Count a request.

        Raises:
            TooManyRequests: The budget is spent.
        """
        kind = action.counts_as
        per_minute: int = getattr(self.budget, kind)
        now = self.now()
        bucket = self._buckets.get((instance, action))
        if bucket is None:
            bucket = self._buckets[instance, action] = TokenBucket(per_minute, now)
        wait = bucket.take(now)
        if wait:
            limit = f"requests_per_minute_{kind}"
            raise TooManyRequests(
                f"Instance '{instance}' takes {per_minute} requests a minute that need the action "
                f"'{action}', and they are spent; the limit {limit} is {per_minute}.",
                target=limit,
                retry_after=wait,
            )
