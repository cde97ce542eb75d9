"""How the service tells how it is doing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, ClassVar

import pytest

from functions.operations import status_of
from shared.domain.errors import DependencyFailed
from shared.domain.event_lag import EventLag
from shared.services.maintenance.event_lag import LagMeter
from shared.services.maintenance.poison import PoisonItem
from shared.services.maintenance.poison_counts import PoisonCounts
from shared.services.maintenance.service_health import ServiceHealth
from shared.services.reporting.attention import poison_items
from shared.topology import QUEUES
from tests.fakes.clock import FixedClock


class Dependencies:
    """Every port that is asked; what is in `broken` fails, what is in `silent` never answers."""

    def __init__(self) -> None:
        self.broken: set[str] = set()
        self.silent: set[str] = set()
        self.asked: list[str] = []
        self.lags: dict[str, EventLag] = {}

    async def _answer(self, name: str, answer: Any = None) -> Any:
        self.asked.append(name)
        if name in self.silent:
            await asyncio.Event().wait()
        if name in self.broken:
            raise DependencyFailed(f"{name} cannot be reached.")
        return answer

    async def get(self, instance: str, _: str | None = None) -> Any:
        return self.lags.get(instance) if _ is None else await self._answer("tables")

    async def save(self, instance: str, lag: EventLag) -> None:
        await self._answer("lags")
        self.lags[instance] = lag

    async def count(self, queue: str) -> int:
        return await self._answer("queues", {"import": 3, "import-poison": 2}.get(queue, 0))

    async def oldest(self, queue: str) -> str | None:
        return "2024-05-01T11:59:00+00:00"

    async def metadata(self, container: str, name: str) -> Any:
        return await self._answer("blobs")

    async def keyring(self) -> Any:
        return await self._answer("keyring")

    async def read_twin(self, instance: str, device: str, module: str | None) -> Any:
        return await self._answer(f"hub:{instance}")


class Seconds:
    def __init__(self) -> None:
        self.value = 0.0

    def __call__(self) -> float:
        return self.value


def health(found: Dependencies, now: Seconds | None = None) -> ServiceHealth:
    every: Any = found
    return ServiceHealth(
        instances=["one", "two"],
        operations=every,
        poison=every,
        blobs=every,
        signing=every,
        hub=every,
        lags=every,
        clock=FixedClock(),
        now=now or Seconds(),
        timeout_seconds=0.05,
    )


@pytest.mark.parametrize(
    ("broken", "status"),
    [
        (set(), "Healthy"),
        ({"hub:two"}, "Degraded"),
        ({"keyring"}, "Degraded"),
        ({"tables"}, "Unhealthy"),
        ({"blobs", "hub:one"}, "Unhealthy"),
    ],
)
async def test_one_word_says_how_things_stand(broken: set[str], status: str) -> None:
    found = Dependencies()
    found.broken = broken
    service = health(found)

    dependencies = [*await service.stores(), *await service.others()]

    assert status_of(dependencies) == status
    assert {item.name for item in dependencies if not item.is_healthy} == broken
    assert await service.is_ready() is not bool(broken & {"tables", "queues", "blobs"})


async def test_what_does_not_answer_is_not_waited_for() -> None:
    found = Dependencies()
    found.silent = {"hub:one"}

    (wrong,) = [item for item in await health(found).others() if not item.is_healthy]

    assert (wrong.name, wrong.is_needed) == ("hub:one", False)
    assert "does not answer" in wrong.error


async def test_probes_do_not_turn_into_load() -> None:
    found, now = Dependencies(), Seconds()
    service = health(found, now)

    await asyncio.gather(*(service.is_ready() for _ in range(20)))
    once = len(found.asked)
    now.value = 60.0
    await service.is_ready()

    assert (once, len(found.asked)) == (3, 6)


async def test_queues_tell_length_age_and_what_failed() -> None:
    queues = {item.queue: item for item in await health(Dependencies()).queues()}

    assert set(queues) == {*QUEUES, "blobs"}
    assert (queues["import"].message_count, queues["import"].poison_count) == (3, 2)
    assert 60 <= queues["import"].oldest_seconds < 61
    assert (queues["scan"].oldest_at, queues["scan"].oldest_seconds) == (None, 0.0)


async def test_lag_is_written_once_a_minute_with_the_longest() -> None:
    found: Any = Dependencies()
    clock = FixedClock(step_seconds=0)
    meter = LagMeter(found, clock)

    await meter.folded("one", "2024-05-01T11:59:58+00:00")
    first = found.lags["one"]
    await meter.folded("one", "2024-05-01T11:59:30+00:00")
    await meter.folded("one", "2024-05-01T12:00:00+00:00")
    await meter.folded("one", "")
    clock.advance(61)
    await meter.folded("one", "2024-05-01T12:01:00+00:00")

    assert first.seconds == 2
    assert found.lags["one"].seconds == 30
    assert found.asked == ["lags", "lags"]


async def test_a_lag_that_cannot_be_written_hurts_nobody() -> None:
    found: Any = Dependencies()
    found.broken = {"lags"}

    await LagMeter(found, FixedClock()).folded("one", "2024-05-01T11:59:58+00:00")

    assert found.lags == {}


class FailedForGood:
    """What failed for good in two places, of two instances."""

    ITEMS: ClassVar = {"import": ("one", "two"), "events": ("two",)}

    async def count(self, place: str) -> int:
        return len(self.ITEMS.get(place, ()))

    async def list(self, place: str) -> AsyncIterator[PoisonItem]:
        for instance in self.ITEMS.get(place, ()):
            yield PoisonItem(
                place=place, what="work", about={"instance": instance}, at="t", reason=None
            )


async def test_what_failed_for_good_is_counted_by_place_and_by_who_asks() -> None:
    failed: Any = FailedForGood()
    counts = PoisonCounts(health(Dependencies()), failed)

    assert await counts.by_place(None) == {"import": 2, "events": 1}
    assert await counts.by_place(lambda item: item.instance == "one") == {"import": 1}
    items = poison_items(await counts.by_place(None))
    assert [(item.subject, item.count, item.counts_devices) for item in items] == [
        ("events", 1, False),
        ("import", 2, False),
    ]
