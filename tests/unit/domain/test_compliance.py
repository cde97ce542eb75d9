from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.fleet.compliance import (
    Compliance,
    StateCounts,
    best_update,
    compliance,
    failing_counts,
    failure_counts,
    installed_counts,
    is_on_latest,
    state_counts,
    working_counts,
)
from shared.domain.updates.update_id import UpdateId

updates = st.builds(
    UpdateId,
    st.just("acme"),
    st.sampled_from(["kiosk", "gate"]),
    st.lists(st.integers(0, 12), min_size=2, max_size=4).map(
        lambda parts: ".".join(map(str, parts))
    ),
)
V9, V10 = UpdateId("acme", "kiosk", "1.9"), UpdateId("acme", "kiosk", "1.10")


@pytest.mark.parametrize(
    ("installed", "best", "expected"),
    [
        (None, None, True),
        (V9, None, True),
        (None, V9, False),
        (V9, V10, False),
        (V10, V9, True),
        (V10, V10, True),
        (UpdateId("acme", "gate", "9.0"), V10, False),
        (UpdateId("other", "kiosk", "9.0"), V10, False),
    ],
)
def test_device_is_on_latest_when_nothing_newer_fits(
    installed: UpdateId | None, best: UpdateId | None, expected: bool
) -> None:
    assert is_on_latest(installed, best) is expected


@given(st.lists(updates, max_size=6))
@settings(deadline=None)
def test_best_update_is_the_newest_by_number_in_any_order(candidates: list[UpdateId]) -> None:
    best = best_update(candidates)

    assert best == best_update(candidates[::-1])
    assert (best is None) is (not candidates)
    assert all(best is not None and item.version_key <= best.version_key for item in candidates)


def test_compliance_tells_latest_new_and_in_progress_apart() -> None:
    cells = {
        "total": 9,
        "connected": 4,
        f"installed:idle:{V10}": 3,
        f"installed:idle:{V9}": 2,
        "installed:idle:-": 1,
        f"installed:busy:{V10}": 3,
        "deployment:InProgress:w1": 3,
    }

    found = compliance(cells, V10)

    assert found == Compliance(9, on_latest=3, new_available=3, in_progress=3, connected=4)
    assert found + Compliance() == found
    assert compliance({}, V10) == Compliance()
    assert compliance(cells, None).new_available == 0


def test_states_are_those_of_one_deployment() -> None:
    cells = {
        "deployment:InProgress:w1": 1,
        "deployment:Succeeded:w1": 2,
        "deployment:Failed:w1": 3,
        "deployment:Canceled:w1": 4,
        "deployment:Failed:w10": 50,
    }

    assert state_counts(cells, "w1") == StateCounts(1, 2, 3, 4)
    assert state_counts(cells, "w1").commanded == 10
    assert state_counts(cells, "w2").commanded == 0


def test_compliance_of_several_is_the_sum_of_each_part() -> None:
    one = Compliance(10, on_latest=1, new_available=2, in_progress=3, connected=4)
    other = Compliance(50, on_latest=5, new_available=6, in_progress=7, connected=8)

    assert one + other == Compliance(60, on_latest=6, new_available=8, in_progress=10, connected=12)


def test_devices_with_several_updates_add_up_in_each_part() -> None:
    newer = UpdateId("acme", "kiosk", "2.0")
    cells = {
        "total": 21,
        f"installed:busy:{V9}": 1,
        f"installed:busy:{V10}": 2,
        f"installed:idle:{V10}": 3,
        f"installed:idle:{newer}": 4,
        f"installed:idle:{V9}": 5,
        "installed:idle:-": 6,
        "installed:idle:no/update/x": 7,
        "heard:2026-01-31": 8,
    }

    found = compliance(cells, V10)

    assert (found.on_latest, found.new_available, found.in_progress) == (7, 18, 3)
    assert installed_counts(cells) == {V9: 6, V10: 5, newer: 4, None: 13}


def test_failures_and_work_are_counted_by_code_and_by_day() -> None:
    cells = {
        "failed:30000000:w1": 1,
        "failed:00000000:w1": 2,
        "failed:30000000:w2": 9,
        "failing:30000000": 3,
        "failing:00000000": 0,
        "working:2026-01-31": 4,
        "working:2026-02-01": 5,
    }

    assert failure_counts(cells, "w1") == {"30000000": 1, "00000000": 2}
    assert failing_counts(cells) == {"30000000": 3}
    assert working_counts(cells) == {"2026-01-31": 4, "2026-02-01": 5}
