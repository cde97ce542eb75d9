"""Each part of what is kept of a group: which devices it has, which selections it covers."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.fleet.counters import (
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
from shared.domain.fleet.kept import Kept, kept_of
from shared.domain.fleet.listing import ListedDevice, Selection
from tests.builders.listed import NOW
from tests.unit.domain.builders import V1, V2

NONE, DAY = Kept(), "2024-05-10"
OTHER = ("acme/kiosk/2.0",)


def a_device(**changes: Any) -> ListedDevice:
    return ListedDevice("d1", None, "lobby", "c1", **{"installed": V2, **changes})


@pytest.mark.parametrize(
    ("kept", "device", "expected"),
    [
        (NONE, a_device(state=DeviceState.FAILED, health=NOT_WELL, is_connected=False), False),
        (Kept(everything=True), a_device(), True),
        (Kept(failed=True), a_device(state=DeviceState.FAILED), True),
        (Kept(failed=True), a_device(state=DeviceState.SUCCEEDED), False),
        (Kept(unhealthy=True), a_device(health=NOT_WELL), True),
        (Kept(unhealthy=True), a_device(), False),
        (Kept(disconnected=True), a_device(is_connected=False), True),
        (Kept(disconnected=True), a_device(is_connected=None), False),
        (Kept(disconnected=True), a_device(is_connected=True), False),
        (Kept(heard_before=DAY), a_device(heard_at="2024-05-09T23:59:59"), True),
        (Kept(heard_before=DAY), a_device(heard_at=DAY), False),
        (Kept(heard_before=DAY), a_device(heard_at=""), False),
        (Kept(heard_before=DAY), a_device(heard_at="2024-05-09", is_connected=False), True),
        (Kept(heard_before=DAY), a_device(heard_at="2024-05-09", is_connected=True), False),
        (Kept(working_before=DAY), a_device(working_since="2024-05-09"), True),
        (Kept(working_before=DAY), a_device(working_since=DAY), False),
        (Kept(working_before=DAY), a_device(working_since=""), False),
        (Kept(installed_but=OTHER), a_device(installed=V1), True),
        (Kept(installed_but=OTHER), a_device(installed=None), True),
        (Kept(installed_but=OTHER), a_device(), False),
        (Kept(class_but=("c2",)), a_device(), True),
        (Kept(class_but=("c1", "c2")), a_device(), False),
        (Kept(class_but=()), a_device(), True),
    ],
)
def test_a_part_has_its_devices(kept: Kept, device: ListedDevice, expected: bool) -> None:
    assert kept.has(device) is expected


def wanted(columns: dict[str, str] | None = None, **changes: Any) -> Selection:
    return Selection(columns or {}, **changes)


@pytest.mark.parametrize(
    ("kept", "selection", "expected"),
    [
        (NONE, wanted({"state": "Failed", "health": NOT_WELL, "connected": "no"}), False),
        (NONE, wanted({"class": "c1", "installed": "acme/kiosk/1.0"}), False),
        (NONE, wanted(), False),
        (Kept(everything=True), wanted(), True),
        (Kept(failed=True), wanted({"state": DeviceState.FAILED}), True),
        (Kept(failed=True), wanted({"failure": "30101001"}), True),
        (Kept(failed=True), wanted({"failure": ""}), False),
        (Kept(failed=True), wanted({"state": DeviceState.SUCCEEDED}), False),
        (Kept(unhealthy=True), wanted({"health": NOT_WELL}), True),
        (Kept(unhealthy=True), wanted({"health": ""}), False),
        (Kept(disconnected=True), wanted({"connected": "no"}), True),
        (Kept(disconnected=True), wanted({"connected": "yes"}), False),
        (Kept(disconnected=True), wanted(), False),
        (Kept(heard_before=DAY), wanted(heard_before=DAY, may_be_connected=False), True),
        (Kept(heard_before=DAY), wanted(heard_before="2024-05-11", may_be_connected=False), False),
        (Kept(heard_before=DAY), wanted(heard_before=DAY), False),
        (Kept(heard_before=DAY), wanted({"connected": "no"}, heard_before=DAY), True),
        (Kept(heard_before=DAY), wanted({"connected": "yes"}, heard_before=DAY), False),
        (Kept(heard_before=DAY), wanted(may_be_connected=False), False),
        (Kept(working_before=DAY), wanted(working_before=DAY), True),
        (Kept(working_before=DAY), wanted(working_before="2024-05-11"), False),
        (Kept(working_before=DAY), wanted(), False),
        (Kept(installed_but=OTHER), wanted({"installed": "acme/kiosk/1.0"}), True),
        (Kept(installed_but=OTHER), wanted({"installed": OTHER[0]}), False),
        (Kept(installed_but=OTHER), wanted(), False),
        (Kept(class_but=("c2",)), wanted({"class": "c1"}), True),
        (Kept(class_but=("c2",)), wanted({"class": "c2"}), False),
        (Kept(class_but=("c2",)), wanted(), False),
        (Kept(installed_but=OTHER), wanted(installed_among=frozenset({"a", "b"})), True),
        (Kept(installed_but=OTHER), wanted(installed_among=frozenset({"a", *OTHER})), False),
    ],
)
def test_a_part_covers_what_has_its_devices_alone(
    kept: Kept, selection: Selection, expected: bool
) -> None:
    assert kept.covers(selection) is expected


CELLS = {
    TOTAL: 60,
    failing_cell("30101001"): 2,
    failing_cell("00000000"): 1,
    UNHEALTHY: 4,
    DISCONNECTED: 5,
    heard_cell("2024-05-13"): 3,
    heard_cell(""): 9,
    working_cell("2024-05-19"): 6,
    installed_cell("acme/kiosk/2.0", is_in_progress=False): 30,
    installed_cell("acme/kiosk/2.0", is_in_progress=True): 2,
    installed_cell("acme/kiosk/1.0", is_in_progress=False): 20,
    installed_cell("-", is_in_progress=False): 8,
}
COUNTS = {
    ("lobby", "c1"): CELLS,
    ("lobby", "c2"): {TOTAL: 3},
    ("annex", "c2"): {TOTAL: 4},
    ("annex", "c3"): {UNHEALTHY: 0},
}
ALL = {
    "failed": True,  # 3 devices
    "heard_before": "2024-05-14",  # 3
    "unhealthy": True,  # 4
    "disconnected": True,  # 5
    "working_before": "2024-05-20",  # 6
    "class_but": ("c1",),  # 7
    "installed_but": ("acme/kiosk/1.0", "acme/kiosk/2.0"),  # 8
}


@pytest.mark.parametrize(
    ("most", "parts"),
    [(6, 2), (9, 2), (10, 3), (15, 4), (21, 5), (28, 6), (35, 6), (36, 7)],
)
def test_the_smallest_parts_are_kept_while_they_fit(most: int, parts: int) -> None:
    assert kept_of(COUNTS, NOW, most) == Kept(**dict(list(ALL.items())[:parts]))  # type: ignore[arg-type]


def test_a_part_without_devices_fits_always() -> None:
    assert kept_of(COUNTS, NOW, 2) == Kept(heard_before="2024-05-13", working_before="2024-05-19")


def test_a_group_is_kept_whole_where_it_fits() -> None:
    assert kept_of(COUNTS, NOW, 67) == Kept(everything=True)
    assert not kept_of(COUNTS, NOW, 66).everything


def test_a_day_less_is_kept_where_a_day_more_does_not_fit() -> None:
    many = {("lobby", "c1"): {TOTAL: 90, heard_cell("2024-05-13"): 50, heard_cell("2024-05-12"): 1}}

    assert kept_of(many, NOW, 50).heard_before == "2024-05-13"
    assert kept_of(many, NOW, 51).heard_before == "2024-05-14"
