"""Which devices a phase reaches: a rule that no release may change, or phases would shift."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.rollouts.selection import (
    PLACES,
    phase_of,
    place_of,
    rank_of,
    rank_ranges,
    rank_text,
)
from shared.domain.rollouts.specification import Phase, Select

BELOW, ABOVE = 83.39, 83.4
"""The place of `d1` for the seed `seed` is between these percentages."""


def phases(*selects: dict[str, Any]) -> tuple[Phase, ...]:
    return tuple(Phase(select=Select(**select)) for select in selects)


def test_rank_and_place_of_a_device_never_change() -> None:
    assert rank_of("d1") == 0xEF30802FDE462BA0
    assert place_of("d1", "seed") == 0xD57E27D8FC84DAD6
    assert rank_text(255) == "00000000000000ff"


@pytest.mark.parametrize(
    ("selects", "open_phase", "expected"),
    [
        ([{"percent": 100}], 0, 0),
        ([{"percent": 100}], -1, None),
        ([{"percent": BELOW}, {"percent": ABOVE}], 0, None),
        ([{"percent": BELOW}, {"percent": ABOVE}], 1, 1),
        ([{"class_id": "kiosk"}], 0, 0),
        ([{"class_id": "gate"}, {"percent": ABOVE}], 1, 1),
        ([{"count": 5}], 0, 0),
        ([{"count": 5}, {"count": 5}], 1, 1),
        ([{"count": 5}, {"percent": BELOW}], 1, None),
        ([{"percent": BELOW}, {"class_id": "gate"}, {"count": 5}], 2, 2),
    ],
)
def test_device_is_reached_by_the_first_open_phase_that_has_it(
    selects: list[dict[str, Any]], open_phase: int, expected: int | None
) -> None:
    assert phase_of(phases(*selects), "seed", "d1", "kiosk", open_phase) == expected


percents = st.integers(1, 9_999).map(lambda points: points / 100)


@given(st.lists(percents, min_size=1, max_size=3), st.text(max_size=3), st.text(max_size=3))
def test_ranges_of_ranks_are_those_of_the_devices_that_are_reached(
    shares: list[float], seed: str, device_id: str
) -> None:
    chosen = phases(*({"percent": share} for share in shares))
    open_phase = len(chosen) - 1

    ranges = rank_ranges(chosen, seed, open_phase)

    assert ranges is not None
    assert all(0 <= start < end <= PLACES for start, end in ranges)
    is_in = any(start <= rank_of(device_id) < end for start, end in ranges)
    assert is_in is (phase_of(chosen, seed, device_id, "kiosk", open_phase) is not None)


@pytest.mark.parametrize(
    ("selects", "open_phase", "are_bounded"),
    [
        ([{"percent": 99.99}], 0, True),
        ([{"percent": 100}], 0, False),
        ([{"percent": 10}, {"percent": 100}], 0, True),
        ([{"percent": 10}, {"percent": 100}], 1, False),
        ([{"count": 5}], 0, False),
        ([{"class_id": "kiosk"}, {"percent": 10}], 1, False),
    ],
)
def test_phases_that_reach_devices_of_any_rank_have_no_ranges(
    selects: list[dict[str, Any]], open_phase: int, are_bounded: bool
) -> None:
    assert (rank_ranges(phases(*selects), "seed", open_phase) is not None) is are_bounded


def test_nobody_is_in_the_ranges_before_the_first_phase() -> None:
    ranges = rank_ranges(phases({"percent": 10}), "seed", -1)

    assert ranges is not None
    assert all(start == end for start, end in ranges)
