"""When so much asking begins and ends if it waits for windows, in all time zones of the devices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from shared.domain.rollouts.windows import (
    DEVICE,
    Opening,
    joined,
    next_ask,
    openings,
    zone_named,
)

if TYPE_CHECKING:
    from shared.domain.rollouts.specification import Window

LOOK_AHEAD = timedelta(days=366)
NO_ZONE = ""
"""Stands for the zone of devices that say none."""


def asking_times(
    windows: tuple[Window, ...], begins_at: datetime, seconds: float, zones: Mapping[str, int]
) -> tuple[datetime | None, datetime | None]:
    """When so many seconds of asking begin and end; None if no window opens within a year.

    Each zone needs time enough in windows of its own, and all together in those of any.

    Args:
        windows: Those of the roll-out.
        begins_at: When its phase opens.
        seconds: How long asking would take without windows.
        zones: Devices by zone, `NO_ZONE` for those whose zone is not known.
    """
    if not windows:
        return begins_at, begins_at + timedelta(seconds=seconds)
    shares = _shares(windows, begins_at, zones)
    firsts, ends = [], []
    for zone, share in shares.items():
        first, end = _within(openings(windows, begins_at, zone), begins_at, seconds * share)
        if first is None or end is None:
            return None, None
        firsts.append(first)
        ends.append(end)
    if len(shares) > 1:
        anywhere = joined([openings(windows, begins_at, zone) for zone in shares], begins_at)
        _, end = _within(anywhere, begins_at, seconds)
        ends.append(end or begins_at + LOOK_AHEAD)
    return min(firsts), max(ends)


def _shares(
    windows: tuple[Window, ...], at: datetime, zones: Mapping[str, int]
) -> dict[str | None, float]:
    """The share of all devices by zone; zones whose windows open together now count as one."""
    total = sum(zones.values())
    if not total or all(window.zone != DEVICE for window in windows):
        return {None: 1.0}
    found: dict[datetime | None, tuple[str | None, float]] = {}
    for zone, count in sorted(zones.items()):
        name = zone if zone and zone_named(zone) is not None else None
        first = next(openings(windows, at, name), None)
        moment = first.opens_at if first is not None else None
        known, share = found.get(moment, (name, 0.0))
        found[moment] = known, share + count / total
    return dict(found.values())


def _within(
    found: Iterator[Opening], begins_at: datetime, seconds: float
) -> tuple[datetime | None, datetime | None]:
    """When so many seconds of asking begin and end, if only these openings count."""
    left, first, at = timedelta(seconds=seconds), None, begins_at
    while (opening := next_ask(found, at)) is not None:
        begin = max(at, opening.opens_at)
        if begin - begins_at > LOOK_AHEAD:
            break
        first = first or begin
        if begin + left <= opening.asks_until:
            return first, begin + left
        left -= opening.asks_until - begin
        at = opening.closes_at
    return (first, first + LOOK_AHEAD) if first is not None else (None, None)
