from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from functions import events
from shared.domain.errors import DependencyFailed, InvalidInput
from shared.domain.fleet.device import bucket_of
from shared.domain.refused_events import Refusal
from shared.ports import NO_TELEMETRY
from shared.services.devices.refusals import Refusals
from shared.services.devices.relay import Chunk, TwinRelay
from shared.topology import EventType
from tests.builders.devices import neighbours, record
from tests.builders.relay import an_event
from tests.fakes.clock import FixedClock
from tests.fakes.devices import LARGEST_ROW
from tests.fakes.hub import MemoryEvents
from tests.fakes.records import MemoryRefusals
from tests.unit.domain.builders import a_change, started
from tests.unit.services.world import INSTANCE, World

SECRET = "the password is swordfish"


async def counts(store: MemoryRefusals) -> Mapping[str, int]:
    return {item.reason.value: item.count for item in await store.list()}


async def test_one_oversized_device_is_refused_and_its_neighbours_are_folded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    first, large, last = neighbours(3)
    agent = {"deviceUpdate": {"agent": {"x": SECRET + "y" * LARGEST_ROW}}}

    await world.tell(
        a_change(2, started(), device_id=first),
        a_change(2, agent, device_id=large),
        a_change(2, started(), device_id=last),
    )

    assert (await record(world, first)).registers
    assert (await record(world, last)).registers
    assert not await world.devices.load(INSTANCE, bucket_of(large), [large])
    assert await counts(world.refusal_counts) == {"DeviceRowTooLarge": 1}
    assert large in caplog.text
    assert SECRET not in caplog.text


async def test_device_whose_names_no_key_can_hold_is_refused_alone() -> None:
    world = World()
    first, odd, last = neighbours(3)
    module = "." * 128

    await world.tell(
        a_change(2, started(), device_id=first),
        a_change(2, started(), device_id=odd + "." * 100, module_id=module),
        a_change(2, started(), device_id=last),
    )

    assert (await record(world, first)).registers
    assert (await record(world, last)).registers
    assert await counts(world.refusal_counts) == {"DeviceRowTooLarge": 1}


async def test_hub_events_are_counted_by_reason() -> None:
    store = MemoryRefusals()
    relay = TwinRelay(MemoryEvents(), {"hub": INSTANCE}, Refusals(store, FixedClock()))

    await relay.relay(
        [
            an_event(),
            an_event(hubName="other"),
            an_event(hubName="another"),
            an_event(b"not json"),
            an_event({"x": "y" * 200_000}),
        ]
    )

    assert await counts(store) == {"ForeignHub": 2, "Malformed": 1, "Oversized": 1}


async def test_a_count_that_cannot_be_stored_goes_with_the_next() -> None:
    class Failing(MemoryRefusals):
        is_down = True

        async def add(self, counts: Mapping[Refusal, int], at: str) -> None:
            if self.is_down:
                raise DependencyFailed("Storage is down.")
            await super().add(counts, at)

    store = Failing()
    refusals = Refusals(store, FixedClock())
    await refusals.count({Refusal.MALFORMED: 2})
    store.is_down = False
    await refusals.count({Refusal.MALFORMED: 1})

    assert await counts(store) == {"Malformed": 3}


class Observed:
    """Folds nothing, and fails as it is told to."""

    def __init__(self) -> None:
        self.failure: Exception | None = None

    async def folded(self, instance: str, at: str) -> None:
        """How old the newest change is."""

    async def twin_changes(self, *_: Any) -> None:
        if self.failure:
            raise self.failure

    async def reported(self, *_: Any) -> None:
        pass


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> Any:
    store, observed = MemoryRefusals(), Observed()
    refusals = Refusals(store, FixedClock())
    made = SimpleNamespace(
        telemetry=NO_TELEMETRY,
        devices=SimpleNamespace(
            relay=TwinRelay(MemoryEvents(), {"hub": INSTANCE}, refusals),
            observe=observed,
            log_collections=observed,
            refusals=refusals,
        ),
        maintenance=SimpleNamespace(lag_meter=observed),
        ports=SimpleNamespace(clock=FixedClock()),
        observed=observed,
        store=store,
    )
    monkeypatch.setattr(events, "container", lambda: made)
    return made


def a_chunk(instance: str = INSTANCE, bucket: int = bucket_of("d1")) -> Any:
    return msgspec.to_builtins(Chunk(instance, bucket, [a_change(2, started())]))


@pytest.mark.parametrize(
    "data",
    [
        None,
        {"instance": SECRET},
        [],
        "text",
        a_chunk(instance="another"),
        a_chunk(bucket=(bucket_of("d1") + 1) % 256),
    ],
)
async def test_a_forged_chunk_is_refused_and_counted(
    app: Any, data: object, caplog: pytest.LogCaptureFixture
) -> None:
    await events._fold_twin_changes(data)

    assert await counts(app.store) == {"Malformed": 1}
    assert SECRET not in caplog.text


async def test_only_what_can_never_be_folded_is_refused(app: Any) -> None:
    await events._fold_twin_changes(a_chunk())
    assert await counts(app.store) == {}

    app.observed.failure = InvalidInput("Never.")
    await events._fold_twin_changes(a_chunk())
    assert await counts(app.store) == {"Malformed": 1}

    app.observed.failure = DependencyFailed("Not now.")
    with pytest.raises(DependencyFailed):
        await events._fold_twin_changes(a_chunk())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (None, "ForeignHub"),
        ({"hubName": ["hub"]}, "ForeignHub"),
        ({"hubName": "hub"}, "Malformed"),
        ({"hubName": "hub", "deviceId": "d1", "moduleId": 7}, "Malformed"),
    ],
)
async def test_a_malformed_device_event_is_refused_and_counted(
    app: Any, data: object, reason: str
) -> None:
    await events._fold_device_event(EventType.DEVICE_CONNECTED, data, "")

    assert await counts(app.store) == {reason: 1}
