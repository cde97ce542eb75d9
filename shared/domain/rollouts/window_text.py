"""Durations and maintenance windows as people write them: `12h`, `0 1 * * mon-fri for 4h`."""

from __future__ import annotations

import re
from typing import NamedTuple

LONGEST_WINDOW = 200
"""Characters of a window that are looked at."""
_DURATION = re.compile(r"(?:(\d+)w)?(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")
_WINDOW = re.compile(r"(?P<cron>.+) for (?P<length>\S+)(?: in (?P<zone>\S+))?")


class WindowText(NamedTuple):
    """The parts of a window; `duration` is ISO 8601, `zone` None where nothing is said of it."""

    cron: str
    duration: str
    zone: str | None


def iso_duration(text: str) -> str | None:
    """A time such as 30m, 12h or 1d12h in ISO 8601, which goes as well; None if it is none."""
    if text.startswith("P"):
        return text
    found = _DURATION.fullmatch(text.lower())
    if not text or found is None:
        return None
    weeks, days, *clock = found.groups()
    date = "".join(f"{count}{unit}" for count, unit in ((weeks, "W"), (days, "D")) if count)
    time = "".join(f"{count}{unit}" for count, unit in zip(clock, "HMS", strict=True) if count)
    return f"P{date}T{time}" if time else f"P{date}"


def window_text(text: str) -> WindowText | None:
    """The parts of `CRON for DURATION in ZONE`, the zone may be left out; None if it is none."""
    found = _WINDOW.fullmatch(text.strip()) if len(text) <= LONGEST_WINDOW else None
    length = iso_duration(found["length"]) if found else None
    if found is None or length is None:
        return None
    return WindowText(found["cron"], length, found["zone"])
