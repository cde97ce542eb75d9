"""How compliance and deployments have moved over time: small rows, written as time goes by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from shared.domain.fleet.compliance import Compliance, StateCounts
from shared.domain.updates.update_id import UpdateId


@dataclass(frozen=True, slots=True)
class ComplianceDay:
    """The compliance of an instance or a group at the end of a day, or now for the present one."""

    day: str
    compliance: Compliance


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that makes compliance jump: an update that was published or recalled."""

    at: str
    kind: str
    update_id: UpdateId


@dataclass(frozen=True, slots=True)
class ProgressPoint:
    """How a deployment stood at a time."""

    at: str
    counts: StateCounts


def rate_per_minute(points: Sequence[ProgressPoint]) -> float | None:
    """Devices a minute that ended in the last points; None if nothing can be said yet."""
    if len(points) < 2:
        return None
    first, last = points[0], points[-1]
    seconds = (datetime.fromisoformat(last.at) - datetime.fromisoformat(first.at)).total_seconds()
    if seconds <= 0:
        return None
    ended = _ended(last.counts) - _ended(first.counts)
    return max(0.0, ended * 60 / seconds)


def thinned(points: Sequence[ProgressPoint], most: int) -> list[ProgressPoint]:
    """At most so many of the points, evenly, the first and the last among them."""
    if len(points) <= most:
        return list(points)
    if most <= 1:
        return [points[-1]]
    step = (len(points) - 1) / (most - 1)
    return [points[round(at * step)] for at in range(most)]


def _ended(counts: StateCounts) -> int:
    return counts.succeeded + counts.failed + counts.canceled
