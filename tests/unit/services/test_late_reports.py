from __future__ import annotations

import pytest

from shared.domain.domain_event import EventKind
from shared.domain.fleet.counters import contribution, history_contribution, total
from shared.domain.fleet.device import DeviceState, bucket_of, deployment_state
from tests.builders.deployments import a_request, a_world
from tests.builders.device import nameless
from tests.builders.devices import counted, record
from tests.builders.late_reports import NEWER, workflow_of
from tests.unit.domain.builders import V2, a_change, busy, failed, succeeded
from tests.unit.services.world import INSTANCE, World


async def a_device_that_moved_on() -> World:
    world = await a_world("d1")
    await world.deploy.create(INSTANCE, a_request())
    await world.settle()
    await world.deploy.create(INSTANCE, a_request(deployment_id="roll-2", starts_at=NEWER))
    await world.settle()
    return world


async def assert_counters_are_exact(world: World) -> None:
    rows = [contribution(await record(world))]
    for deployment_id in ("roll-1", "roll-2"):
        workflow = await workflow_of(world, deployment_id)
        moved = await world.devices.history(INSTANCE, bucket_of("d1"), workflow)
        rows += [history_contribution(item) for item in moved]
    assert await counted(world, "$default") == total(rows)


@pytest.mark.parametrize("is_shuffled", [False, True])
async def test_late_reports_end_the_deployment_that_the_device_has_left(is_shuffled: bool) -> None:
    world = await a_device_that_moved_on()
    workflow = await workflow_of(world, "roll-1")
    late = [a_change(10, busy(workflow)), a_change(11, succeeded(V2, workflow))]
    late += [a_change(12, busy(workflow)), a_change(12, busy(workflow))]

    for change in reversed(late) if is_shuffled else late:
        await world.tell(change)
    await world.settle()

    (past,) = await world.devices.history(INSTANCE, bucket_of("d1"), workflow)
    assert (past.state, past.ended_at) == (DeviceState.SUCCEEDED, late[1].at)
    assert deployment_state(await record(world)) is DeviceState.IN_PROGRESS
    await assert_counters_are_exact(world)
    ends = [e for _, e in world.topic.published if e.kind is EventKind.DEVICE_SUCCEEDED]
    assert {event.data["deploymentId"] for event in ends} == {"roll-1"}
    assert len({event.identity for event in ends}) == 1
    (kept,) = await world.devices.installations(INSTANCE, bucket_of("d1"), "d1", size=9)
    assert (kept.deployment_id, kept.state) == ("roll-1", DeviceState.SUCCEEDED)


async def test_late_failure_is_one_of_the_deployment_before() -> None:
    world = await a_device_that_moved_on()

    await world.tell(a_change(10, failed(await workflow_of(world, "roll-1"))))
    await world.settle()

    (failure,) = [e for _, e in world.topic.published if e.kind is EventKind.DEVICE_FAILED]
    assert failure.data["deploymentId"] == "roll-1"
    assert deployment_state(await record(world)) is DeviceState.IN_PROGRESS
    await assert_counters_are_exact(world)


@pytest.mark.parametrize("is_refused", [True, False])
async def test_twin_is_read_when_a_failure_does_not_say_of_what(is_refused: bool) -> None:
    world = await a_world("d1")
    await world.deploy.create(INSTANCE, a_request())
    await world.settle()
    if is_refused:
        world.hub.refused["d1"] = (await workflow_of(world, "roll-1"), None)

    await world.tell(a_change(10, nameless()))
    await world.settle()

    expected = DeviceState.FAILED if is_refused else DeviceState.IN_PROGRESS
    assert deployment_state(await record(world)) is expected
    assert world.queues.messages == []
