"""Which buckets a list looks into: never too few, and no more than its counters say."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.fleet.counters import (
    CONNECTED,
    DISCONNECTED,
    PENDING,
    TOTAL,
    UNHEALTHY,
    failing_cell,
    heard_cell,
    installed_cell,
    working_cell,
)
from shared.domain.fleet.device import DeviceState
from shared.domain.fleet.health import UNHEALTHY as NOT_WELL
from shared.domain.fleet.listing import Selection
from shared.domain.fleet.whereabouts import buckets_with, on_latest_names, whereabouts
from tests.unit.domain.builders import V1, V2

OLD, NEW = str(V1), str(V2)
IDLE_OLD, IDLE_NEW = (installed_cell(name, is_in_progress=False) for name in (OLD, NEW))
BUSY_NEW, BUSY_NONE = (installed_cell(name, is_in_progress=True) for name in (NEW, "-"))
KNOWN = {
    "class:c1": [1, 2, 3, 4, 5],
    "class:c2": [6],
    failing_cell("30101001"): [1],
    failing_cell("00000000"): [2],
    heard_cell("2024-05-01"): [3],
    heard_cell("2024-05-09"): [4],
    heard_cell(""): [6],
    working_cell("2024-05-01"): [4],
    working_cell("2024-05-09"): [5],
    IDLE_OLD: [1],
    IDLE_NEW: [2],
    BUSY_NEW: [3],
    BUSY_NONE: [6],
    CONNECTED: [1, 5],
    DISCONNECTED: [2],
    UNHEALTHY: [5],
}


def test_counters_tell_in_which_buckets_they_are() -> None:
    counts = {
        2: {("lobby", "c1"): {TOTAL: 2, UNHEALTHY: 1, PENDING: 1, CONNECTED: 0}},
        1: {("lobby", "c1"): {TOTAL: 1}, ("lobby", "c2"): {TOTAL: 0, DISCONNECTED: 1}},
    }

    assert whereabouts(counts, "lobby") == {
        "class:c1": [1, 2],
        UNHEALTHY: [2],
        DISCONNECTED: [1],
    }


def test_each_kind_of_counter_is_told() -> None:
    kinds = (
        failing_cell("1"),
        heard_cell("2024-05-01"),
        working_cell("2024-05-01"),
        IDLE_NEW,
        BUSY_NEW,
        CONNECTED,
        DISCONNECTED,
        UNHEALTHY,
    )

    found = whereabouts({7: {("lobby", "c1"): dict.fromkeys(kinds, 1)}}, "lobby")

    assert found == {kind: [7] for kind in kinds}


@pytest.mark.parametrize(("buckets", "is_told"), [(64, True), (65, False), (70, False)])
def test_what_lies_in_many_buckets_is_not_told(buckets: int, is_told: bool) -> None:
    counts = {bucket: {("lobby", "c1"): {UNHEALTHY: 1}} for bucket in range(buckets)}

    assert whereabouts(counts, "lobby") == {UNHEALTHY: list(range(64)) if is_told else None}


def wanted(columns: dict[str, str] | None = None, **changes: Any) -> Selection:
    return Selection({"group": "lobby", **(columns or {})}, **changes)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (wanted(), None),
        (wanted({"class": "c2"}), {6}),
        (wanted({"class": "c3"}), set()),
        (wanted({"failure": "30101001"}), {1}),
        (wanted({"installed": NEW}), {2, 3}),
        (wanted({"installed": OLD}), {1}),
        (wanted({"installed": ""}), {6}),
        (wanted({"health": NOT_WELL}), {5}),
        (wanted({"health": ""}), None),
        (wanted({"state": DeviceState.FAILED}), {1, 2}),
        (wanted({"state": DeviceState.IN_PROGRESS}), {3, 6}),
        (wanted({"state": DeviceState.SUCCEEDED}), None),
        (wanted({"connected": "yes"}), {1, 5}),
        (wanted({"connected": "no"}), {2}),
        # of a day that has begun before the instant, or connected: nobody knows of what day
        (wanted(heard_before="2024-05-01T12:00:00"), {1, 3, 5}),
        (wanted(heard_before="2024-05-09"), {1, 3, 4, 5}),
        (wanted(heard_before="2024-05-09", may_be_connected=False), {3, 4}),
        (wanted(heard_before="2024-04-30", may_be_connected=False), set()),
        (wanted(working_before="2024-05-01"), {4}),
        (wanted(working_before="2024-05-09T12:00:00"), {4, 5}),
        # what meets all parts
        (wanted({"class": "c1", "state": DeviceState.IN_PROGRESS}), {3}),
        (wanted({"connected": "yes", "health": NOT_WELL}), {5}),
        (wanted({"installed": NEW, "connected": "yes"}), set()),
    ],
)
def test_list_looks_where_its_devices_are_counted(
    selection: Selection, expected: set[int] | None
) -> None:
    assert buckets_with(KNOWN, selection) == expected


def test_counter_of_many_buckets_leaves_nothing_out() -> None:
    known = {**KNOWN, IDLE_NEW: None, "class:c2": None}

    assert buckets_with(known, wanted({"installed": NEW})) is None
    assert buckets_with(known, wanted({"class": "c2", "connected": "no"})) == {2}


LATEST = {"c1": V2, "c2": None}


@pytest.mark.parametrize(
    ("selection", "names", "buckets"),
    [
        (wanted(is_on_latest=None, latest=LATEST), None, None),
        (wanted({"class": "c1"}, is_on_latest=True, latest=LATEST), {NEW}, {2, 3}),
        (wanted({"class": "c1"}, is_on_latest=False, latest=LATEST), {OLD, ""}, {1}),
        (wanted({"class": "c3"}, is_on_latest=False, latest=LATEST), set(), set()),
    ],
)
def test_updates_of_devices_that_are_on_the_latest_or_not(
    selection: Selection, names: set[str] | None, buckets: set[int] | None
) -> None:
    assert on_latest_names(KNOWN, selection) == names
    assert buckets_with(KNOWN, selection) == buckets


def test_any_class_may_have_another_latest() -> None:
    both = {"c1": V2, "c2": V1}

    assert on_latest_names(KNOWN, wanted(is_on_latest=True, latest=both)) == {OLD, NEW}
    assert on_latest_names(KNOWN, wanted(is_on_latest=False, latest=both)) == {OLD, ""}
    assert on_latest_names(KNOWN, wanted(is_on_latest=True)) == set()
