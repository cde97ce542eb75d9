"""A device whose message was lost is found by the recount of its bucket."""

from __future__ import annotations

from itertools import count
from typing import Any

from shared.domain.fleet.device import bucket_of
from shared.domain.fleet.missed import seconds_until_look
from shared.domain.rollouts.specification import Window
from shared.services.deployments.device_orders import OwnRequest
from tests.builders.scenario_fleets import a_fleet, by_percent, everybody
from tests.fakes.rollouts import Device, Fleet
from tests.settings import INSTANCE
from tests.unit.domain.builders import V1, V2

BUCKET = bucket_of("d0")
JOINER = next(name for name in map("joiner{}".format, count()) if bucket_of(name) == BUCKET)
"""It comes to a bucket that every pass has been over."""


async def after_lost_messages(fleet: Fleet, happens: Any) -> None:
    """Have something happen while no message reaches the devices of a bucket."""
    fleet.queues.lose = lambda message: message.queue == "reconcile"
    await happens
    await fleet.run(minutes=5)
    fleet.queues.lose = lambda _: False


async def recounted(fleet: Fleet) -> int:
    """Recount the joiner's bucket; how many messages that took to its devices."""
    before = fleet.queues.count
    await fleet.recount.bucket(INSTANCE, BUCKET)
    found = fleet.queues.count - before
    await fleet.run(minutes=5)
    return found


async def test_joiner_of_a_plain_deployment_is_asked() -> None:
    fleet = await a_fleet(2)
    deployment = await fleet.roll_out(None, V1)
    await fleet.run(minutes=5)
    await after_lost_messages(fleet, fleet.add([Device(JOINER)]))
    await fleet.run(minutes=30)
    assert not fleet.simulated[JOINER].ran

    assert await recounted(fleet) == 1

    assert fleet.simulated[JOINER].ran == [deployment.workflow_id]
    assert await recounted(fleet) == 0


async def test_joiner_of_a_roll_out_is_asked() -> None:
    fleet = await a_fleet(2)
    deployment = await fleet.roll_out(everybody(), V1)
    await fleet.run(minutes=5)
    await after_lost_messages(fleet, fleet.add([Device(JOINER)]))

    assert await recounted(fleet) == 1

    assert fleet.simulated[JOINER].ran == [deployment.workflow_id]


async def test_device_that_left_its_group_is_taken_its_command() -> None:
    fleet = await a_fleet(2)
    await fleet.add([Device(JOINER, is_online=False)])
    deployment = await fleet.roll_out(None, V1)
    await fleet.run(minutes=5)
    await after_lost_messages(fleet, fleet.tag(JOINER, {"ADUGroup": "elsewhere"}))
    assert JOINER in fleet.in_twins(deployment)

    assert await recounted(fleet) == 1

    assert JOINER not in fleet.in_twins(deployment)


async def test_device_that_waits_for_its_window_is_reminded_of_it() -> None:
    fleet = await a_fleet(2)
    await fleet.add([Device(JOINER)])
    windows = (Window(cron="0 11 * * *", duration="PT1H"),)
    orders = fleet.services.deployments.device_orders
    request = OwnRequest("mine", V1, fleet.clock.now(), windows)
    await after_lost_messages(fleet, orders.deploy((INSTANCE, JOINER, None), request, "operator"))
    await fleet.run(minutes=1)

    assert await recounted(fleet) > 0
    await fleet.run(hours=2)
    assert not fleet.simulated[JOINER].ran
    await fleet.run(hours=1)

    assert len(fleet.simulated[JOINER].ran) == 1


async def test_devices_that_a_pass_will_come_to_are_left_to_it() -> None:
    fleet = await a_fleet(2)
    await fleet.add([Device(JOINER)])
    gate = by_percent(100, maximum_in_flight=1)
    fleet.simulated["d0"].works = fleet.simulated["d1"].works = 100_000
    deployment = await fleet.roll_out(gate, V2)
    await fleet.run(minutes=5)
    waiting = next(name for name in fleet.simulated if name not in fleet.in_twins(deployment))
    row, known = fleet.row(waiting), [await fleet.deployment("roll-1")]
    bucket = bucket_of(waiting)
    ledger = (await fleet.devices.ledger(INSTANCE, bucket, "$default")).value
    now = fleet.clock.now()

    assert seconds_until_look(row, known, ledger, now) is None
    assert seconds_until_look(row, known, {}, now) is None
    covered = {cell: count for cell, count in ledger.items() if not cell.startswith("due:")}
    assert seconds_until_look(row, known, covered, now) == 0.0
