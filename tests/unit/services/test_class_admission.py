"""So many device classes an hour become new; devices of others wait, visibly, and come later."""

from __future__ import annotations

import pytest

from shared.domain.fleet.device import bucket_of, view
from shared.domain.fleet.explain import Verdict
from shared.domain.limits import Limits
from shared.ports import DeviceQuery
from shared.services.reporting.attention import AttentionItem, Cause
from shared.settings import Settings
from tests.builders.deployments import an_update, deploy
from tests.builders.devices import counted, record, recount
from tests.builders.explained import verdict
from tests.fakes.records import MemoryRecounts
from tests.settings import the_settings
from tests.unit.domain.builders import V2, a_change, started
from tests.unit.services.world import INSTANCE, World

HOUR = 3600.0
MOST = 3


class FewClasses(World):
    """A world where three classes an hour may be new."""

    def settings(self) -> Settings:
        return the_settings(limits=Limits(new_classes_per_hour=MOST))

    async def sweep_classes(self) -> None:
        await self.services.devices.class_admission.sweep()
        await self.drain()


async def tell_class(world: World, device: str, version: int, model: str) -> None:
    await world.tell(a_change(version, started(model), device_id=device))
    await world.drain()


async def a_chatterbox() -> FewClasses:
    """A device that reports another model each time, and one that has always been well behaved."""
    world = FewClasses()
    await tell_class(world, "d2", 2, "kiosk")
    for number in range(56):
        await tell_class(world, "d1", number + 2, f"model-{number}")
    return world


async def test_a_device_that_reports_ever_other_properties_makes_few_classes() -> None:
    world = await a_chatterbox()

    assert len(await world.fleet.classes(INSTANCE)) == MOST
    assert view(await record(world)).device_class is None
    assert list(world.new_classes.waiting) == [(INSTANCE, "d1", None)]
    query = DeviceQuery()
    rows = await world.devices.find(INSTANCE, bucket_of("d1"), query, after="", size=10)
    assert "d1" not in {row.value.key for row in rows}
    groups = ("$default",)
    assert {k: v for k, v in (await counted(world, *groups)).items() if v} == {
        k: v for k, v in (await recount(world)).items() if v
    }


async def test_what_is_held_back_is_told() -> None:
    world = await a_chatterbox()

    (item,) = [each for each in await _attention(world) if each.cause is Cause.HELD_BACK]
    assert item.count == 1
    assert "LIMIT_NEW_CLASSES_PER_HOUR" in item.message
    assert await verdict(world, None) == (Verdict.WILL_NOT, "NoDeployment")
    await _import_kiosk(world)
    assert await verdict(world, V2) == (Verdict.WAITS, "ClassHeldBack")


async def test_what_is_held_back_comes_in_when_there_is_room() -> None:
    world = await a_chatterbox()
    await world.sweep_classes()
    assert view(await record(world)).device_class is None

    world.clock.advance(HOUR + 1)
    await world.sweep_classes()

    seen = view(await record(world)).device_class
    assert seen is not None
    assert seen.properties["model"] == "model-55"
    assert world.new_classes.waiting == {}
    assert len(await world.fleet.classes(INSTANCE)) == MOST + 1
    await world.sweep_classes()


async def test_a_device_that_comes_in_later_is_asked_what_its_group_is_asked() -> None:
    world = await a_chatterbox()
    await _import_kiosk(world)
    await tell_class(world, "d3", 2, "new-1")
    await tell_class(world, "d1", 60, "kiosk")  # a class that is known needs no room
    await deploy(world)

    assert (await record(world)).commanded is not None
    assert (await record(world, "d3")).commanded is None
    assert view(await record(world, "d3")).device_class is None


async def test_no_more_come_in_than_may_be_new() -> None:
    world = FewClasses()
    for number in range(8):
        await tell_class(world, f"d{number}", 2, f"model-{number}")
    assert len(world.new_classes.waiting) == 5

    world.clock.advance(HOUR + 1)
    await world.sweep_classes()
    await world.sweep_classes()
    assert len(world.new_classes.waiting) == 2

    world.clock.advance(HOUR + 1)
    await world.sweep_classes()
    assert world.new_classes.waiting == {}
    assert len(await world.fleet.classes(INSTANCE)) == 8


@pytest.mark.parametrize("end", ["deleted", "removed"])
async def test_a_device_that_waits_no_more_is_not_counted_among_those_that_do(end: str) -> None:
    world = await a_chatterbox()
    if end == "deleted":
        world.hub.twins.pop(("d1", None))
        await world.observe.deleted(INSTANCE, "d1", None, "2024-05-02T00:00:00.000000+00:00")
    else:
        await world.tell(a_change(90, {"deviceUpdate": None}))

    world.clock.advance(HOUR + 1)
    await world.sweep_classes()

    assert world.new_classes.waiting == {}


async def _attention(world: World) -> list[AttentionItem]:
    attention = world.services.overviews.attention
    attention.recounts = MemoryRecounts()
    return list(await attention.items(INSTANCE))


async def _import_kiosk(world: World) -> None:
    await world.updates.add(INSTANCE, an_update(V2))
