"""How often a group is summed up: each sum reads every bucket."""

from __future__ import annotations

from itertools import pairwise

from shared.domain.fleet.counters import distance
from shared.domain.instant import seconds_between
from shared.ports import Rollup
from tests.builders.scenario_fleets import a_fleet, everybody
from tests.settings import INSTANCE
from tests.unit.domain.builders import V2


async def test_sum_that_found_much_is_followed_sooner_than_one_that_found_little() -> None:
    fleet = await a_fleet(60)
    for number, device in enumerate(fleet.simulated.values()):
        device.works = 5 + number / 4
    sums: list[Rollup] = []
    save = fleet.fleet.save_rollup

    async def saved(instance: str, group: str, rollup: Rollup) -> None:
        sums.append(rollup)
        await save(instance, group, rollup)

    fleet.fleet.save_rollup = saved  # type: ignore[method-assign]
    await fleet.roll_out(everybody(), V2)
    await fleet.run(minutes=10)

    gaps = [
        (one.is_quiet, seconds_between(one.as_of, other.as_of), one.buckets)
        for one, other in pairwise(sums)
    ]
    assert all(gap >= buckets / (4 if is_quiet else 10) for is_quiet, gap, buckets in gaps)
    assert any(gap < buckets / 4 for is_quiet, gap, buckets in gaps if not is_quiet)
    assert {is_quiet for is_quiet, _, _ in gaps} == {True, False}


def test_sums_differ_by_what_their_cells_do() -> None:
    one = {("g", "a"): {"total": 2, "x": 1}, ("g", "b"): {"total": 1}}
    other = {("g", "a"): {"total": 1, "y": 1}}
    assert distance(one, other) == distance(other, one) == 1 + 1 + 1 + 1
    assert distance(one, one) == 0


async def test_what_a_sum_was_like_is_known_to_the_next() -> None:
    fleet = await a_fleet(60)
    await fleet.run(minutes=2)
    last = await fleet.fleet.last_rollup(INSTANCE, "$default")
    assert last is not None
    assert last.is_quiet
