"""Recalls, deletions and new signing keys reach the deployments that single devices were given."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.contract.codes import Action
from shared.domain.errors import Conflict
from shared.domain.fleet.device import DeviceState, bucket_of
from shared.domain.fleet.orders import OrderKind
from shared.domain.operation import OperationStatus
from shared.http.wire.device_orders import deployment_of_device
from shared.services.deployments.device_orders import DeviceOrders, OwnRequest
from tests.builders.deployments import AT_ONCE, a_world, deploy, desired
from tests.builders.devices import record
from tests.unit.domain.builders import V1, V2, a_change, busy, failed, succeeded
from tests.unit.services.world import INSTANCE, World

DAY = 24 * 3600.0


def orders_of(world: World) -> DeviceOrders:
    return world.services.deployments.device_orders


async def deploy_own(world: World, device_id: str = "d1", name: str = "mine") -> None:
    request = OwnRequest(name, V2, AT_ONCE)
    await orders_of(world).deploy((INSTANCE, device_id, None), request, "anna")
    await world.drain()


def on_device(world: World, device_id: str = "d1") -> str:
    return str(desired(world, device_id)["workflow"]["id"])


def action(world: World, device_id: str = "d1") -> int:
    return int(desired(world, device_id)["workflow"]["action"])


async def recall(world: World) -> None:
    await world.recalls.start(INSTANCE, V2, "bricks toasters")
    await world.drain()


@pytest.mark.parametrize("said", [None, busy, failed, lambda name: succeeded(V2, name)])
async def test_a_recall_takes_back_deployments_of_devices_own(said: object) -> None:
    world = await a_world("d1", "d2", "d3")
    for device in ("d1", "d2"):
        await deploy_own(world, device)
    if callable(said):
        await world.tell(a_change(3, said(on_device(world))))
        await world.drain()

    await recall(world)

    assert action(world) == action(world, "d2") == Action.CANCEL
    assert (await record(world)).own[0].recall_reason == "bricks toasters"
    assert "d3" not in {device for device, _ in world.hub.patches}


async def test_a_recall_of_a_devices_own_deployment_is_complete_after_a_crash_at_any_call() -> None:
    quiet = await a_world("d1", "d2")
    for device in ("d1", "d2"):
        await deploy_own(quiet, device)
    before = quiet.faults.calls
    await quiet.recalls.start(INSTANCE, V2, "bricks toasters")
    begun = quiet.faults.calls - before
    await quiet.drain()
    calls = quiet.faults.calls - before

    for call in range(begun + 1, calls + 1):
        world = await a_world("d1", "d2")
        for device in ("d1", "d2"):
            await deploy_own(world, device)
        world.faults.crash_at(call)
        await world.recalls.start(INSTANCE, V2, "bricks toasters")
        await world.settle()

        assert action(world) == action(world, "d2") == Action.CANCEL, call


async def test_a_recalled_own_deployment_leaves_the_device_to_those_of_its_group() -> None:
    world = await a_world()
    await deploy_own(world)
    await world.tell(a_change(3, failed(on_device(world))))
    await world.drain()
    await recall(world)
    world.clock.advance(60)

    await deploy(world, update_id=V1, starts_at=world.clock.now())

    assert action(world) == Action.PROCESS_DEPLOYMENT
    assert (await record(world)).commanded.update_id == V1  # type: ignore[union-attr]


async def test_an_own_deployment_made_while_its_update_is_recalled_is_refused() -> None:
    world = await a_world()
    admission = orders_of(world).admission
    seen = await admission.update(INSTANCE, V2)
    await recall(world)

    class BeforeTheRecall:
        """Lets the first look at the update pass, as before the recall."""

        looks = 0

        async def update(self, *given: object) -> object:
            self.looks += 1
            return seen if self.looks == 1 else await admission.update(*given)  # type: ignore[arg-type]

    orders = replace(orders_of(world), admission=BeforeTheRecall())
    with pytest.raises(Conflict) as refused:
        await orders.deploy((INSTANCE, "d1", None), OwnRequest("mine", V2, AT_ONCE), "anna")

    assert refused.value.code == "UpdateRecalled"
    assert (await record(world)).own == ()
    await world.drain()
    assert world.hub.patches == []


async def test_an_update_that_devices_were_given_alone_is_not_deleted() -> None:
    devices = [f"d{number}" for number in range(7)]
    world = await a_world(*devices)
    for device in devices:
        await deploy_own(world, device)

    with pytest.raises(Conflict, match=r"own deployments 'mine' of 'd\d', .* and of more devices"):
        await world.delete_update.start(INSTANCE, V2, "trace")

    for device in devices[1:]:
        await orders_of(world).withdraw((INSTANCE, device, None), "mine")
    with pytest.raises(Conflict, match=r"'mine' of 'd0'; cancel"):
        await world.delete_update.start(INSTANCE, V2, "trace")


@pytest.mark.parametrize("end", ["cancel", "withdraw", "recall"])
async def test_an_update_whose_own_deployments_have_ended_is_deleted(end: str) -> None:
    world = await a_world()
    await deploy_own(world)
    device = (INSTANCE, "d1", None)
    if end == "cancel":
        await orders_of(world).order(
            device, "mine", OrderKind.CANCEL, group=None, by="anna", reason=""
        )
    elif end == "withdraw":
        await orders_of(world).withdraw(device, "mine")
    else:
        await recall(world)

    identity = await world.delete_update.start(INSTANCE, V2, "trace")
    await world.drain()

    assert (await world.operation(identity)).status is OperationStatus.SUCCEEDED
    assert action(world) == Action.CANCEL


async def test_notes_that_no_device_bears_out_are_removed_after_a_day() -> None:
    world = await a_world()
    await deploy_own(world)
    await orders_of(world).withdraw((INSTANCE, "d1", None), "mine")
    await recall(world)
    assert len(world.own_deployments.rows) == 1

    world.clock.advance(DAY + 1)
    await recall(world)

    assert world.own_deployments.rows == {}


async def test_a_recount_notes_own_deployments_of_which_nothing_was_noted() -> None:
    world = await a_world()
    await deploy_own(world)
    world.own_deployments.rows.clear()

    await world.recount.bucket(INSTANCE, bucket_of("d1"))
    await recall(world)

    assert action(world) == Action.CANCEL


async def test_devices_with_an_own_deployment_of_an_update_are_listed_with_how_they_stand() -> None:
    world = await a_world("d1", "d2", "d3")
    for device in ("d1", "d2"):
        await deploy_own(world, device)
    await world.tell(a_change(3, busy(on_device(world))))
    place = (INSTANCE, "d2", None)
    await orders_of(world).order(
        place, "mine", OrderKind.CANCEL, group=None, by="anna", reason="no"
    )
    own, token, found = world.services.deployments.own_deployments, None, []
    while True:
        page = await own.page(INSTANCE, V2, token)
        found += page.items
        if (token := page.token) is None:
            break

    listed = {
        item.device_id: (item.deployment.deployment_id, item.is_in_force, item.device_state)
        for item in (deployment_of_device(*each) for each in found)
    }

    assert listed == {
        "d1": ("mine", True, DeviceState.IN_PROGRESS),
        "d2": ("mine", False, DeviceState.IN_PROGRESS),
    }
