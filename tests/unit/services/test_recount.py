from __future__ import annotations

from dataclasses import replace

from shared.domain.fleet.counters import moved_on
from shared.domain.fleet.device import bucket_of
from shared.domain.fleet.recount import Drift
from shared.ports import DeviceWrite
from tests.builders.devices import command, counted, recount
from tests.unit.domain.builders import a_change, a_command, at_second, started
from tests.unit.services.world import INSTANCE, World

BUCKET = bucket_of("d1")


async def damaged() -> World:
    world = World()
    await world.tell(a_change(2, started(), group="lobby"))
    ((place, row),) = (await world.devices.counter_rows(INSTANCE, BUCKET)).items()
    world.devices.counts_rows.put((INSTANCE, BUCKET, place), {**row.value, "total": -3})
    world.devices.counts_rows.put((INSTANCE, BUCKET, ("ghost", "class")), {"total": 7})
    return world


async def test_counters_that_drifted_are_repaired_and_reported() -> None:
    world = await damaged()

    await world.recount.bucket(INSTANCE, BUCKET)

    assert await counted(world, "lobby", "ghost") == await recount(world) != {}
    report = await world.recounts.get(INSTANCE, BUCKET)
    assert report is not None
    assert [(each.cell, each.found, each.counted) for each in report.drift] == [
        ("total", 7, 0),
        ("total", -3, 1),
    ]
    assert report.drift[0] == Drift(
        group_id="ghost", class_id="class", cell="total", found=7, counted=0
    )
    assert {order["group"] for order in world.queues.of("rollup")} == {"lobby", "ghost"}

    await world.recount.bucket(INSTANCE, BUCKET)
    again = await world.recounts.get(INSTANCE, BUCKET)
    assert again is not None
    assert (again.drift, again.drifted_at) == (report.drift, report.drifted_at)
    assert again.at > report.at


async def test_history_of_a_deleted_deployment_goes_with_its_counters() -> None:
    world = World()
    await world.tell(a_change(2, started()))
    await command(world)
    row = (await world.devices.load(INSTANCE, BUCKET, ["d1"]))["d1"]
    after = replace(row.value, commanded=a_command("w2"))
    write = DeviceWrite(row, after, moved_on(row.value, after))
    await world.devices.commit(INSTANCE, BUCKET, [write])
    assert await world.devices.history(INSTANCE, BUCKET, "w1") != []

    await world.recount.bucket(INSTANCE, BUCKET)

    assert await world.devices.history(INSTANCE, BUCKET, "w1") == []
    assert await counted(world, "$default") == await recount(world)


async def test_device_deleted_a_month_ago_is_forgotten() -> None:
    world = World()
    await world.tell(a_change(2, started()))
    del world.hub.twins["d1", None]
    await world.observe.deleted(INSTANCE, "d1", None, at_second(50))

    world.clock.advance(31 * 86_400)
    await world.recount.bucket(INSTANCE, BUCKET)

    assert await world.devices.load(INSTANCE, BUCKET, ["d1"]) == {}
    assert await world.devices.counter_rows(INSTANCE, BUCKET) == {}
