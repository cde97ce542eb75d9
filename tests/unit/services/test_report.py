from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.domain.errors import NotFound
from shared.domain.fleet.compliance import Compliance
from shared.domain.fleet.device import DeviceState, bucket_of
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


async def test_few_devices_in_a_state_of_a_deployment_are_looked_for_in_their_buckets_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    names = [f"device-{number}" for number in range(60)]
    world = await a_world(*names)
    await deploy(world, deployment_id="old", update_id=V1)
    workflow_id = (await world.deployment("old")).workflow_id
    await world.tell(*(a_change(5, failed(workflow_id), device_id=name) for name in names[:2]))
    await world.settle()
    await deploy(world, deployment_id="new")
    await world.settle()
    looked: list[int] = []
    find = world.devices.find

    async def noted(instance: str, bucket: int, *given: Any, **more: Any) -> Any:
        looked.append(bucket)
        return await find(instance, bucket, *given, **more)

    monkeypatch.setattr(world.devices, "find", noted)

    async def listed(deployment_id: str, state: DeviceState | None) -> set[str]:
        wanted = DeviceStateFilter(state=state)
        place = ("$default", KIOSK, deployment_id)
        looked.clear()
        page = await world.device_lists.states(INSTANCE, place, wanted, token=None, size=100)
        assert page.token is None
        return {row.device_id for row in page.items}

    assert await listed("old", DeviceState.FAILED) == set(names[:2])
    assert set(looked) == {bucket_of(name) for name in names[:2]}
    assert await listed("new", DeviceState.FAILED) == set()
    assert looked == []
    assert await listed("new", DeviceState.IN_PROGRESS) == set(names)
    assert await listed("old", None) == set(names)


async def test_states_are_looked_for_everywhere_where_an_older_release_summed_up() -> None:
    names = [f"device-{number}" for number in range(60)]
    world = await a_world(*names)
    await deploy(world, deployment_id="old", update_id=V1)
    workflow_id = (await world.deployment("old")).workflow_id
    await world.tell(a_change(5, failed(workflow_id), device_id="device-7"))
    rollup = (await world.fleet.rollups(INSTANCE, "$default"))["$default"]
    where = {
        cell: places
        for cell, places in (rollup.where or {}).items()
        if not cell.startswith("deployment:")
    }
    older = replace(rollup, where=where, as_of=world.clock.now())
    await world.fleet.save_rollup(INSTANCE, "$default", older)

    place, wanted = ("$default", KIOSK, "old"), DeviceStateFilter(state=DeviceState.FAILED)
    page = await world.device_lists.states(INSTANCE, place, wanted, token=None, size=100)

    assert [row.device_id for row in page.items] == ["device-7"]
