from __future__ import annotations

import asyncio

import pytest

from shared.services.pacing import Pacer
from tests.unit.domain.builders import a_change, started
from tests.unit.services.world import World


class Seconds:
    """Time that passes only when nobody does anything but wait: no machine is too slow for it."""

    def __init__(self) -> None:
        self.now = 0.0
        self._waiting: list[tuple[float, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float) -> None:
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((self.now + seconds, turn))
        await turn

    async def pass_by(self) -> None:
        while self._waiting:
            self._waiting.sort(key=lambda item: item[0])
            self.now, turn = self._waiting.pop(0)
            turn.set_result(None)
            await asyncio.sleep(0)


def a_pacer(seconds: Seconds) -> Pacer:
    return Pacer(per_second=100.0, now=lambda: seconds.now, sleep=seconds.sleep)


async def test_push_back_holds_commands_that_already_wait_for_their_turn() -> None:
    seconds = Seconds()
    pacer, left = a_pacer(seconds), list[float]()

    async def command() -> None:
        await pacer.turn("factory")
        left.append(seconds.now)

    waiting = [asyncio.create_task(command()) for _ in range(6)]
    await asyncio.sleep(0)
    pacer.push_back("factory", 0.5)
    await seconds.pass_by()
    await asyncio.gather(*waiting)

    assert left == pytest.approx([0.0, 0.5, 0.51, 0.52, 0.53, 0.54])


async def test_shorter_push_back_does_not_end_a_longer_one() -> None:
    seconds = Seconds()
    pacer = a_pacer(seconds)
    pacer.push_back("factory", 0.4)
    pacer.push_back("factory", 0.0)

    command = asyncio.create_task(pacer.turn("factory"))
    await asyncio.sleep(0)
    await seconds.pass_by()
    await command

    assert seconds.now == pytest.approx(0.4)


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
