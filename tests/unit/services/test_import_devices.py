from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.errors import DependencyFailed
from shared.domain.fleet.device import DeviceRecord, bucket_of, device_key, view
from shared.domain.operation import OperationStatus, Stage
from tests.fakes.hub import Twin
from tests.unit.domain.builders import a_change, started
from tests.unit.services.world import INSTANCE, World


def in_hub(world: World, device_id: str, module_id: str | None = None) -> Twin:
    """A device that the service has heard nothing of."""
    twin = Twin(version=5, tags={"ADUGroup": "pilot"}, reported=started())
    world.hub.twins[device_id, module_id] = twin
    return twin


async def known(world: World, device_id: str, module_id: str | None = None) -> DeviceRecord | None:
    """The row of a device that takes updates."""
    key = device_key(device_id, module_id)
    row = (await world.devices.load(INSTANCE, bucket_of(device_id), [key])).get(key)
    return row.value if row is not None and view(row.value).device_class is not None else None


async def read_again(world: World, kind: str = "All") -> None:
    identity = await world.import_devices.start(INSTANCE, kind, "trace")  # type: ignore[arg-type]
    await world.drain()
    assert (await world.operation(identity)).status is OperationStatus.SUCCEEDED


async def test_a_running_read_answers_for_those_it_covers_until_it_ends_or_is_a_day_old() -> None:
    world = World()
    start = world.import_devices.start
    every = await start(INSTANCE, "All", "trace")

    assert await start(INSTANCE, "Devices", "trace") == every
    assert await start("other", "All", "trace") != every
    await world.drain()
    modules = await start(INSTANCE, "Modules", "trace")
    assert modules != every
    assert await start(INSTANCE, "Modules", "trace") == modules
    assert await start(INSTANCE, "Devices", "trace") not in (every, modules)
    world.clock.advance(25 * 3600)
    assert await start(INSTANCE, "Modules", "trace") != modules


async def test_devices_unknown_so_far_are_brought_in_page_by_page() -> None:
    world = World()
    for number in range(5):
        in_hub(world, f"d{number}")
    world.hub.twins["plain", None] = Twin(version=3, tags={"ADUGroup": "pilot"})

    await read_again(world)

    assert [await known(world, f"d{number}") is not None for number in range(5)] == [True] * 5
    assert not await world.devices.load(INSTANCE, bucket_of("plain"), ["plain"])
    rollups = await world.fleet.rollups(INSTANCE, "pilot")
    assert sum(cells["total"] for cells in rollups["pilot"].counts.values()) == 5


@pytest.mark.parametrize(
    ("kind", "expected"), [("Devices", (True, False)), ("Modules", (False, True))]
)
async def test_only_the_kind_asked_for_is_read(kind: str, expected: tuple[bool, bool]) -> None:
    world = World()
    in_hub(world, "d1")
    in_hub(world, "d1", "m1")

    await read_again(world, kind)

    found = (await known(world, "d1") is not None, await known(world, "d1", "m1") is not None)
    assert found == expected


async def test_lost_changes_are_caught_up() -> None:
    world = World()
    await world.tell(a_change(2, started()))
    await world.drain()
    twin = world.hub.twins["d1", None]
    twin.version, twin.tags = 9, {"ADUGroup": "north"}

    await read_again(world)

    record = await known(world, "d1")
    assert record is not None
    assert view(record).group_id == "north"


async def test_device_that_is_gone_is_removed_although_the_index_still_has_it() -> None:
    world = World()
    await world.tell(a_change(2, started()), a_change(2, started(), device_id="d2"))
    await world.drain()
    stale = await world.hub.read_twin(INSTANCE, "d2", None)
    assert stale is not None
    world.hub.twins.clear()
    world.hub.indexed = [replace(stale, version=1)]

    await read_again(world)

    assert await known(world, "d1") is None
    assert await known(world, "d2") is None
    await read_again(world)
    assert await known(world, "d2") is None


async def test_device_made_anew_starts_from_its_new_twin() -> None:
    world = World()
    await world.tell(a_change(40, started(), group="old"))
    await world.drain()
    world.hub.twins["d1", None] = Twin(
        version=3, tags={"ADUGroup": "new"}, reported=started("fridge")
    )

    await read_again(world)

    record = await known(world, "d1")
    assert record is not None
    assert view(record).group_id == "new"
    assert record.twin_version == 3


async def test_device_too_new_for_the_index_stays() -> None:
    world = World()
    world.hub.indexed = []
    await world.tell(a_change(2, started()))
    await world.drain()

    await read_again(world)

    assert await known(world, "d1") is not None


async def test_pages_are_asked_for_with_a_pause() -> None:
    world = World()
    for number in range(3):
        in_hub(world, f"d{number}")
    identity = await world.import_devices.start(INSTANCE, "Devices", "trace")
    (first,) = world.queues.take()
    await world.import_devices.run(INSTANCE, identity, 0)
    (second,) = [item for item in world.queues.take() if item.queue == "registry"]

    assert (first.delay_seconds, second.delay_seconds) == (0, 6.0)
    assert second.body["step"] == 1
    await world.import_devices.run(INSTANCE, identity, 0)
    assert not [item for item in world.queues.take() if item.queue == "registry"]


async def test_throttled_read_waits_as_long_as_told_and_gives_up_after_an_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()

    async def throttled(*_: object) -> None:
        raise DependencyFailed("The hub answered 429.", retry_after=33)

    monkeypatch.setattr(world.hub, "query_twins", throttled)
    identity = await world.import_devices.start(INSTANCE, "All", "trace")
    world.queues.take()
    await world.import_devices.run(INSTANCE, identity, 0)
    (again,) = world.queues.take()

    assert (again.queue, again.delay_seconds) == ("registry", 33)
    assert (await world.operation(identity)).stage is Stage.DEVICES
    world.clock.advance(3700)
    await world.import_devices.run(INSTANCE, identity, 0)
    operation = await world.operation(identity)
    assert operation.status is OperationStatus.FAILED
    assert world.queues.take() == []


async def test_read_goes_on_after_a_crash_at_any_port_call() -> None:
    def prepared() -> World:
        world = World()
        for number in range(3):
            in_hub(world, f"d{number}")
        return world

    quiet = prepared()
    await quiet.import_devices.start(INSTANCE, "Devices", "trace")
    begun = quiet.faults.calls
    await quiet.drain()
    for call in range(begun + 1, quiet.faults.calls + 1, 7):
        world = prepared()
        world.faults.crash_at(call)
        identity = await world.import_devices.start(INSTANCE, "Devices", "trace")
        await world.settle()

        assert (await world.operation(identity)).status is OperationStatus.SUCCEEDED, call
        assert all([await known(world, f"d{number}") for number in range(3)]), call
