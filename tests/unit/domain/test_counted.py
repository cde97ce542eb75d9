"""How many devices a list has, as its counters tell it, and what they do not tell."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.fleet.counted import count_of
from shared.domain.fleet.counters import (
    CONNECTED,
    DISCONNECTED,
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
from tests.unit.domain.builders import V1, V2

OLD, NEW = str(V1), str(V2)
COUNTS = {
    ("lobby", "c1"): {
        TOTAL: 40,
        CONNECTED: 20,
        DISCONNECTED: 7,
        UNHEALTHY: 5,
        failing_cell("30101001"): 3,
        failing_cell("00000000"): 1,
        installed_cell(NEW, is_in_progress=False): 11,
        installed_cell(NEW, is_in_progress=True): 2,
        installed_cell(OLD, is_in_progress=False): 9,
        installed_cell("-", is_in_progress=True): 4,
        heard_cell("2024-05-01"): 6,
        heard_cell("2024-05-02"): 8,
        heard_cell(""): 10,
        working_cell("2024-05-01"): 1,
        working_cell("2024-05-02"): 2,
    },
    ("lobby", "c2"): {TOTAL: 60, UNHEALTHY: 1, installed_cell(OLD, is_in_progress=False): 30},
}
LATEST = {"c1": V2, "c2": V1}


def wanted(columns: dict[str, str] | None = None, **changes: Any) -> Selection:
    return Selection({"group": "lobby", **(columns or {})}, **changes)


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        (wanted(), 100),
        (wanted({"class": "c1"}), 40),
        (wanted({"class": "c3"}), 0),
        (wanted({"connected": "yes"}), 20),
        (wanted({"connected": "no"}), 7),
        (wanted({"health": NOT_WELL}), 6),
        (wanted({"health": NOT_WELL, "class": "c2"}), 1),
        (wanted({"state": DeviceState.FAILED}), 4),
        (wanted({"state": DeviceState.IN_PROGRESS}), 6),
        (wanted({"failure": "30101001"}, failure_code=0x30101001), 3),
        (wanted({"installed": NEW}), 13),
        (wanted({"installed": OLD}), 39),
        (wanted({"installed": ""}), 4),
        (wanted(heard_before="2024-05-02", may_be_connected=False), 6),
        (wanted(heard_before="2024-05-03", may_be_connected=False), 14),
        (wanted(working_before="2024-05-02"), 1),
        (wanted(is_on_latest=True, latest=LATEST), 43),
        (wanted(is_on_latest=False, latest=LATEST), 13),
        (wanted(is_on_latest=True), 56),
    ],
)
def test_counters_tell_of_each_part_of_a_filter(selection: Selection, expected: int) -> None:
    assert count_of(COUNTS, selection) == expected


@pytest.mark.parametrize(
    "selection",
    [
        wanted(id_prefix="d"),
        wanted({"connected": "yes", "health": NOT_WELL}),
        wanted({"connected": "yes"}, working_before="2024-05-02"),
        wanted({"connected": ""}),
        wanted({"health": ""}),
        wanted({"state": DeviceState.SUCCEEDED}),
        wanted({"state": ""}),
        wanted({"failure": "30101001"}, failure_code=0x30101002),
        wanted(heard_before="2024-05-02"),
        wanted(heard_before="2024-05-02T12:00:00", may_be_connected=False),
        wanted(working_before="2024-05-02T12:00:00"),
    ],
)
def test_counters_do_not_tell_of_more(selection: Selection) -> None:
    assert count_of(COUNTS, selection) is None
