"""A deployment that fails on too many devices of a class is rolled back by the service itself."""

from __future__ import annotations

from typing import Any

from shared.domain.fleet.counters import TOTAL, deployment_cell
from shared.domain.fleet.deployment import Deployment, RollbackPolicy
from shared.domain.fleet.deployment_edit import DeploymentRequest
from shared.domain.fleet.device import DeviceState
from tests.builders.deployments import KIOSK, a_request, a_world, deploy, desired
from tests.unit.domain.builders import V1, V2, a_change, failed, started, succeeded
from tests.unit.services.world import INSTANCE, World

DEVICES = ("d1", "d2", "d3", "d4")
POLICY = RollbackPolicy(V1, failed_percentage=50, failed_count=2)


async def fail(world: World, workflow_id: str, *devices: str) -> None:
    await world.tell(*(a_change(5, failed(workflow_id), device_id=each) for each in devices))
    await world.drain()


async def begun(**changes: Any) -> tuple[World, str]:
    """Four devices with a deployment that has a policy; its workflow."""
    world = await a_world(*DEVICES)
    await deploy(world, **{"rollback_policy": POLICY, **changes})
    return world, (await world.deployment("roll-1")).workflow_id


async def rollbacks(world: World) -> list[Deployment]:
    found = await world.deployments.of_group(INSTANCE, "$default")
    return [item.value for item in found if item.value.is_rollback]


async def test_failing_too_often_sends_back_the_devices_that_were_asked() -> None:
    world, workflow_id = await begun()
    await world.tell(a_change(5, succeeded(V2, workflow_id), device_id="d4"))
    await world.drain()

    await fail(world, workflow_id, "d1", "d2")

    (rollback,) = await rollbacks(world)
    assert (rollback.update_id, rollback.undoes) == (V1, workflow_id)
    assert rollback.only_class_id == KIOSK
    for device_id in DEVICES:
        workflow = desired(world, device_id)["workflow"]
        if device_id == "d3":  # it still works: it is told to stop, and sent back when it has
            assert workflow["action"] == 255 or workflow["id"].startswith(rollback.workflow_id)
        else:
            assert (workflow["action"], workflow["id"]) == (3, rollback.workflow_id)
            assert desired(world, device_id)["updateManifest"] == f"manifest of {V1}"


async def test_failing_less_often_changes_nothing() -> None:
    world, workflow_id = await begun()

    await fail(world, workflow_id, "d1")

    assert await rollbacks(world) == []


async def test_failing_too_often_of_few_is_not_failing_too_often_of_many() -> None:
    policy = RollbackPolicy(V1, failed_percentage=75, failed_count=2)
    world, workflow_id = await begun(rollback_policy=policy)

    await fail(world, workflow_id, "d1", "d2")

    assert await rollbacks(world) == []


async def test_deployment_without_a_policy_is_not_rolled_back() -> None:
    world, workflow_id = await begun(rollback_policy=None)

    await fail(world, workflow_id, *DEVICES)

    assert await rollbacks(world) == []


async def test_cancelled_deployment_is_not_rolled_back() -> None:
    world, workflow_id = await begun()
    await world.deploy.cancel(INSTANCE, "$default", KIOSK, "roll-1")
    await world.drain()

    await fail(world, workflow_id, *DEVICES)

    assert await rollbacks(world) == []


async def test_failures_that_come_later_make_no_second_rollback() -> None:
    world, workflow_id = await begun()

    await fail(world, workflow_id, "d1", "d2")
    await fail(world, workflow_id, "d3", "d4")

    (rollback,) = await rollbacks(world)
    audited = [entry for entry in world.audited() if entry[1] == "roll_back_deployment"]
    assert len(audited) == 1
    assert rollback.deployment_id in audited[0][2]


async def test_only_the_class_that_failed_is_rolled_back() -> None:
    world, workflow_id = await begun()
    await world.tell(a_change(2, started(model="toaster"), device_id="t1"))
    await world.drain()

    await fail(world, workflow_id, "d1", "d2")

    (rollback,) = await rollbacks(world)
    assert rollback.only_class_id == KIOSK
    assert ("t1", None) not in {key for key, twin in world.hub.twins.items() if twin.desired}


async def test_rollback_to_an_update_that_is_gone_is_left() -> None:
    world, workflow_id = await begun()
    await world.updates.delete(INSTANCE, V1)

    await fail(world, workflow_id, *DEVICES)

    assert await rollbacks(world) == []


async def test_device_that_joins_later_is_not_sent_back() -> None:
    world, workflow_id = await begun()
    await fail(world, workflow_id, "d1", "d2")

    await world.tell(a_change(2, started(), device_id="late"))
    await world.drain()

    (rollback,) = await rollbacks(world)
    given = world.hub.twins["late", None].desired.get("deviceUpdate", {}).get("service", {})
    assert given.get("workflow", {}).get("id") != rollback.workflow_id


async def test_a_newer_deployment_is_not_undone_with_the_older_one() -> None:
    world, workflow_id = await begun()
    newer = DeploymentRequest("roll-2", "$default", V2, a_request().starts_at)
    world.clock.advance(60)
    await world.deploy.create(INSTANCE, newer)
    await world.drain()

    await fail(world, workflow_id, *DEVICES)

    assert await rollbacks(world) == []


async def test_devices_that_were_not_asked_yet_count_among_all() -> None:
    world, workflow_id = await begun()
    cells = {deployment_cell(workflow_id, DeviceState.FAILED): 2}
    check = world.services.deployments.rollbacks.check

    await check(INSTANCE, "$default", {("$default", KIOSK): {**cells, TOTAL: 5}})
    assert await rollbacks(world) == []
    await check(INSTANCE, "$default", {("$default", KIOSK): {**cells, TOTAL: 4}})
    assert len(await rollbacks(world)) == 1
