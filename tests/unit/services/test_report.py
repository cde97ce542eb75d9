from __future__ import annotations

import pytest

from shared.domain.errors import NotFound
from shared.domain.fleet.compliance import Compliance
from shared.domain.fleet.queries import DeviceStateFilter, GroupOrdering
from shared.services.reporting.group_lists import GroupLists
from tests.builders.deployments import KIOSK, a_world, deploy, status
from tests.unit.domain.builders import V1, V2, a_change, failed, started, succeeded
from tests.unit.services.world import INSTANCE, World


async def a_fleet() -> World:
    world = await a_world("d1", "d2", "d3")
    await world.tell(
        a_change(3, succeeded(V2, "past"), device_id="d1"),
        a_change(3, succeeded(V1, "past"), device_id="d2", group="lobby"),
        a_change(2, started("gate"), device_id="d4", group="lobby"),
    )
    await world.settle()
    return world


async def test_compliance_adds_up_over_groups_and_classes() -> None:
    world = await a_fleet()

    reported = {
        group: await world.reports.compliance(INSTANCE, group)
        for group in (None, "lobby", "$default")
    }
    whole, lobby, default = (item.compliance for item in reported.values())

    assert whole == lobby + default
    assert whole == Compliance(4, on_latest=2, new_available=2)
    assert lobby == Compliance(2, on_latest=1, new_available=1)
    kiosks = await world.reports.compliance(INSTANCE, "lobby", KIOSK)
    assert kiosks.compliance == Compliance(1, new_available=1)


async def test_compliance_is_as_old_as_the_oldest_figures_that_it_sums_up() -> None:
    world = await a_fleet()
    first = await world.reports.compliance(INSTANCE)
    world.clock.advance(60)
    await world.tell(a_change(2, started("gate"), device_id="d5", group="lobby"))
    await world.settle()

    whole, lobby, default = [
        await world.reports.compliance(INSTANCE, group) for group in (None, "lobby", "$default")
    ]

    assert first.as_of <= default.as_of < lobby.as_of
    assert whole.as_of == default.as_of
    assert (await world.reports.subgroup(INSTANCE, "lobby", KIOSK)).counted.as_of == lobby.as_of
    assert (await World().reports.compliance(INSTANCE)).as_of == ""


async def test_unknown_group_and_class_are_not_found() -> None:
    world = await a_fleet()

    for work in (
        world.reports.compliance(INSTANCE, "nowhere"),
        world.reports.compliance(INSTANCE, "lobby", "no-class"),
        world.reports.subgroups(INSTANCE, "nowhere"),
    ):
        with pytest.raises(NotFound):
            await work


async def test_groups_are_summed_up_by_class() -> None:
    world = await a_fleet()
    await deploy(world)

    lists = GroupLists(world.fleet, world.deployments, world.clock)
    found = {name: await lists.get(INSTANCE, name) for name in ("$default", "lobby")}

    page = await lists.page(INSTANCE, GroupOrdering(), token=None, size=10)
    assert list(page.items) == list(found.values())
    assert {name: item.device_count for name, item in found.items()} == {"$default": 2, "lobby": 2}
    assert (found["lobby"].new_available, found["lobby"].on_latest) == (1, 1)
    assert found["$default"].in_progress == 1
    assert found["$default"].deployments == ["roll-1"]


async def test_subgroup_names_its_deployment_in_force() -> None:
    world = await a_fleet()
    await deploy(world)

    (kiosks,) = await world.reports.subgroups(INSTANCE, "$default")

    assert (kiosks.device_count, kiosks.deployment_id) == (2, "roll-1")
    assert kiosks.known.best_update == V2


async def test_devices_that_moved_on_are_still_shown() -> None:
    world = await a_world("d1", "d2")
    await deploy(world, deployment_id="old", update_id=V1)
    workflow_id = (await world.deployment("old")).workflow_id
    await world.tell(a_change(5, failed(workflow_id)))
    await deploy(world, deployment_id="new")

    lists = world.device_lists
    place = ("$default", KIOSK, "old")
    page = await lists.states(INSTANCE, place, DeviceStateFilter(), token=None, size=10)
    found = await status(world, "old")

    assert sorted((row.device_id, row.state, row.has_moved_on) for row in page.items) == [
        ("d1", "Failed", True),
        ("d2", "InProgress", True),
    ]
    assert (found.counts.failed, found.counts.in_progress, found.total) == (1, 1, 2)


async def test_open_deployment_counts_devices_that_were_not_asked_yet() -> None:
    world = await a_world("d1", "d2")
    await deploy(world, starts_at="2024-05-01T23:00:00.000000+00:00", deployment_id="later")

    found = await status(world, "later")

    assert found.total == 2
