"""NCRONTAB schedules: six fields, seconds first, in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from croniter import CroniterError, croniter

from local.cloud.functions_host.errors import StartError

_FIELD = re.compile(r"[0-9A-Za-z*,/-]+")


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a timer is due."""

    expression: str

    def next_after(self, moment: datetime) -> datetime:
        """Return the first due time after a moment (aware)."""
        # NCRONTAB wants both day fields to hold; classic cron is content with one of them.
        times = croniter(self.expression, moment, second_at_beginning=True, day_or=False)
        due: datetime = times.get_next(datetime)
        return due

    def is_monitored(self, moment: datetime) -> bool:
        """Say whether missed runs are looked for: only from an interval of one minute on."""
        first = self.next_after(moment)
        return self.next_after(first) - first >= timedelta(minutes=1)


def parse_schedule(expression: str) -> Schedule:
    """Check a schedule expression; anything but six valid fields is a `StartError`."""
    fields = expression.split()
    if len(fields) != 6 or not all(_FIELD.fullmatch(field) for field in fields):
        raise StartError(f"schedule {expression!r} is not an NCRONTAB expression of six fields")
    try:
        croniter(expression, second_at_beginning=True, day_or=False)
    except (CroniterError, ValueError) as error:
        raise StartError(f"schedule {expression!r}: {error}") from error
    return Schedule(expression)
