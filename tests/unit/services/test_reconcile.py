"""Asking devices for what a deployment wants, page by page."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.errors import (
    DependencyFailed,
)
from shared.domain.fleet.device import bucket_of
from tests.builders.deployments import (
    a_request,
    a_world,
    deploy,
    desired,
    fan_out,
    status,
)
from tests.builders.devices import neighbours, record
from tests.unit.domain.builders import (
    a_change,
    a_deployment,
    busy,
    started,
)
from tests.unit.services.world import INSTANCE


async def test_reconcile_patches_only_what_differs() -> None:
    world = await a_world("d1")
    await deploy(world)

    for _ in range(3):
        await world.reconcile.group_in_bucket(INSTANCE, bucket_of("d1"), "$default")
        await world.reconcile.devices_of_bucket(INSTANCE, bucket_of("d1"), ["d1", "unknown"])

    assert len(world.hub.patches) == 1


async def test_reconcile_goes_through_more_devices_than_a_page_holds() -> None:
    devices = neighbours(30)
    world = await a_world(*devices)
    world.devices._page_size = 7

    await deploy(world)

    assert sorted(device for device, _ in world.hub.patches) == sorted(devices)


async def test_reconcile_passes_over_a_device_that_the_hub_has_not() -> None:
    one, other = neighbours(2)
    world = await a_world(one, other)
    del world.hub.twins[one, None]

    await deploy(world)

    assert [device for device, _ in world.hub.patches] == [other]
    assert not (await record(world, one)).is_pending


async def test_reconcile_keeps_what_was_patched_when_the_hub_throttles() -> None:
    one, other = neighbours(2)
    world = await a_world(one, other)
    await world.deployments.add(INSTANCE, a_deployment())
    world.hub.throttled = {one}

    with pytest.raises(DependencyFailed):
        await world.reconcile.group_in_bucket(INSTANCE, bucket_of(one), "$default")

    asked = {key: await record(world, key) for key in (one, other)}
    assert [item.is_pending for item in asked.values()] == [True, False]
    assert world.queues.of("rollup")
    world.hub.throttled = set()
    await world.reconcile.group_in_bucket(INSTANCE, bucket_of(one), "$default")
    assert [device for device, _ in world.hub.patches] == [other, one]


async def test_reconcile_asks_for_the_same_when_a_report_comes_in_between() -> None:
    world = await a_world()
    await world.deployments.add(INSTANCE, a_deployment())

    class Racing(type(world.devices)):  # type: ignore[misc]
        has_raced = False

        async def commit(self, *args: Any) -> Any:
            if not self.has_raced:
                self.has_raced = True
                await world.tell(a_change(9, busy()))
            return await super().commit(*args)

    racing = Racing()
    racing.rows, racing.counts_rows = world.devices.rows, world.devices.counts_rows
    world.reconcile.devices = racing

    await world.reconcile.devices_of_bucket(INSTANCE, bucket_of("d1"), ["d1"])

    known = await record(world)
    assert known.commanded is not None
    asked = [patch["deviceUpdate"]["service"]["workflow"]["id"] for _, patch in world.hub.patches]
    assert set(asked) == {"w1"}
    assert [item.workflow_id for item in known.evidence] == ["w1"]


async def test_device_that_joins_the_group_later_is_asked_too() -> None:
    world = await a_world()
    await deploy(world)

    await world.tell(a_change(2, started(), device_id="d2"))
    await world.drain()

    assert [device for device, _ in world.hub.patches] == ["d1", "d2"]


async def test_fan_out_runs_once() -> None:
    world = await a_world()
    await world.deploy.create(INSTANCE, a_request())
    world.queues.take()

    for _ in range(3):
        await world.fan_outs.run(fan_out("roll-1"))
    await world.fan_outs.run(fan_out("unknown"))

    workflow = (await world.deployment("roll-1")).workflow_id
    assert world.queues.of("reconcile") == [
        {
            "instance": INSTANCE,
            "bucket": bucket_of("d1"),
            "group": "$default",
            "workflow": workflow,
        }
    ]


async def test_fan_out_is_paced_over_the_buckets() -> None:
    world = await a_world("d1", "d2", "d3", "d4")
    world.fan_outs.commands_per_second = 0.1
    await world.deploy.create(INSTANCE, a_request())
    world.queues.take()

    await world.fan_outs.run(fan_out("roll-1"))

    delays = [item.delay_seconds for item in world.queues.messages if item.queue == "reconcile"]
    assert delays == sorted(delays)
    assert delays[0] == 0
    assert delays[-1] == pytest.approx(10 * 4 * (len(delays) - 1) / len(delays), abs=0.1)


@pytest.mark.parametrize("call", range(1, 40))
async def test_deployment_reaches_every_device_after_a_crash_at_any_port_call(call: int) -> None:
    devices = [*neighbours(2), "d2"]
    world = await a_world(*devices)
    await world.deploy.create(INSTANCE, a_request())
    world.faults.crash_at(call)

    await world.settle()

    workflow_id = (await world.deployment("roll-1")).workflow_id
    for device in devices:
        assert desired(world, device)["workflow"]["id"] == workflow_id
        assert (await record(world, device)).commanded is not None
    assert (await status(world)).counts.in_progress == 3
    assert world.queues.messages == []
