"""Names of counters are stored: another name in a later release would lose what was counted."""

from __future__ import annotations

from shared.domain.fleet.counters import contribution
from tests.unit.domain.builders import a_change, a_command, a_record, failed, started, succeeded


def test_counters_of_a_failed_device_are_named_as_in_every_release() -> None:
    record = a_record(a_change(1, started()), a_change(2, failed()), commanded=a_command())

    found = {key: dict(cells) for key, cells in contribution(record).items()}

    (own,) = (cells for (_, class_id), cells in found.items() if class_id != "class")
    assert own == {
        "total": 1,
        "installed:idle:-": 1,
        "heard:2024-05-01": 1,
        "failing:00000000": 1,
        "unhealthy": 1,
    }
    assert found["$default", "class"] == {"deployment:Failed:w1": 1, "failed:00000000:w1": 1}


def test_counters_of_a_device_that_succeeded_are_named_as_in_every_release() -> None:
    record = a_record(a_change(1, started()), a_change(2, succeeded()), commanded=a_command())

    found = {key: dict(cells) for key, cells in contribution(record).items()}

    (own,) = (cells for (_, class_id), cells in found.items() if class_id != "class")
    assert own == {"total": 1, "installed:idle:acme/kiosk/2.0": 1, "heard:2024-05-01": 1}
    assert found["$default", "class"] == {"deployment:Succeeded:w1": 1}
