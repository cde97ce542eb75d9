"""Maintenance windows: scenario 10 of the roll-outs, and the laws of openings."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.rollouts.specification import Window
from shared.domain.rollouts.windows import (
    Opening,
    check_window,
    next_ask,
    opening_at,
    openings,
    zone_of,
)

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata")
CRONS = (
    "0 1 * * *",
    "30 2 * * *",
    "0 22 * * mon-fri",
    "15 */6 * * *",
    "45 * 1,15 * *",
    "0 0 1 1 *",
)


def a_window(cron: str = "0 1 * * *", length: str = "PT4H", **members: object) -> Window:
    return msgspec.convert({"cron": cron, "duration": length, **members}, Window)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def first(window: Window, at: str, device_zone: str | None = None) -> Opening:
    return next(openings([window], utc(at), device_zone))


def test_a_start_in_the_spring_gap_is_read_with_the_offset_before() -> None:
    opening = first(a_window("30 2 * * *", zone="Europe/Berlin"), "2027-03-27T12:00")

    assert opening.opens_at == utc("2027-03-28T01:30")  # 03:30 summer time
    assert opening.closes_at - opening.opens_at == timedelta(hours=4)


def test_a_start_that_comes_twice_in_autumn_is_the_first() -> None:
    found = openings(
        [a_window("30 2 * * *", "PT1H", zone="Europe/Berlin")], utc("2027-10-30T12:00")
    )

    opens_at = [opening.opens_at for opening in islice(found, 2)]
    assert opens_at == [utc("2027-10-31T00:30"), utc("2027-11-01T01:30")]


def test_the_duration_is_elapsed_time_over_a_change_of_the_clocks() -> None:
    opening = first(a_window("0 1 * * *", "PT4H", zone="Europe/Berlin"), "2027-10-30T23:30")

    assert (opening.opens_at, opening.closes_at) == (
        utc("2027-10-30T23:00"),
        utc("2027-10-31T03:00"),
    )


def test_a_window_over_midnight_and_over_new_year_is_open_on_the_next_day() -> None:
    window = a_window("0 22 * * *", "PT6H", zone="Europe/Berlin")

    opening = opening_at(openings([window], utc("2027-01-01T02:00")), utc("2027-01-01T02:00"))

    assert opening == Opening(utc("2026-12-31T21:00"), utc("2027-01-01T03:00"))


def test_a_zone_that_no_list_has_counts_as_none() -> None:
    window = a_window(zone="device", fallbackZone="Asia/Kolkata")

    assert zone_of(window, "Mars/Olympus")[1] == "fallback"
    assert zone_of(window, "../../etc/passwd")[1] == "fallback"
    assert str(zone_of(window, "Mars/Olympus")[0]) == "Asia/Kolkata"
    assert (str(zone_of(window, "Europe/Berlin")[0]), zone_of(window, "Europe/Berlin")[1]) == (
        "Europe/Berlin",
        "device",
    )
    assert zone_of(a_window(zone="UTC"), "Europe/Berlin")[1] == "window"


def test_a_device_that_changes_its_zone_in_an_open_window_is_judged_by_the_new_one() -> None:
    window, at = a_window(zone="device"), utc("2027-06-01T02:00")

    assert opening_at(openings([window], at, "UTC"), at) is not None
    assert opening_at(openings([window], at, "America/New_York"), at) is None


def test_nobody_is_asked_in_the_last_part() -> None:
    window = a_window("0 1 * * *", "PT1H")

    def asks_from(at: str) -> datetime:
        found = next_ask(openings([window], utc(at)), utc(at))
        assert found is not None
        return found.opens_at

    assert asks_from("2027-01-01T01:44") == utc("2027-01-01T01:00")
    assert asks_from("2027-01-01T01:45") == utc("2027-01-02T01:00")
    assert Opening(utc("2027-01-01"), utc("2027-01-02")).asks_until == utc("2027-01-01T23:30")


def test_windows_that_follow_on_each_other_are_one_opening() -> None:
    windows = [a_window("0 1 * * *", "PT2H"), a_window("0 3 * * *", "PT1H")]

    opening = next(openings(windows, utc("2027-01-01T01:30")))

    assert opening == Opening(utc("2027-01-01T01:00"), utc("2027-01-01T04:00"))


@pytest.mark.parametrize(
    ("members", "code", "target"),
    [
        ({"cron": "0 1 * *"}, "InvalidCron", "/cron"),
        ({"cron": "0 0 1 * * ?"}, "InvalidCron", "/cron"),
        ({"cron": "0 1 L * *"}, "InvalidCron", "/cron"),
        ({"cron": "0 1 * * 2#1"}, "InvalidCron", "/cron"),
        ({"cron": "* 1 * * *"}, "InvalidCron", "/cron"),
        ({"cron": "0 24 * * *"}, "InvalidCron", "/cron"),
        ({"cron": "0 1 30 2 *"}, "InvalidCron", "/cron"),
        ({"length": "PT14M"}, "DurationOutOfRange", "/duration"),
        ({"length": "P8D"}, "DurationOutOfRange", "/duration"),
        ({"zone": "Mars/Olympus"}, "UnknownZone", "/zone"),
        ({"fallbackZone": "device"}, "UnknownZone", "/fallbackZone"),
    ],
)
def test_a_bad_window_is_refused(members: dict[str, str], code: str, target: str) -> None:
    assert [(error.code, error.target) for error in check_window(a_window(**members))] == [
        (code, target)
    ]


_MOMENTS = st.datetimes(
    datetime(2026, 1, 1),  # noqa: DTZ001 (Hypothesis wants naive bounds)
    datetime(2040, 1, 1),  # noqa: DTZ001
    timezones=st.just(UTC),
)
_WINDOWS = st.builds(
    a_window,
    st.sampled_from(CRONS),
    st.sampled_from(("PT15M", "PT1H", "PT5H", "P1D", "P3D")),
    zone=st.sampled_from(ZONES),
)


@given(st.lists(_WINDOWS, min_size=1, max_size=3), _MOMENTS)
def test_openings_come_in_order(windows: list[Window], at: datetime) -> None:
    found = list(islice(openings(windows, at), 6))

    assert found
    assert found[0].closes_at > at
    assert all(opening.opens_at < opening.closes_at for opening in found)
    assert all(one.opens_at <= other.opens_at for one, other in pairwise(found))
    assert all(opening.opens_at < opening.asks_until < opening.closes_at for opening in found)


@given(_WINDOWS, _MOMENTS, st.timedeltas(timedelta(), timedelta(days=3)))
@settings(deadline=None)
def test_the_answer_does_not_depend_on_when_it_is_asked_for(
    window: Window, at: datetime, wait: timedelta
) -> None:
    def is_open(asked_at: datetime, moment: datetime) -> bool:
        return any(
            one.opens_at <= moment < one.closes_at
            for one in islice(openings([window], asked_at), 100)
            if one.opens_at <= moment
        )

    assert is_open(at, at + wait) == is_open(at + wait, at + wait)


@given(_MOMENTS, st.sampled_from(ZONES))
def test_a_daily_window_opens_once_for_each_local_day(at: datetime, zone: str) -> None:
    found = list(islice(openings([a_window("30 2 * * *", "PT1H", zone=zone)], at), 10))

    gaps = {other.opens_at - one.opens_at for one, other in pairwise(found)}
    assert all(timedelta(hours=23) <= gap <= timedelta(hours=25) for gap in gaps)
    assert all(one.closes_at - one.opens_at == timedelta(hours=1) for one in found)
