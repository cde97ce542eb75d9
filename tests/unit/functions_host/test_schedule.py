from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.cloud.functions_host.errors import StartError
from local.cloud.functions_host.schedule import parse_schedule


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("expression", "now", "due"),
    [
        ("0 */5 * * * *", "2026-03-04T05:06:07", "2026-03-04T05:10:00"),
        ("*/10 * * * * *", "2026-03-04T05:06:07", "2026-03-04T05:06:10"),
        ("30 0 0 * * *", "2026-12-31T23:59:59", "2027-01-01T00:00:30"),
        ("0 0 9 * * Mon-Fri", "2026-03-06T10:00:00", "2026-03-09T09:00:00"),
        ("0 0 0 13 * Fri", "2026-03-14T00:00:00", "2026-11-13T00:00:00"),
        ("0 0 0 29 2 *", "2026-03-01T00:00:00", "2028-02-29T00:00:00"),
    ],
)
def test_the_next_due_time_follows_the_fields(expression: str, now: str, due: str) -> None:
    assert parse_schedule(expression).next_after(at(now)) == at(due)


@pytest.mark.parametrize(
    "expression",
    ["", "0 * * * *", "* * * * * * *", "00:05:00", "@hourly", "60 * * * * *", "0 0 0 ? * *"],
)
def test_a_schedule_is_refused_when_it_has_not_six_valid_fields(expression: str) -> None:
    with pytest.raises(StartError, match="schedule"):
        parse_schedule(expression)


def test_missed_runs_are_looked_for_from_one_minute_on() -> None:
    now = at("2026-03-04T05:06:07")

    assert parse_schedule("0 * * * * *").is_monitored(now)
    assert not parse_schedule("*/30 * * * * *").is_monitored(now)


@given(
    st.sampled_from(["0 */7 * * * *", "*/9 * * * * *", "15 30 */3 * * *"]),
    st.datetimes(datetime(2020, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001 - made aware below
)
def test_due_times_lie_ahead_and_none_is_left_out(expression: str, naive: datetime) -> None:
    schedule, now = parse_schedule(expression), naive.replace(tzinfo=UTC)

    due = schedule.next_after(now)

    assert due > now
    assert schedule.next_after(now + (due - now) / 2) == due
