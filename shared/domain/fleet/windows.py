"""When one device may be asked: the windows of a deployment and of the device, in its zone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from shared.domain.errors import InvalidInput
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device import DeviceRecord
from shared.domain.fleet.twin_content import DEVICE_WINDOW, INFORMATION, TIME_ZONE
from shared.domain.rollouts.specification import Window
from shared.domain.rollouts.window_text import window_text
from shared.domain.rollouts.windows import (
    DEVICE,
    Opening,
    check_window,
    next_ask,
    opening_at,
    openings,
    overlaps,
    zone_of,
)

NEVER = "9999-12-31T23:59:59.999999+00:00"
_ZONES = {f"tags.{TIME_ZONE}": "its tag", f"{INFORMATION}.{TIME_ZONE}": "its report"}
"""The device's time zone: as an operator has tagged it, else as it says itself."""
_WINDOW = f"tags.{DEVICE_WINDOW}"


def device_zone(record: DeviceRecord) -> str | None:
    """The IANA zone that the device is said to be in; None where nobody says."""
    return next((zone for path in _ZONES if (zone := _text(record, path))), None)


def device_window(record: DeviceRecord) -> Window | None:
    """The window that the device is tagged with; None without one, or if it is malformed."""
    text = _text(record, _WINDOW)
    return _parsed(text) if text else None


def has_malformed_window(record: DeviceRecord) -> bool:
    """Whether the device is tagged with a window that cannot be read, which counts as none."""
    return bool(_text(record, _WINDOW)) and device_window(record) is None


def when_to_ask(record: DeviceRecord) -> tuple[str | None, Window | None]:
    """What of a device says when it may be asked."""
    return device_zone(record), device_window(record)


def shown_zone(deployment: Deployment, record: DeviceRecord) -> tuple[ZoneInfo, str]:
    """The zone in which to tell people of the device's windows, and where it comes from."""
    own = device_window(record) if deployment.heeds_device_window else None
    windows = (own,) if own is not None else deployment.windows
    if not windows:
        return ZoneInfo("UTC"), "the window"
    zone, source = zone_of(windows[0], device_zone(record))
    if source == "device":
        return zone, next(who for path, who in _ZONES.items() if _text(record, path))
    return zone, "the fallback zone" if source == "fallback" else "the window"


def ask_opening(deployment: Deployment, record: DeviceRecord, now: str) -> str | None:
    """When the device may be asked next, ISO 8601; None for now."""
    found = _openings(deployment, record, now)
    if found is None:
        return None
    moment = datetime.fromisoformat(now)
    opening = next_ask(found, moment)
    if opening is None:
        return NEVER
    return None if opening.opens_at <= moment else _instant(opening.opens_at)


def closing(deployment: Deployment, record: DeviceRecord, now: str) -> str | None:
    """When the window that is open for the device closes, also in its last part, in which nobody is
    asked: empty if it never does, None if none is open.
    """
    found = _openings(deployment, record, now)
    if found is None:
        return ""
    opening = opening_at(found, datetime.fromisoformat(now))
    return _instant(opening.closes_at) if opening is not None else None


def _openings(deployment: Deployment, record: DeviceRecord, now: str) -> Iterator[Opening] | None:
    zone, own = when_to_ask(record)
    moment, windows = datetime.fromisoformat(now), deployment.windows
    found = openings(windows, moment, zone) if windows else None
    if own is None or not deployment.heeds_device_window:
        return found
    of_device = openings([own], moment, zone)
    return of_device if found is None else overlaps(found, of_device, moment)


def _text(record: DeviceRecord, path: str) -> str | None:
    _, value = record.registers.get(path, (0, None))
    return value if isinstance(value, str) and value else None


@lru_cache(maxsize=1024)
def _parsed(text: str) -> Window | None:
    parts = window_text(text)
    if parts is None:
        return None
    cron, length, zone = parts
    try:
        window = Window(cron=" ".join(cron.split()), duration=length, zone=zone or DEVICE)
        return None if check_window(window) else window
    except InvalidInput:
        return None


def _instant(moment: datetime) -> str:
    return moment.isoformat("T", "microseconds")
