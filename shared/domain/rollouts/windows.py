"""Maintenance windows: when one opens and closes, by cron, duration and time zone.

Daylight saving follows RFC 5545: a local start that does not exist is read with the offset before
the gap, one that exists twice is the first, and the duration is elapsed time. So a window is never
skipped and never doubled.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from shared.domain.errors import InvalidInput
from shared.domain.rollouts.durations import duration_text

if TYPE_CHECKING:
    from shared.domain.rollouts.specification import Window

DEVICE = "device"
SHORTEST, LONGEST = timedelta(minutes=15), timedelta(days=7)
_LAST_PART = timedelta(minutes=30)
_HORIZON = timedelta(days=14)
"""How far windows that follow on each other without a break are put together."""
_FURTHEST = timedelta(days=366)
"""How far windows are looked for that may never be open at once."""
_FIELDS = re.compile(
    r"[0-9]{1,2}( [0-9*,/-]+){3} ([0-9*,/-]|mon|tue|wed|thu|fri|sat|sun)+", re.IGNORECASE
)

type ZoneSource = Literal["window", "device", "fallback"]


@dataclass(frozen=True, slots=True)
class Opening:
    """A time in which devices may be asked; both ends are UTC."""

    opens_at: datetime
    closes_at: datetime

    @property
    def asks_until(self) -> datetime:
        """When asking ends: a device that is asked in the last part would hardly begin in time."""
        return self.closes_at - min(_LAST_PART, (self.closes_at - self.opens_at) / 4)


def check_window(window: Window) -> list[InvalidInput]:
    """What is wrong with a window, each error with a pointer within it."""
    errors = []
    reason = _cron_error(window.cron)
    if reason:
        errors.append(InvalidInput(reason, code="InvalidCron", target="/cron"))
    if not SHORTEST <= window.length <= LONGEST:
        least, most = duration_text(SHORTEST), duration_text(LONGEST)
        message = f"'duration' of a window is between {least} and {most}."
        errors.append(InvalidInput(message, code="DurationOutOfRange", target="/duration"))
    zones = (("zone", window.zone), ("fallbackZone", window.fallback_zone))
    for member, name in zones:
        if zone_named(name) is None and (member, name) != ("zone", DEVICE):
            message = f"'{member}' must be the name of an IANA time zone, such as Europe/Berlin."
            errors.append(InvalidInput(message, code="UnknownZone", target=f"/{member}"))
    return errors


def zone_of(window: Window, device_zone: str | None) -> tuple[ZoneInfo, ZoneSource]:
    """The zone that a window is read in, and who says so.

    Args:
        window: The window, checked.
        device_zone: What the device or its tag names; an unknown name counts as none.
    """
    if window.zone != DEVICE:
        return _known(window.zone), "window"
    own = zone_named(device_zone) if device_zone else None
    return (_known(window.fallback_zone), "fallback") if own is None else (own, "device")


@lru_cache(maxsize=1024)
def zone_named(name: str) -> ZoneInfo | None:
    """The time zone of that IANA name; None if there is none."""
    if len(name) > 64 or not re.fullmatch(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+)*", name):
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def openings(
    windows: Iterable[Window], at: datetime, device_zone: str | None = None
) -> Iterator[Opening]:
    """The times in which at least one window is open, in order, without those closed by `at`.

    Windows that overlap or follow on each other are one opening.
    """
    return joined([_of_window(window, at, device_zone) for window in windows], at)


def joined(found: Iterable[Iterator[Opening]], at: datetime) -> Iterator[Opening]:
    """Openings, each kind in order, as one: those that overlap or follow on each other are one."""
    singles = heapq.merge(*found, key=_opens_at)
    current = next(singles, None)
    while current is not None:
        following = next(singles, None)
        while (
            following is not None
            and following.opens_at <= current.closes_at
            and current.closes_at < at + _HORIZON
        ):
            closes_at = max(current.closes_at, following.closes_at)
            current = Opening(current.opens_at, closes_at)
            following = next(singles, None)
        yield current
        current = following


def overlaps(one: Iterator[Opening], other: Iterator[Opening], at: datetime) -> Iterator[Opening]:
    """The times in which both are open, in order, within a year."""
    first, second = next(one, None), next(other, None)
    until = at + _FURTHEST
    while first is not None and second is not None and first.opens_at < until:
        opens_at = max(first.opens_at, second.opens_at)
        closes_at = min(first.closes_at, second.closes_at)
        if opens_at < closes_at:
            yield Opening(opens_at, closes_at)
        if first.closes_at <= second.closes_at:
            first = next(one, None)
        else:
            second = next(other, None)


def opening_at(found: Iterator[Opening], at: datetime) -> Opening | None:
    """The opening that is open at a time; None while closed."""
    first = next(found, None)
    return first if first is not None and first.opens_at <= at else None


def next_ask(found: Iterator[Opening], at: datetime) -> Opening | None:
    """The first opening in which a device may still be asked; None if there is none any more."""
    return next((opening for opening in found if opening.asks_until > at), None)


def _of_window(window: Window, at: datetime, device_zone: str | None) -> Iterator[Opening]:
    from cronsim import CronSim

    zone, _ = zone_of(window, device_zone)
    # the cron runs on naive local times: a day earlier, because zones skip at most one
    begin = (at - window.length).astimezone(zone).replace(tzinfo=None) - timedelta(days=1)
    for local in CronSim(window.cron, begin):
        opens_at = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
        closes_at = opens_at + window.length
        if closes_at > at:
            yield Opening(opens_at, closes_at)


def _opens_at(opening: Opening) -> datetime:
    return opening.opens_at


def _known(name: str) -> ZoneInfo:
    return zone_named(name) or ZoneInfo("UTC")


def _cron_error(cron: str) -> str | None:
    from cronsim import CronSim, CronSimError

    text = " ".join(cron.split())
    if not _FIELDS.fullmatch(text):
        return (
            "'cron' has five fields: minute (one number, so that the window opens once an hour at "
            "most), hour, day of month, month and day of week, of numbers and * , - /; the last "
            "may have names, such as mon-fri."
        )
    try:
        next(CronSim(text, datetime(2026, 1, 1)))  # noqa: DTZ001 (local time)
    except CronSimError:
        return "'cron' has a field that is out of range or malformed, such as hour 24."
    except StopIteration:
        return "'cron' never comes, as the 30th of February."
    return None
