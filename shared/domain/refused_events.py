"""Events that are refused for good: why, and how many."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Refusal(StrEnum):
    """Why an event is refused: it would be refused again however often it were delivered."""

    FOREIGN = "ForeignHub"
    MALFORMED = "Malformed"
    OVERSIZED = "Oversized"
    ROW_TOO_LARGE = "DeviceRowTooLarge"


@dataclass(frozen=True, slots=True)
class RefusedEvents:
    """How many events were refused for one reason since the service was set up."""

    reason: Refusal
    count: int
    last_at: str
