from __future__ import annotations

import asyncio

import pytest

from shared.domain.errors import Conflict, NotFound
from shared.domain.fleet.deployment_edit import DeploymentRequest
from tests.builders.delete_update import publish
from tests.unit.domain.builders import V2, a_change, started
from tests.unit.services.world import INSTANCE, World


async def a_world(group: str = "pilot") -> tuple[World, str]:
    """One device in a group; and the id of its class."""
    world = World()
    await world.tell(a_change(2, started(), group=group))
    await world.drain()
    (known,) = await world.fleet.classes(INSTANCE)
    return world, known.device_class.class_id


async def groups(world: World) -> set[str]:
    return {known.group_id for known in await world.fleet.groups(INSTANCE)}


async def move(world: World, version: int, group: str) -> None:
    await world.tell(a_change(version, group=group))
    await world.drain()


async def test_group_goes_once_empty_and_comes_back_with_its_next_device() -> None:
    world, class_id = await a_world()
    with pytest.raises(Conflict, match="still has devices"):
        await world.fleet_changes.delete_group(INSTANCE, "pilot")
    await move(world, 3, "north")

    await world.fleet_changes.delete_group(INSTANCE, "pilot")
    await world.drain()

    assert await groups(world) == {"north"}
    assert "pilot" not in await world.fleet.rollups(INSTANCE)
    with pytest.raises(NotFound):
        await world.reports.subgroups(INSTANCE, "pilot")
    with pytest.raises(NotFound):
        await world.deploy.classes_of(INSTANCE, "pilot")
    with pytest.raises(NotFound):
        await world.fleet_changes.delete_group(INSTANCE, "pilot")
    await world.settle()
    assert await groups(world) == {"north"}
    await move(world, 4, "pilot")
    assert await groups(world) == {"north", "pilot"}
    assert ("pilot", class_id) in (await world.fleet.rollups(INSTANCE))["pilot"].counts


async def test_subgroup_goes_once_empty() -> None:
    world, class_id = await a_world()
    with pytest.raises(Conflict, match="still has devices"):
        await world.fleet_changes.delete_subgroup(INSTANCE, "pilot", class_id)
    await move(world, 3, "north")
    (subgroup,) = await world.reports.subgroups(INSTANCE, "pilot")
    assert subgroup.device_count == 0

    await world.fleet_changes.delete_subgroup(INSTANCE, "pilot", class_id)
    await world.drain()

    assert await world.reports.subgroups(INSTANCE, "pilot") == []
    with pytest.raises(NotFound):
        await world.fleet_changes.delete_subgroup(INSTANCE, "pilot", class_id)
    await move(world, 4, "pilot")
    assert len(await world.reports.subgroups(INSTANCE, "pilot")) == 1


async def test_class_goes_with_its_last_device_and_comes_back_unnamed() -> None:
    world, class_id = await a_world()
    await world.fleet_changes.rename_class(INSTANCE, class_id, "kiosk")
    with pytest.raises(Conflict, match="'pilot'"):
        await world.fleet_changes.delete_class(INSTANCE, class_id)
    await world.tell(a_change(3, started("fridge")))
    await world.drain()

    await world.fleet_changes.delete_class(INSTANCE, class_id)
    await world.drain()

    known = {item.device_class.class_id for item in await world.fleet.classes(INSTANCE)}
    assert class_id not in known
    subgroups = await world.reports.subgroups(INSTANCE, "pilot")
    assert [item.known.device_class.class_id for item in subgroups] == list(known)
    await world.tell(a_change(4, started()))
    await world.drain()
    again = {item.device_class.class_id: item for item in await world.fleet.classes(INSTANCE)}
    assert again[class_id].friendly_name is None


async def test_active_and_cancelled_deployments_keep_a_group() -> None:
    world, class_id = await a_world()
    await publish(world, V2, {"a.bin": b"a"})
    await world.deploy.create(
        INSTANCE, DeploymentRequest("d1", "pilot", V2, "2024-01-01T00:00:00+00:00")
    )
    await world.drain()
    await move(world, 3, "north")

    for change in (None, "cancel"):
        if change:
            await world.deploy.cancel(INSTANCE, "pilot", class_id, "d1")
        with pytest.raises(Conflict, match="'d1'"):
            await world.fleet_changes.delete_group(INSTANCE, "pilot")
    await world.fleet_changes.delete_subgroup(INSTANCE, "pilot", class_id)
    await world.deploy.delete(INSTANCE, "pilot", "d1")
    await world.fleet_changes.delete_group(INSTANCE, "pilot")
    assert await groups(world) == {"north"}


async def test_default_group_stays() -> None:
    world, _ = await a_world("")
    await move(world, 3, "north")

    with pytest.raises(Conflict, match="default group"):
        await world.fleet_changes.delete_group(INSTANCE, "$default")


async def test_device_that_arrives_while_its_group_is_deleted_is_in_a_group() -> None:
    for turns in range(0, 60, 3):
        world, class_id = await a_world()
        await move(world, 3, "north")

        async def arrive(world: World = world, turns: int = turns) -> None:
            for _ in range(turns):
                await asyncio.sleep(0)
            await world.tell(a_change(4, group="pilot"))

        await asyncio.gather(
            world.fleet_changes.delete_group(INSTANCE, "pilot"),
            arrive(),
            return_exceptions=True,
        )
        await world.drain()

        assert "pilot" in await groups(world), turns
        counts = (await world.fleet.rollups(INSTANCE))["pilot"].counts
        assert counts["pilot", class_id]["total"] == 1, turns
