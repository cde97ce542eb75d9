"""What a recount finds, how a trend is told, and a device as a row of an export."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.domain.fleet.compliance import StateCounts
from shared.domain.fleet.device import DeviceRecord, DeviceState
from shared.domain.fleet.export import COLUMNS, row_of
from shared.domain.fleet.listing import InstallResult, ListedDevice
from shared.domain.fleet.recount import Drift, drift_of, is_cluttered, is_long_gone
from shared.domain.fleet.registers import ROOT
from shared.domain.fleet.trend import ProgressPoint, rate_per_minute, thinned
from tests.unit.domain.builders import V1, V2, a_command


def test_drift_is_every_counter_that_differs() -> None:
    found = {("g", "a"): {"x": 1, "y": 2}, ("g", "b"): {"z": 0}}
    counted = {("g", "a"): {"x": 1, "y": 3, "w": 4}, ("f", "c"): {"v": 5}}

    assert drift_of(found, counted) == [
        Drift("f", "c", "v", found=0, counted=5),
        Drift("g", "a", "w", found=0, counted=4),
        Drift("g", "a", "y", found=2, counted=3),
    ]
    assert drift_of(found, found) == []


@pytest.mark.parametrize(("removed", "expected"), [(32, False), (33, True)])
def test_row_is_cluttered_by_too_many_removed_members(removed: int, expected: bool) -> None:
    registers: dict[str, tuple[int, Any]] = {f"agent.{n}": (1, None) for n in range(removed)}
    registers |= {ROOT: (1, None), "agent.kept": (1, "text")}

    assert is_cluttered(DeviceRecord("d1", registers=registers)) is expected


GONE = DeviceRecord("d1", deleted_at="2024-05-01T00:00:00.000000+00:00")
AFTER = "2024-05-31T00:00:00.000001+00:00"


@pytest.mark.parametrize(
    ("record", "now", "expected"),
    [
        (GONE, AFTER, True),
        (GONE, "2024-05-31T00:00:00.000000+00:00", False),
        (replace(GONE, deleted_at=""), AFTER, False),
        (replace(GONE, registers={"agent.state": (1, 0)}), AFTER, False),
        (replace(GONE, commanded=a_command()), AFTER, False),
    ],
)
def test_deleted_device_is_forgotten_after_thirty_days(
    record: DeviceRecord, now: str, expected: bool
) -> None:
    assert is_long_gone(record, now) is expected


def a_point(seconds: int, ended: int = 0, running: int = 0) -> ProgressPoint:
    at = f"2024-05-01T00:{seconds // 60:02}:{seconds % 60:02}.000000+00:00"
    return ProgressPoint(at, StateCounts(running, ended, 2 * ended, 3 * ended))


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([], None),
        ([a_point(0, 1)], None),
        ([a_point(0, 1), a_point(0, 2)], None),
        ([a_point(1, 1), a_point(0, 2)], None),
        ([a_point(0, 1), a_point(1, 2)], 360.0),
        ([a_point(0, 1, 9), a_point(30, 5), a_point(120, 2, 4)], 3.0),
        ([a_point(0, 2), a_point(60, 1)], 0.0),
        ([a_point(0, 2), a_point(60, 2)], 0.0),
    ],
)
def test_rate_is_of_devices_that_have_ended(
    points: list[ProgressPoint], expected: float | None
) -> None:
    assert rate_per_minute(points) == expected


@pytest.mark.parametrize(
    ("count", "most", "expected"),
    [
        (3, 3, [0, 1, 2]),
        (0, 3, []),
        (5, 3, [0, 2, 4]),
        (10, 4, [0, 3, 6, 9]),
        (10, 2, [0, 9]),
        (10, 1, [9]),
        (10, 0, [9]),
    ],
)
def test_points_are_thinned_evenly(count: int, most: int, expected: list[int]) -> None:
    points = [a_point(second) for second in range(count)]

    assert thinned(points, most) == [points[index] for index in expected]


FAILED = ListedDevice(
    device_id="d1",
    module_id="m1",
    group_id="lobby",
    class_id="c1",
    installed=V1,
    attempted=V2,
    deployment_id="roll-1",
    state=DeviceState.FAILED,
    result=InstallResult(0),
    failure_codes=(0x30101001,),
    refusal="The hub refused it.",
    heard_at="2024-05-02",
    is_connected=False,
    working_since="2024-05-01",
    health="Unhealthy",
)


def test_row_of_an_export_has_the_documented_columns() -> None:
    row = dict(zip([name for name, _ in COLUMNS], row_of(FAILED, is_on_latest=False), strict=True))
    message = row.pop("failureMessage")

    assert isinstance(message, str)
    assert message.endswith("The hub refused it.")
    assert row == {
        "deviceId": "d1",
        "moduleId": "m1",
        "groupId": "lobby",
        "deviceClassId": "c1",
        "installedUpdate": str(V1),
        "onLatestUpdate": False,
        "lastAttemptedUpdate": str(V2),
        "lastDeploymentId": "roll-1",
        "deploymentStatus": "Failed",
        "resultCode": 0,
        "failureCode": "30101001",
        "workingSinceDateTime": "2024-05-01",
        "lastContactDateTime": "2024-05-02",
        "isConnected": False,
        "health": "Unhealthy",
    }


def test_what_is_not_known_is_empty_in_an_export() -> None:
    bare = ListedDevice("d1", None, "lobby", "c1")

    assert row_of(bare, is_on_latest=True) == (
        *("d1", None, "lobby", "c1", None, True),
        *(None,) * 10,
    )
    fine = replace(FAILED, state=DeviceState.SUCCEEDED)
    assert row_of(fine, is_on_latest=True)[10:12] == (None, None)
