"""What a roll-out would do: sizes that hold against the real hash, times, and warnings."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.rollouts.asking_times import NO_ZONE, asking_times
from shared.domain.rollouts.plan import (
    INSTALL_TIME,
    Pace,
    PlannedPhase,
    finish_of,
    planned_phases,
    warnings_of,
)
from shared.domain.rollouts.selection import phase_of
from shared.domain.rollouts.specification import Rollout, Window

NOW = datetime(2027, 1, 1, tzinfo=UTC)
PACE = Pace(per_second=5.0, buckets=256)


def a_rollout(*selects: dict[str, Any], **members: Any) -> Rollout:
    return msgspec.convert(
        {"phases": [{"select": select} for select in selects], **members}, Rollout
    )


def test_the_expected_sizes_hold_against_the_hash() -> None:
    rollout = a_rollout({"percent": 1}, {"classId": "b"}, {"percent": 10}, {"percent": 100})
    classes = {"a": 6000, "b": 500, "c": 1500}
    planned = planned_phases(rollout, classes, NOW, PACE)

    found = [0, 0, 0, 0]
    for class_id, count in classes.items():
        for number in range(count):
            phase = phase_of(rollout.phases, "seed", f"{class_id}-{number}", class_id, 3)
            assert phase is not None
            found[phase] += 1

    for plan, size in zip(planned, found, strict=True):
        spread = max(1, plan.most - plan.devices)
        assert abs(size - plan.devices) <= 2 * spread, plan  # four sigma
    assert sum(plan.devices for plan in planned) == pytest.approx(8000, abs=2)


def test_a_phase_by_count_is_exact_and_never_more_than_there_are() -> None:
    rollout = a_rollout({"count": 50}, {"count": 500}, {"percent": 100})

    planned = planned_phases(rollout, {"a": 60, "b": 40}, NOW, PACE)

    assert [(plan.least, plan.devices, plan.most) for plan in planned[:2]] == [
        (50, 50, 50),
        (50, 50, 50),
    ]
    assert planned[2].devices == 0


def test_the_slowest_bound_decides_how_long_asking_takes() -> None:
    def asking(**members: Any) -> timedelta:
        return planned_phases(a_rollout({"percent": 100}, **members), {"a": 6000}, NOW, PACE)[
            0
        ].asking

    assert asking() == timedelta(minutes=20)
    assert asking(rate={"perMinute": 60}) == timedelta(minutes=100)
    assert asking(maximumInFlight=600) == timedelta(minutes=100)
    assert asking(rate={"perMinute": 60}, maximumInFlight=300) == timedelta(minutes=200)


def test_asking_is_stretched_over_windows_and_bakes_follow() -> None:
    rollout = a_rollout(
        {"percent": 50},
        {"percent": 100},
        windows=[{"cron": "0 1 * * *", "duration": "PT2H"}],
        rate={"perMinute": 1},
    )
    planned = planned_phases(rollout, {"a": 360}, NOW, PACE)

    # 180 minutes of asking, 90 a night, for the last half hour of a window asks nobody
    assert planned[0].opens_at == NOW + timedelta(hours=1)
    assert planned[0].asking == timedelta(days=1, hours=1, minutes=30)
    assert planned[1].opens_at == NOW + timedelta(days=2, hours=1)


def test_a_plan_of_a_running_roll_out_counts_what_is_left() -> None:
    rollout = a_rollout({"percent": 10}, {"percent": 100}, rate={"perMinute": 60})

    planned = planned_phases(rollout, {"a": 1000}, NOW, PACE, first=1, asked=300)

    (last,) = planned
    assert (last.devices, last.asking) == (900, timedelta(minutes=10))
    assert finish_of(planned) == NOW + timedelta(minutes=20)


def test_nobody_can_tell_the_end_where_a_person_goes_on() -> None:
    rollout = msgspec.convert(
        {
            "phases": [
                {"select": {"percent": 1}, "gate": {"advance": "Manual"}},
                {"select": {"percent": 100}},
            ]
        },
        Rollout,
    )

    planned = planned_phases(rollout, {"a": 1000}, NOW, PACE)

    assert planned[0].waits_for_person
    assert finish_of(planned) is None


@pytest.mark.parametrize(
    ("rollout", "devices", "code"),
    [
        (a_rollout({"percent": 1}, {"percent": 100}), 100, "PhaseProbablyEmpty"),
        (a_rollout({"percent": 1}, {"percent": 100}), 500, "SampleLargerThanPhase"),
        (a_rollout({"classId": "x"}, {"percent": 100}), 1000, "UnknownClass"),
        (
            a_rollout({"percent": 100}, failure={"percent": 2, "minimumSample": 50}),
            1000,
            "StopsAtFewFailures",
        ),
        (a_rollout({"percent": 100}, maximumInFlight=20), 1000, "CapBelowBuckets"),
        (
            a_rollout(
                {"percent": 100},
                rate={"perMinute": 1},
                windows=[{"cron": "0 1 * * *", "duration": "PT15M"}],
            ),
            1000,
            "WindowTooShort",
        ),
        (
            a_rollout(
                {"percent": 100},
                windows=[{"cron": "0 1 * * *", "duration": "PT4H", "zone": "device"}],
            ),
            1000,
            "FallbackZone",
        ),
    ],
)
def test_what_is_probably_not_meant_is_said(rollout: Rollout, devices: int, code: str) -> None:
    classes = {"a": devices}
    planned = planned_phases(rollout, classes, NOW, PACE)

    found = warnings_of(rollout, classes, planned, PACE, zones={"": devices})
    assert code in {warned.code for warned in found}


def test_a_sound_roll_out_is_not_warned_of() -> None:
    rollout = a_rollout({"percent": 1}, {"percent": 10}, {"percent": 100})
    classes = {"a": 5000}
    planned = planned_phases(rollout, classes, NOW, PACE)

    assert warnings_of(rollout, classes, planned, PACE) == []


EVENING = (Window(cron="0 18 * * *", duration="PT4H", zone="device", fallback_zone="Asia/Dubai"),)
ZONES = ("Asia/Tokyo", "Europe/Berlin", "America/Los_Angeles", "Mars/Olympus", NO_ZONE)


def test_windows_of_device_zones_are_read_in_each_zone() -> None:
    rollout = a_rollout({"percent": 50}, {"percent": 100}, windows=EVENING)
    zones = {"Asia/Tokyo": 900, "America/Los_Angeles": 100}

    first, second = planned_phases(rollout, {"a": 1000}, NOW, PACE, zones=zones)

    # it is 18:00 in Los Angeles at 02:00 UTC, in Tokyo at 09:00; 100 s of asking, 10 of them there
    assert first.opens_at == NOW + timedelta(hours=2)
    assert first.asking == timedelta(hours=7, seconds=90)
    assert second.opens_at == NOW + timedelta(hours=9, seconds=90) + INSTALL_TIME
    assert finish_of((first, second)) == NOW + timedelta(hours=26, seconds=10) + INSTALL_TIME


def test_only_devices_whose_zone_is_not_known_are_read_in_the_fallback_zone() -> None:
    rollout = a_rollout({"percent": 100}, windows=EVENING)

    def warned(zones: dict[str, int]) -> list[str]:
        planned = planned_phases(rollout, {"a": 1000}, NOW, PACE, zones=zones)
        found = warnings_of(rollout, {"a": 1000}, planned, PACE, zones=zones)
        return [each.message for each in found if each.code == "FallbackZone"]

    assert warned({"Asia/Tokyo": 1000}) == []
    (message,) = warned({"Asia/Tokyo": 970, NO_ZONE: 30})
    assert "30 devices" in message
    assert "Asia/Dubai" in message


@given(
    st.dictionaries(st.sampled_from(ZONES), st.integers(1, 1000), min_size=1),
    st.floats(1, 200_000),
)
def test_asking_lasts_as_long_as_its_slowest_zone_and_begins_with_the_first(
    zones: dict[str, int], seconds: float
) -> None:
    first, end = asking_times(EVENING, NOW, seconds, zones)
    total = sum(zones.values())
    alone = [
        asking_times(EVENING, NOW, seconds * count / total, {zone: count})
        for zone, count in zones.items()
    ]

    assert first is not None
    assert end is not None
    assert first == min(begin for begin, _ in alone if begin)
    slack = timedelta(milliseconds=1)
    assert max(until for _, until in alone if until) <= end + slack
    assert end - first >= timedelta(seconds=seconds) - slack
    if len(zones) == 1:
        (zone,) = zones
        name = zone if zone in ZONES[:3] else "Asia/Dubai"
        fixed = (msgspec.structs.replace(EVENING[0], zone=name),)
        assert (first, end) == asking_times(fixed, NOW, seconds, {})


def the_codes(rollout: Rollout, devices: int, pace: Pace = PACE) -> set[str]:
    classes = {"a": devices} if devices else {}
    planned = planned_phases(rollout, classes, NOW, pace)
    return {warned.code for warned in warnings_of(rollout, classes, planned, pace)}


def test_a_plan_tells_all_of_a_phase() -> None:
    rollout = a_rollout({"percent": 10}, {"percent": 100}, rate={"perMinute": 60})
    phases = [
        {"name": "canary", "select": {"percent": 10}, "gate": {"bakeTime": "PT1H"}},
        {"select": {"percent": 100}, "gate": {"advance": "Manual"}},
    ]
    rollout = msgspec.convert({"phases": phases, "rate": {"perMinute": 60}}, Rollout)

    first, last = planned_phases(rollout, {"a": 1000}, NOW, PACE)

    # the spread is two standard deviations: 2 * sqrt(1000 * 0.1 * 0.9) = 18.97
    assert first == PlannedPhase(
        name="canary",
        devices=100,
        least=82,
        most=118,
        opens_at=NOW,
        asking=timedelta(seconds=100),
        bake=timedelta(hours=1),
        waits_for_person=False,
    )
    assert last == PlannedPhase(
        name="phase 2",
        devices=900,
        least=882,
        most=918,
        opens_at=NOW + timedelta(seconds=100) + INSTALL_TIME + timedelta(hours=1),
        asking=timedelta(minutes=15),
        bake=timedelta(),
        waits_for_person=False,  # nothing follows that a person could let begin
    )
    assert finish_of((first, last)) == last.opens_at + timedelta(minutes=25)  # type: ignore[operator]


def test_only_the_phase_that_is_open_was_asked_in_part() -> None:
    rollout = a_rollout({"percent": 10}, {"percent": 20}, rate={"perMinute": 60})

    first, second = planned_phases(rollout, {"a": 1000}, NOW, PACE, asked=40)
    (late,) = planned_phases(rollout, {"a": 1000}, NOW, PACE, first=1, asked=500)

    assert (first.asking, second.asking) == (timedelta(minutes=1), timedelta(seconds=100))
    assert late.asking == timedelta()


def test_phases_of_all_kinds_share_the_devices_of_each_class() -> None:
    rollout = a_rollout({"percent": 50}, {"classId": "b"}, {"count": 30}, {"percent": 100})
    planned = planned_phases(rollout, {"a": 200, "b": 100}, NOW, PACE)

    # half of all; the rest of b; 30 of the 100 of a that are left; the other 70
    assert [plan.devices for plan in planned] == [150, 50, 30, 70]


def test_a_range_never_goes_below_nobody_or_above_everybody() -> None:
    (few,) = planned_phases(a_rollout({"percent": 1}), {"a": 20}, NOW, PACE)
    (many,) = planned_phases(a_rollout({"percent": 99}), {"a": 20}, NOW, PACE)

    assert few.least == 0
    assert many.most == 20


def test_without_devices_nothing_takes_time_and_no_size_is_warned_of() -> None:
    rollout = a_rollout({"percent": 1}, {"count": 5}, {"percent": 100})

    assert [plan.devices for plan in planned_phases(rollout, {}, NOW, PACE)] == [0, 0, 0]
    assert the_codes(rollout, 0) == set()


@pytest.mark.parametrize(
    ("rollout", "devices", "is_warned"),
    [
        # (1 - 0.01) ** 298 = 0.0500, ** 299 = 0.0495
        (a_rollout({"percent": 1}), 250, True),
        (a_rollout({"percent": 1}), 349, False),
        (a_rollout({"count": 1}), 2, False),  # exact: there are as many as asked for
    ],
)
def test_a_phase_is_probably_empty_with_a_chance_above_one_in_twenty(
    rollout: Rollout, devices: int, is_warned: bool
) -> None:
    assert ("PhaseProbablyEmpty" in the_codes(rollout, devices)) is is_warned


def test_a_sample_as_large_as_its_phase_is_no_matter() -> None:
    assert "SampleLargerThanPhase" not in the_codes(a_rollout({"count": 10}), 100)
    assert "SampleLargerThanPhase" in the_codes(a_rollout({"count": 9}), 100)


@pytest.mark.parametrize(
    ("percent", "sample", "failures"), [(3, 100, None), (2.9, 100, 3), (2, 100, 2), (1, 1, 1)]
)
def test_three_failures_are_no_chance(percent: float, sample: int, failures: int | None) -> None:
    rule = {"percent": percent, "minimumSample": sample}
    rollout = a_rollout({"percent": 100}, failure=rule)
    classes = {"a": 5000}
    planned = planned_phases(rollout, classes, NOW, PACE)

    found = warnings_of(rollout, classes, planned, PACE)

    assert [warned.code for warned in found] == ([] if failures is None else ["StopsAtFewFailures"])
    assert all(f"is {failures}: so many" in warned.message for warned in found)


@pytest.mark.parametrize(("cap", "devices"), [(256, 1000), (20, 20)])
def test_a_cap_slows_only_below_the_buckets_and_the_devices(cap: int, devices: int) -> None:
    rollout = a_rollout({"percent": 100}, maximumInFlight=cap)

    assert "CapBelowBuckets" not in the_codes(rollout, devices)


def test_warnings_of_a_running_roll_out_are_of_what_is_left() -> None:
    rollout = a_rollout({"count": 5}, {"classId": "x"}, {"percent": 100})
    classes = {"a": 5000}
    planned = planned_phases(rollout, classes, NOW, PACE, first=2)

    assert warnings_of(rollout, classes, planned, PACE, first=2) == []


def test_windows_that_never_open_leave_no_end() -> None:
    rollout = a_rollout({"percent": 100}, windows=[{"cron": "0 1 29 2 *", "duration": "PT1H"}])
    planned = planned_phases(rollout, {"a": 10}, NOW, PACE)

    assert (planned[0].opens_at, planned[0].asking) == (None, timedelta())
    assert finish_of(planned) is None
    assert "NoWindow" in the_codes(rollout, 10)


def test_asking_for_a_week_is_not_yet_long() -> None:
    def codes(devices: int) -> set[str]:
        rollout = a_rollout(
            {"percent": 100},
            rate={"perMinute": 1},
            windows=[{"cron": "0 0 * * *", "duration": "P1D"}],
        )
        return the_codes(rollout, devices)

    assert "WindowTooShort" not in codes(7 * 24 * 60)
    assert "WindowTooShort" in codes(7 * 24 * 60 + 1)


def test_asking_that_a_year_of_windows_cannot_hold_takes_a_year() -> None:
    rollout = a_rollout(
        {"percent": 100},
        rate={"perMinute": 1},
        windows=[{"cron": "0 1 1 * *", "duration": "PT1H"}],
    )
    (planned,) = planned_phases(rollout, {"a": 5000}, NOW, PACE)

    assert (planned.opens_at, planned.asking) == (NOW + timedelta(hours=1), timedelta(days=366))


def test_asking_begins_at_once_in_a_window_that_is_open() -> None:
    rollout = a_rollout(
        {"percent": 100},
        rate={"perMinute": 1},
        windows=[{"cron": "0 1 * * *", "duration": "PT2H"}],
    )
    begins_at = NOW + timedelta(hours=2)

    (planned,) = planned_phases(rollout, {"a": 30}, begins_at, PACE)

    # asking ends half an hour before the window does: exactly enough
    assert (planned.opens_at, planned.asking) == (begins_at, timedelta(minutes=30))
