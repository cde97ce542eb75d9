from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.fleet.compliance import (
    Compliance,
    StateCounts,
    best_update,
    compliance,
    is_on_latest,
    state_counts,
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
