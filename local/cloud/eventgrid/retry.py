"""When a failed delivery is tried again and when it is given up.

https://learn.microsoft.com/azure/event-grid/delivery-and-retry
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.cloud.eventgrid.subscriptions import Subscription

SCHEDULE_SECONDS = (10, 30, 60, 300, 600, 1800, 3600)
"""Waits after the first, second, ... failure; the last one repeats."""

JITTER = 0.1
"""Largest random addition to a wait, as a share of it."""

DEAD_LETTER_DELAY_SECONDS = 300
"""Between the last attempt and the dead letter, unless the answer itself was final."""

_LEAST_WAIT_SECONDS = {401: 300, 403: 300, 404: 300, 408: 120, 503: 30}
_FINAL = {400: "UndeliverableDueToHttpBadRequest", 413: "UndeliverableDueToHttpPayloadTooLarge"}
_NAMES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    408: "TimedOut",
    413: "PayloadTooLarge",
    503: "Busy",
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one delivery attempt; `status` is None when no answer came."""

    name: str
    status: int | None = None

    @classmethod
    def of_status(cls, status: int) -> Outcome:
        """Return the outcome that an HTTP status stands for."""
        if 200 <= status <= 204:
            return cls("Success", status)
        return cls(_NAMES.get(status, "GenericError"), status)

    def __str__(self) -> str:
        return self.name if self.status is None else f"{self.name} ({self.status})"

    @property
    def succeeded(self) -> bool:
        """Tell whether the subscriber has taken the events."""
        return self.name == "Success"


@dataclass(frozen=True, slots=True)
class RetryAt:
    """Try again at `time` (seconds since 1970)."""

    time: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """Dead-letter for `reason`, `delay` seconds from now."""

    reason: str
    delay: float


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The service's rules with all waits and lifetimes multiplied by `time_scale`."""

    time_scale: float = 1.0

    def expires_at(self, subscription: Subscription, accepted_at: float) -> float:
        """Return the time after which an event is not delivered any more."""
        return accepted_at + subscription.event_time_to_live_minutes * 60 * self.time_scale

    def expired(self) -> GiveUp:
        """Return what happens to an event whose time to live is over."""
        return GiveUp("TimeToLiveExceeded", DEAD_LETTER_DELAY_SECONDS * self.time_scale)

    def after_failure(
        self,
        outcome: Outcome,
        *,
        attempts: int,
        max_attempts: int,
        now: float,
        expires_at: float,
        chance: float,
    ) -> RetryAt | GiveUp:
        """Decide on an event after a failed attempt.

        Args:
            outcome: of the attempt.
            attempts: made so far, at least 1.
            max_attempts: of the subscription.
            now: seconds since 1970.
            expires_at: seconds since 1970; a retry is not planned for later than that.
            chance: random number in [0, 1) that spreads the retries.
        """
        if outcome.status in _FINAL:
            return GiveUp(_FINAL[outcome.status], 0.0)
        if attempts >= max_attempts:
            delay = DEAD_LETTER_DELAY_SECONDS * self.time_scale
            return GiveUp("MaxDeliveryAttemptsExceeded", delay)
        wait = SCHEDULE_SECONDS[min(attempts, len(SCHEDULE_SECONDS)) - 1]
        wait = max(wait, _LEAST_WAIT_SECONDS.get(outcome.status or 0, 0))
        return RetryAt(min(now + wait * (1 + JITTER * chance) * self.time_scale, expires_at))
