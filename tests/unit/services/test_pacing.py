from __future__ import annotations

import asyncio
import time

from shared.services.pacing import Pacer
from tests.unit.domain.builders import a_change, started
from tests.unit.services.world import World


async def test_push_back_holds_commands_that_already_wait_for_their_turn() -> None:
    pacer = Pacer(per_second=100.0)
    begun = time.monotonic()
    left: list[float] = []

    async def command() -> None:
        await pacer.turn("factory")
        left.append(time.monotonic() - begun)

    waiting = [asyncio.create_task(command()) for _ in range(6)]
    await asyncio.sleep(0)
    pacer.push_back("factory", 0.5)
    await asyncio.gather(*waiting)

    assert sorted(at >= 0.5 for at in left) == [False] + [True] * 5
    held = sorted(left)[1:]
    assert held[-1] - held[0] >= 0.035, held


async def test_shorter_push_back_does_not_end_a_longer_one() -> None:
    pacer = Pacer(per_second=100.0)
    begun = time.monotonic()
    pacer.push_back("factory", 0.4)
    pacer.push_back("factory", 0.0)

    await pacer.turn("factory")

    assert time.monotonic() - begun >= 0.4


class _Counting(Pacer):
    """Counts the turns that were taken."""

    turns = 0

    async def turn(self, instance: str) -> None:
        type(self).turns += 1


async def test_reads_of_twins_keep_within_the_pace_of_reads() -> None:
    world = World()
    world.observe.reads = _Counting(1.0)

    await world.tell(a_change(2, started()), a_change(2, started(), device_id="d2"))
    await world.observe.deleted("factory", "d1", None, "2030-01-01T00:00:00.000000+00:00")

    assert _Counting.turns == 3
