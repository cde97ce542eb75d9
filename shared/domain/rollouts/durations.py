"""Durations as text: ISO 8601 in weeks, days, hours, minutes and seconds, never months or years."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import lru_cache

from shared.domain.errors import InvalidInput

PATTERN = (
    "^P(?=[0-9T])([0-9]{1,4}W)?([0-9]{1,5}D)?"
    "(T(?=[0-9])([0-9]{1,6}H)?([0-9]{1,8}M)?([0-9]{1,9}S)?)?$"
)
_DURATION = re.compile(PATTERN)


@lru_cache(maxsize=1024)
def duration(text: str, target: str | None = None) -> timedelta:
    """The time that a text such as `PT12H` or `P1DT30M` stands for.

    Raises:
        InvalidInput: It is none.
    """
    found = _DURATION.fullmatch(text)
    if found is None:
        name = (target or "value").rpartition("/")[2]
        raise InvalidInput(f"'{name}' must be a duration such as PT12H or P1D.", target=target)
    weeks, days, _, hours, minutes, seconds = (
        int(part[:-1]) if part and part[0] != "T" else 0 for part in found.groups()
    )
    return timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds)


def duration_text(span: timedelta) -> str:
    """The shortest text for a time of whole seconds, 0 or above."""
    minutes, seconds = divmod(span.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    clock = "".join(
        f"{count}{unit}" for count, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if count
    )
    days = f"{span.days}D" if span.days else ""
    return f"P{days}T{clock}" if clock else f"P{days or 'T0S'}"
