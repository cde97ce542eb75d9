from __future__ import annotations

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from shared import messages
from shared.domain.domain_event import EventKind
from shared.domain.errors import DependencyFailed, DependencyThrottled
from shared.domain.events.catalog import update_recalled
from shared.domain.fleet.device import DeviceState, TwinChange, deployment_state
from shared.services.announce import Announcer
from tests.builders.deployments import KIOSK, a_request, a_world, fan_out
from tests.builders.devices import record
from tests.fakes.faults import Crash
from tests.fakes.storage import Message
from tests.unit.domain.builders import V2, a_change, failed, started, succeeded
from tests.unit.services.world import INSTANCE, World, a_source_manifest, offer

_SWEEPS = 16
FILES = {"apply.sh": b"#!/bin/sh\necho done\n"}


def told(world: World) -> Counter[tuple[str, str]]:
    return Counter((event.kind, event.subject) for _, event in world.topic.published)


async def sweep_everything(world: World) -> None:
    for _ in range(_SWEEPS):
        world.clock.advance(60)
        await surely(world.announcements.sweep)
        await surely(world.sweep.run)
    await world.settle()


async def surely(step: Callable[[], Awaitable[Any]]) -> None:
    """What a caller does whose call was cut off."""
    try:
        await step()
    except Crash:
        await step()


async def report(world: World, change: TwinChange, state: DeviceState) -> None:
    """Tell a change, and tell it again only if it was cut off before the row was written."""
    try:
        await world.tell(change)
    except Crash:
        if deployment_state(await record(world, change.device_id)) is not state:
            await world.tell(change)
    await world.drain()


async def campaign(world: World) -> None:
    """A deployment to three devices that ends well, badly, and by a cancellation."""
    await surely(lambda: world.deploy.create(INSTANCE, a_request()))
    await world.settle()
    stored = await world.deployments.get(INSTANCE, "$default", "roll-1")
    assert stored is not None
    workflow = stored.value.workflow_id
    good, bad = succeeded(workflow_id=workflow), failed(workflow)
    await report(world, a_change(10, good, device_id="d1"), DeviceState.SUCCEEDED)
    await report(world, a_change(10, bad, device_id="d2"), DeviceState.FAILED)
    await report(world, a_change(10, good, device_id="d3"), DeviceState.SUCCEEDED)
    await world.settle()
    await surely(lambda: world.deploy.cancel(INSTANCE, "$default", KIOSK, "roll-1"))
    await world.settle()


ROLL = "management/groups/%24default/deployments/roll-1"
CAMPAIGN = {
    (EventKind.DEPLOYMENT_STARTED, ROLL),
    (EventKind.DEVICE_SUCCEEDED, "management/devices/d1"),
    (EventKind.DEVICE_FAILED, "management/devices/d2"),
    (EventKind.DEVICE_SUCCEEDED, "management/devices/d3"),
    (EventKind.DEPLOYMENT_FINISHED, ROLL),
    (EventKind.DEPLOYMENT_CANCELED, ROLL),
}


async def test_campaign_is_told_from_its_start_to_its_end() -> None:
    world = await a_world("d1", "d2", "d3")

    await campaign(world)

    assert told(world) == Counter(CAMPAIGN)
    by_kind = {event.kind: event for _, event in world.topic.published}
    finished = by_kind[EventKind.DEPLOYMENT_FINISHED].data
    assert (finished["succeededDeviceCount"], finished["failedDeviceCount"]) == (2, 1)
    failure = by_kind[EventKind.DEVICE_FAILED].data
    assert failure["code"] == "00000000"
    assert failure["message"]
    assert failure["nextStep"]
    assert len({event.identity for _, event in world.topic.published}) == len(CAMPAIGN)


async def test_campaign_is_told_wholly_after_a_crash_at_any_port_call() -> None:
    quiet = await a_world("d1", "d2", "d3")
    quiet.faults.crash_at(None)
    await campaign(quiet)

    for call in range(1, quiet.faults.calls + 1):
        world = await a_world("d1", "d2", "d3")
        world.faults.crash_at(call)
        await campaign(world)
        await sweep_everything(world)

        assert told(world).keys() == CAMPAIGN, f"crash at call {call}"
        kinds = {(event.kind, event.subject) for _, event in world.topic.published}
        assert len({event.identity for _, event in world.topic.published}) == len(kinds)


@pytest.mark.parametrize("is_refused", [False, True])
async def test_end_of_an_import_is_told_after_a_crash_at_any_port_call(is_refused: bool) -> None:
    def prepared() -> tuple[World, Any]:
        world = World()
        files = {"apply.sh": b"other bytes"} if is_refused else FILES
        return world, offer(world, a_source_manifest(FILES), files)

    async def run(world: World, item: Any) -> None:
        try:
            await world.imports.start(INSTANCE, [item], "trace")
        except Crash:
            await world.imports.start(INSTANCE, [item], "trace")
        await world.settle()
        await world.settle()

    quiet, item = prepared()
    quiet.faults.crash_at(None)
    await run(quiet, item)
    ((kind, subject),) = told(quiet)
    expected = EventKind.UPDATE_REFUSED if is_refused else EventKind.UPDATE_IMPORTED
    assert kind == expected
    assert "CANARY" not in json.dumps([event.data for _, event in quiet.topic.published])

    for call in range(1, quiet.faults.calls + 1):
        world, item = prepared()
        world.faults.crash_at(call)
        await run(world, item)

        assert expected in {kind for kind, _ in told(world)}, f"crash at call {call}"
        assert world.queues.messages == []
    assert subject


def an_order(message: Message) -> messages.Announce:
    return messages.decode(messages.Announce, json.dumps(message.body))


async def test_publishing_is_put_off_for_as_long_as_the_topic_asks() -> None:
    world = await a_world("d1")
    world.topic.refusals = [DependencyThrottled("busy", retry_after=33)]
    event = update_recalled(INSTANCE, V2, "bricks devices", world.clock.now())
    await world.announcer.send(INSTANCE, [event])

    (message,) = world.queues.take()
    await world.announcements.run(an_order(message))

    (again,) = world.queues.take()
    assert (again.body, again.delay_seconds) == (message.body, 33)
    await world.announcements.run(an_order(again))
    assert world.topic.published == [(INSTANCE, event)]


async def test_publishing_fails_when_the_topic_refuses_for_good() -> None:
    world = await a_world("d1")
    world.topic.refusals = [DependencyFailed("401", retryable=False)]
    await world.announcer.send(
        INSTANCE, [update_recalled(INSTANCE, V2, "bricks devices", world.clock.now())]
    )

    (message,) = world.queues.take()
    with pytest.raises(DependencyFailed):
        await world.announcements.run(an_order(message))


async def test_deployment_that_is_deleted_is_still_told_of() -> None:
    world = await a_world("d1")
    await world.deploy.create(INSTANCE, a_request())
    await world.fan_outs.run(fan_out("roll-1"))
    await world.deploy.delete(INSTANCE, "$default", "roll-1")

    await world.drain()

    assert told(world) == Counter([(EventKind.DEPLOYMENT_STARTED, ROLL)])


async def test_nothing_is_made_or_asked_for_when_there_is_no_topic() -> None:
    world = await a_world("d1", "d2", "d3")
    world.announcer.queues = None

    await campaign(world)

    assert world.topic.published == []
    assert not (await world.deployment("roll-1")).events
    assert not await world.devices.events(INSTANCE, 0, 1)
    assert not Announcer().is_on


async def test_device_fails_twice_when_its_retry_fails_as_well() -> None:
    world = await a_world("d1")
    await world.deploy.create(INSTANCE, a_request())
    await world.drain()
    workflow = (await world.deployment("roll-1")).workflow_id
    await world.tell(a_change(10, failed(workflow)))
    await world.tell(a_change(11, failed(workflow)))
    await world.drain()
    await world.deploy.retry(INSTANCE, "$default", KIOSK, "roll-1")
    await world.settle()
    retry = (await record(world)).commanded
    assert retry is not None
    await world.tell(a_change(20, failed(workflow, retry.retry_timestamp)))
    await world.tell(a_change(21, started()))
    await world.settle()

    failures = [e for _, e in world.topic.published if e.kind is EventKind.DEVICE_FAILED]
    assert [event.data["retryCount"] for event in failures] == [0, 1]
    assert len({event.identity for event in failures}) == 2


async def test_reason_of_a_refusal_is_that_of_the_operation() -> None:
    world = World()
    item = offer(world, a_source_manifest(FILES), {"apply.sh": b"other bytes"})
    operation_id = await world.imports.start(INSTANCE, [item], "trace")
    await world.settle()

    ((_, event),) = world.topic.published
    failure = (await world.operation(operation_id)).failure
    assert failure is not None
    assert (event.data["code"], event.data["message"]) == (failure.code, failure.message)
