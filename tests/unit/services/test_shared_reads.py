from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pytest

from shared.domain.errors import DependencyFailed
from shared.services import shared_reads
from shared.services.shared_reads import SharedReads, watched_ages

if TYPE_CHECKING:
    from shared.domain.fleet.deployment import Deployment
    from shared.ports import KnownClass, KnownGroup, Rollup, Stored


class Slow:
    """Reads that end when they are told to, and are counted."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.begun = asyncio.Semaphore(0)
        self.go_on = asyncio.Event()
        self.error: Exception | None = None

    async def rollups(self, instance: str, group: str | None = None) -> dict[str, Rollup]:
        await self._read(("rollups", instance, group))
        return {}

    async def classes(self, instance: str) -> Sequence[KnownClass]:
        await self._read(("classes", instance))
        return []

    async def groups(self, instance: str) -> Sequence[KnownGroup]:
        await self._read(("groups", instance))
        return []

    async def of_group(self, instance: str, group: str) -> Sequence[Stored[Deployment]]:
        await self._read(("of_group", instance, group))
        return []

    async def of_instance(self, instance: str) -> Sequence[Stored[Deployment]]:
        await self._read(("of_instance", instance))
        return []

    async def _read(self, what: Any) -> None:
        self.calls.append(what)
        self.begun.release()
        await self.go_on.wait()
        if self.error is not None:
            raise self.error


class Clock:
    """What `time.monotonic` says to the module under test."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(shared_reads, "time", clock)
    return clock


@pytest.fixture
async def slow(clock: Clock) -> Slow:
    return Slow()


@pytest.mark.parametrize("seconds", [0.0, 1.0])
async def test_callers_at_the_same_time_share_one_read(slow: Slow, seconds: float) -> None:
    reads = SharedReads(slow, slow, seconds)
    callers = [asyncio.create_task(reads.rollups("i", "g")) for _ in range(200)]
    await slow.begun.acquire()
    slow.go_on.set()

    found = await asyncio.gather(*callers)

    assert slow.calls == [("rollups", "i", "g")]
    assert all(each is found[0] for each in found)


async def test_every_read_is_shared_by_what_it_is_of(slow: Slow) -> None:
    reads = SharedReads(slow, slow, 1.0)
    slow.go_on.set()

    for _ in range(2):
        await reads.rollups("i")
        await reads.rollups("i", "g")
        await reads.rollups("other", "g")
        await reads.classes("i")
        await reads.groups("i")
        await reads.of_group("i", "g")
        await reads.of_instance("i")

    assert slow.calls == [
        ("rollups", "i", None),
        ("rollups", "i", "g"),
        ("rollups", "other", "g"),
        ("classes", "i"),
        ("groups", "i"),
        ("of_group", "i", "g"),
        ("of_instance", "i"),
    ]


async def test_a_read_counts_from_its_start_for_no_longer_than_told(
    slow: Slow, clock: Clock
) -> None:
    reads = SharedReads(slow, slow, 1.0)
    slow.go_on.set()
    ages_seen = []
    for wait in (0.0, 0.75, 0.25):
        clock.now += wait
        with watched_ages() as ages:
            await reads.classes("i")
        ages_seen += ages

    assert len(slow.calls) == 2
    assert ages_seen == [0.0, 0.75, 0.0]


async def test_an_error_is_told_to_who_waited_and_is_not_kept(slow: Slow) -> None:
    reads = SharedReads(slow, slow, 1.0)
    slow.error = DependencyFailed("Storage cannot be reached.")
    callers = [asyncio.create_task(reads.classes("i")) for _ in range(3)]
    await slow.begun.acquire()
    slow.go_on.set()

    for each in callers:
        with pytest.raises(DependencyFailed):
            await each
    slow.error = None
    assert await reads.classes("i") == []
    assert len(slow.calls) == 2


async def test_a_caller_who_gives_up_does_not_end_the_read_of_the_others(slow: Slow) -> None:
    reads = SharedReads(slow, slow, 1.0)
    first = asyncio.create_task(reads.classes("i"))
    await slow.begun.acquire()
    second = asyncio.create_task(reads.classes("i"))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    slow.go_on.set()

    assert await second == []
    assert len(slow.calls) == 1


async def test_what_was_changed_here_is_read_anew(slow: Slow) -> None:
    reads = SharedReads(slow, slow, 1.0)
    before = asyncio.create_task(reads.classes("i"))
    await slow.begun.acquire()
    reads.forget()
    after = asyncio.create_task(reads.classes("i"))
    await slow.begun.acquire()
    slow.go_on.set()

    await asyncio.gather(before, after)
    assert len(slow.calls) == 2


async def test_memory_is_bounded(slow: Slow, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_reads, "_MOST", 10)
    reads = SharedReads(slow, slow, 1.0)
    slow.go_on.set()
    for number in range(30):
        clock.now += 1.0
        await reads.rollups("i", f"g{number}")

    assert len(reads._flights) <= 10
