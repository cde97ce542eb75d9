from __future__ import annotations

import asyncio
from typing import Any

import pytest

from shared.domain.errors import ConcurrentUpdate, DependencyFailed
from shared.domain.fleet.device import DeviceState, bucket_of, view
from shared.domain.fleet.health import health_of
from shared.services.rollup_scheduler import RollupScheduler
from tests.builders.devices import BUCKET, command, counted, neighbours, record, recount
from tests.fakes.clock import FixedClock
from tests.fakes.hub import Twin
from tests.fakes.storage import MemoryQueues
from tests.unit.domain.builders import (
    V2,
    a_change,
    at_second,
    busy,
    failed,
    started,
    succeeded,
)
from tests.unit.services.world import INSTANCE, World


async def test_device_is_known_with_group_class_and_counters_after_its_first_report() -> None:
    world = World()

    await world.tell(a_change(2, started(), group="lobby"))

    seen = view(await record(world))
    assert seen.device_class is not None
    assert [group.group_id for group in await world.fleet.groups(INSTANCE)] == ["lobby"]
    assert await world.fleet.buckets(INSTANCE, "lobby") == [BUCKET]
    assert [known.device_class for known in await world.fleet.classes(INSTANCE)] == [
        seen.device_class
    ]
    assert await counted(world, "lobby") == await recount(world) != {}
    assert world.queues.of("reconcile") == [
        {"instance": INSTANCE, "bucket": BUCKET, "devices": ["d1"]}
    ]
    assert [order["group"] for order in world.queues.of("rollup")] == ["lobby"]


async def test_new_device_starts_from_its_whole_twin() -> None:
    world = World()
    world.hub.twins["d1", None] = Twin(9, tags={"ADUGroup": "hall"}, reported=started())

    await world.observe.twin_changes(INSTANCE, BUCKET, [a_change(8, busy())])

    seen = view(await record(world))
    assert (seen.group_id, seen.device_class is not None) == ("hall", True)


async def test_model_of_a_device_that_was_tagged_before_it_connected_is_known() -> None:
    world = World()
    await world.tell(a_change(2, group="hall"))
    world.hub.twins["d1", None].model_id = "dtmi:acme:toaster;1"

    await world.tell(a_change(3, started()))

    health = health_of(await record(world))
    assert health is not None
    assert health.model_id == "dtmi:acme:toaster;1"


async def test_twin_is_read_only_until_the_agent_of_a_device_is_known() -> None:
    world = World()
    await world.tell(a_change(2, started()))
    world.hub.twins["d1", None] = Twin(99, tags={"ADUGroup": "hall"})

    await world.observe.twin_changes(INSTANCE, BUCKET, [a_change(3, busy())])

    assert view(await record(world)).group_id == "$default"


async def test_change_of_a_device_that_the_hub_has_not_is_dropped() -> None:
    world = World()

    await world.observe.twin_changes(INSTANCE, BUCKET, [a_change(2, started())])

    assert await world.devices.load(INSTANCE, BUCKET, ["d1"]) == {}
    assert await recount(world) == {}


async def test_device_that_moves_to_another_group_is_reconciled_and_both_are_rolled_up() -> None:
    world = World()
    await world.tell(a_change(2, started(), group="lobby"))
    world.queues.take()

    await world.tell(a_change(3, group="hall"))

    assert [order["devices"] for order in world.queues.of("reconcile")] == [["d1"]]
    assert {order["group"] for order in world.queues.of("rollup")} == {"lobby", "hall"}
    assert await counted(world, "lobby", "hall") == await recount(world)
    assert set(await counted(world, "lobby")) == set()


async def test_plain_report_reconciles_nothing() -> None:
    world = World()
    await world.tell(a_change(2, started()))
    world.queues.take()

    await world.tell(a_change(3, busy()), a_change(4, succeeded()))

    assert world.queues.of("reconcile") == []


async def test_counters_stay_exact_when_changes_come_twice_and_side_by_side() -> None:
    world = World()
    devices = neighbours(4)
    changes = [
        a_change(version, report, group=group, device_id=device)
        for device in devices
        for version, (report, group) in enumerate(
            [(started(), ""), (busy(), "lobby"), (failed(), "hall"), (succeeded(), "")], 2
        )
    ]
    for change in changes:
        world.remember(change)

    await asyncio.gather(
        *(
            world.observe.twin_changes(INSTANCE, BUCKET, part)
            for part in (changes[::2], changes[1::2], changes[::-1])
        )
    )

    assert await counted(world, "$default", "lobby", "hall") == await recount(world)
    assert {view(await record(world, device)).group_id for device in devices} == {"hall"}


async def test_fold_gives_up_when_the_row_always_changes() -> None:
    world = World()
    await world.tell(a_change(2, started()))

    class Contended(type(world.devices)):  # type: ignore[misc]
        async def commit(self, *_: object) -> None:
            raise ConcurrentUpdate("Always.")

    world.observe.devices = Contended()
    world.observe.devices.rows = world.devices.rows

    with pytest.raises(ConcurrentUpdate):
        await world.tell(a_change(3, busy()))


async def test_connection_counts_only_for_devices_with_a_row() -> None:
    world = World()
    await world.tell(a_change(2, started()))

    for device_id in ("d1", "unknown"):
        await world.observe.connection(
            INSTANCE, device_id, None, is_connected=True, sequence_number="1"
        )

    (cells,) = (await counted(world, "$default")).values()
    assert cells["connected"] == 1
    assert await world.devices.load(INSTANCE, bucket_of("unknown"), ["unknown"]) == {}


async def test_deleted_device_leaves_the_counters_but_not_its_deployment() -> None:
    world = World()
    await world.tell(a_change(2, started()))
    await command(world)
    await world.tell(a_change(3, failed()))
    del world.hub.twins["d1", None]

    await world.observe.deleted(INSTANCE, "d1", None, at_second(50))
    await world.observe.deleted(INSTANCE, "d1", None, at_second(50))
    await world.observe.deleted(INSTANCE, "never-seen", None, at_second(50))

    (moved,) = await world.devices.history(INSTANCE, BUCKET, "w1")
    assert moved.state is DeviceState.FAILED
    assert await counted(world, "$default") == await recount(world)
    assert sum(cells.get("total", 0) for cells in (await recount(world)).values()) == 0
    assert view(await record(world)).device_class is None


@pytest.mark.parametrize("goes_with_its_device", [False, True])
async def test_module_goes_from_the_counters_when_it_is_deleted(goes_with_its_device: bool) -> None:
    world = World()
    for module in (None, "m1", "m2"):
        await world.tell(a_change(2, started(), module_id=module))
    world.hub.twins.clear()

    await world.observe.deleted(
        INSTANCE, "d1", None if goes_with_its_device else "m1", at_second(50)
    )

    rows = (await counted(world, "$default")).values()
    assert sum(cells.get("total", 0) for cells in rows) == (0 if goes_with_its_device else 2)
    assert await counted(world, "$default") == await recount(world)
    known = await world.devices.load(INSTANCE, BUCKET, ["d1", "d1/m1", "d1/m2"])
    gone = {key for key, row in known.items() if row.value.deleted_at}
    assert gone == ({"d1", "d1/m1", "d1/m2"} if goes_with_its_device else {"d1/m1"})


async def test_module_that_is_created_again_begins_a_new_life() -> None:
    world = World()
    await world.tell(a_change(9, started(), module_id="m1"))
    del world.hub.twins["d1", "m1"]
    await world.observe.deleted(INSTANCE, "d1", None, at_second(50))

    again = a_change(2, started("gate"), module_id="m1", at=at_second(100))
    await world.tell(again)
    late = a_change(8, started("kiosk"), module_id="m1", at=at_second(8))
    await world.observe.twin_changes(INSTANCE, BUCKET, [late])

    rows = await world.devices.load(INSTANCE, BUCKET, ["d1/m1"])
    seen = view(rows["d1/m1"].value)
    assert seen.device_class is not None
    assert seen.device_class.properties["model"] == "gate"


async def test_device_created_again_is_asked_anew_whatever_comes_first() -> None:
    for is_deletion_late in (False, True):
        world = World()
        await world.tell(a_change(2, started()), a_change(3, group="lobby"))
        await command(world)
        again = [a_change(2, started("gate"), at=at_second(100))]
        twin = Twin(2, reported=started("gate"))

        if is_deletion_late:
            world.hub.twins["d1", None] = twin
            await world.observe.twin_changes(INSTANCE, BUCKET, again)
        else:
            del world.hub.twins["d1", None]
        world.queues.take()
        await world.observe.deleted(INSTANCE, "d1", None, at_second(50))
        if not is_deletion_late:
            world.hub.twins["d1", None] = twin
            await world.observe.twin_changes(INSTANCE, BUCKET, again)

        known = await record(world)
        seen = view(known)
        assert seen.device_class is not None
        assert (seen.group_id, seen.device_class.properties["model"]) == ("$default", "gate")
        assert known.commanded is None
        assert world.queues.of("reconcile")[-1]["devices"] == ["d1"]
        assert await counted(world, "$default", "lobby") == await recount(world)


@pytest.mark.parametrize("call", range(1, 20))
async def test_moved_device_is_reconciled_after_a_crash_at_any_port_call(call: int) -> None:
    world = World()
    await world.tell(a_change(2, started()))
    world.queues.take()
    moves = [a_change(3, group="lobby"), a_change(4, started("gate"))]
    world.faults.crash_at(call)

    for _ in range(2):
        try:
            await world.tell(*moves)
        except Exception:  # noqa: BLE001 - the crash, or what became of it in a task group
            assert world.faults.calls >= call
            continue
        break

    assert [order["devices"] for order in world.queues.of("reconcile")][:1] == [["d1"]]
    assert view(await record(world)).group_id == "lobby"
    assert await counted(world, "$default", "lobby") == await recount(world)


async def test_bell_rings_once_for_many_changes() -> None:
    queues = MemoryQueues()
    rollups = RollupScheduler(queues, 60.0, FixedClock())

    await rollups.request(INSTANCE, "lobby")
    await rollups.request(INSTANCE, "lobby")
    await rollups.request(INSTANCE, "hall")
    await rollups.request("other", "lobby")

    assert [(item.body["instance"], item.body["group"]) for item in queues.messages] == [
        (INSTANCE, "lobby"),
        (INSTANCE, "hall"),
        ("other", "lobby"),
    ]
    assert {item.delay_seconds for item in queues.messages} == {60.0}


async def test_bell_rings_again_when_the_queue_failed() -> None:
    class Failing(MemoryQueues):
        async def put(self, *_: Any, **__: Any) -> None:
            raise DependencyFailed("Storage cannot be reached.")

    rollups = RollupScheduler(Failing(), 60.0, FixedClock())
    with pytest.raises(DependencyFailed):
        await rollups.request(INSTANCE, "lobby")

    rollups.queues = MemoryQueues()
    await rollups.request(INSTANCE, "lobby")

    assert len(rollups.queues.messages) == 1


async def test_installed_update_shows_in_compliance_after_the_roll_up() -> None:
    world = World()
    await world.tell(a_change(2, started()), a_change(3, succeeded(V2, "elsewhere")))
    await world.drain()

    found = (await world.reports.compliance(INSTANCE)).compliance

    assert (found.total, found.on_latest) == (1, 1)


async def test_late_change_of_a_former_life_is_dropped_when_the_deletion_came_first() -> None:
    world = World()
    await world.observe.deleted(INSTANCE, "d1", None, at_second(50))
    assert await counted(world, "$default") == await recount(world) == {}
    assert world.queues.of("rollup") == []

    world.hub.twins["d1", None] = Twin(2, {"ADUGroup": "hall"}, started("gate"))
    late = a_change(9, started(), group="lobby", at=at_second(9))
    await world.observe.twin_changes(INSTANCE, BUCKET, [late])

    seen = view(await record(world))
    assert seen.device_class is not None
    assert (seen.group_id, seen.device_class.properties["model"]) == ("hall", "gate")
    assert await counted(world, "lobby", "hall") == await recount(world)


async def test_change_that_seems_stale_by_what_is_remembered_is_folded_into_the_row() -> None:
    world, other = World(), World()
    await world.tell(*(a_change(version, started(), group="lobby") for version in range(2, 9)))
    other.devices, other.hub = world.devices.of_another_process(), world.hub
    other.rebuild()
    world.hub.twins["d1", None] = Twin(1)

    await other.observe.deleted(INSTANCE, "d1", None, at_second(50))
    world.hub.twins["d1", None] = Twin(2, reported=started("gate"))
    await world.observe.twin_changes(
        INSTANCE, BUCKET, [a_change(2, started("gate"), at=at_second(100))]
    )

    seen = view(await record(world))
    assert seen.device_class is not None
    assert (seen.group_id, seen.device_class.properties["model"]) == ("$default", "gate")
    assert await counted(world, "$default", "lobby") == await recount(world)


async def test_one_process_never_takes_away_its_own_attempts() -> None:
    """Changes of one bucket that come all at once are folded one after the other."""
    world = World()
    world.hub.twins["d1", None] = Twin(1, reported=started())
    attempts: list[int] = []
    commit = world.devices.commit

    async def slow(instance: str, bucket: int, writes: Any) -> None:
        attempts.append(len(writes))
        await asyncio.sleep(0)  # whoever else is under way goes on now
        await commit(instance, bucket, writes)

    world.devices.commit = slow  # type: ignore[method-assign]
    versions = range(2, 22)

    await asyncio.gather(
        *(
            world.observe.twin_changes(INSTANCE, BUCKET, [a_change(version, busy())])
            for version in versions
        )
    )

    assert len(attempts) == len(versions)
