"""When one device may be asked: the windows of a deployment, in the device's own zone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device import DeviceRecord
from shared.domain.fleet.twin_content import INFORMATION, TIME_ZONE
from shared.domain.rollouts.windows import Opening, next_ask, opening_at, openings

NEVER = "9999-12-31T23:59:59.999999+00:00"
_ZONES = (f"tags.{TIME_ZONE}", f"{INFORMATION}.{TIME_ZONE}")
"""The device's time zone: as an operator has tagged it, else as it says itself."""


def device_zone(record: DeviceRecord) -> str | None:
    """The IANA zone that the device is said to be in; None where nobody says."""
    for path in _ZONES:
        _, zone = record.registers.get(path, (0, None))
        if isinstance(zone, str) and zone:
            return zone
    return None


def ask_opening(deployment: Deployment, record: DeviceRecord, now: str) -> str | None:
    """When the device may be asked next, ISO 8601; None for now."""
    found = _openings(deployment, record, now)
    if found is None:
        return None
    moment = datetime.fromisoformat(now)
    opening = next_ask(found, moment)
    if opening is None:
        return NEVER
    return None if opening.opens_at <= moment else opening.opens_at.isoformat("T", "microseconds")


def is_window_open(deployment: Deployment, record: DeviceRecord, now: str) -> bool:
    """Whether a window is open for the device, also in its last part, in which nobody is asked."""
    found = _openings(deployment, record, now)
    return found is None or opening_at(found, datetime.fromisoformat(now)) is not None


def _openings(deployment: Deployment, record: DeviceRecord, now: str) -> Iterator[Opening] | None:
    rollout = deployment.rollout
    if rollout is None or not rollout.windows:
        return None
    return openings(rollout.windows, datetime.fromisoformat(now), device_zone(record))
