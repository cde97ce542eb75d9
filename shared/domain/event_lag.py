"""How long twin changes take from the hub into the counters."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EventLag:
    """A measurement: when the last change was folded, and the longest lag since the one before."""

    at: str
    seconds: float
