from __future__ import annotations

import pytest

from shared.contract.diagnostics import LogResult, log_result
from shared.domain.errors import Conflict, DependencyFailed, InvalidInput, NotFound
from shared.domain.fleet.log_collection import DeviceLog
from shared.domain.fleet.queries import LogFileFilter
from shared.domain.fleet.twin_content import kept_content
from shared.domain.operation import OperationStatus
from tests.unit.domain.builders import a_change, started
from tests.unit.services.world import INSTANCE, World

DEVICES = [DeviceLog("d1"), DeviceLog("d2")]


async def a_world() -> World:
    world = World()
    await world.tell(a_change(2, started()), a_change(2, started(), device_id="d2"))
    await world.drain()
    return world


async def statuses(world: World) -> list[str]:
    found = await world.collect_logs.get(INSTANCE, "c1")
    return [item.status.value for item in found.devices]


def asked(world: World) -> list[str]:
    return [device for device, patch in world.hub.patches if "diagnosticInformation" in patch]


async def test_each_device_is_asked_once_and_its_answer_is_kept() -> None:
    world = await a_world()
    await world.collect_logs.start(INSTANCE, "c1", DEVICES, None)
    await world.drain()
    assert await statuses(world) == ["Running", "Running"]
    desired = world.hub.twins["d1", None].desired["diagnosticInformation"]["service"]
    assert desired["operationId"] == "c1"
    assert desired["storageSasUrl"].startswith("https://")

    report = a_change(3, log_result("c1", LogResult.SUCCESS))
    await world.collect_logs.reported(INSTANCE, [report, report])
    await world.collect_logs.run(INSTANCE, "c1")

    assert await statuses(world) == ["Succeeded", "Running"]
    assert sorted(asked(world)) == ["d1", "d2"]


async def test_every_device_is_asked_after_a_crash_at_any_port_call() -> None:
    quiet = await a_world()
    quiet.faults.crash_at(None)
    await quiet.collect_logs.start(INSTANCE, "c1", DEVICES, None)
    begun = quiet.faults.calls
    await quiet.drain()
    for call in range(begun + 1, quiet.faults.calls + 1):
        world = await a_world()
        world.faults.crash_at(call)
        await world.collect_logs.start(INSTANCE, "c1", DEVICES, None)
        await world.drain()

        assert await statuses(world) == ["Running", "Running"], call


async def test_lost_message_is_made_up_for_by_the_sweep() -> None:
    world = await a_world()
    await world.collect_logs.start(INSTANCE, "c1", DEVICES, None)
    world.queues.take()
    await world.collect_logs.sweep()
    assert world.queues.take() == []

    world.clock.advance(180)
    await world.collect_logs.sweep()
    await world.drain()

    assert await statuses(world) == ["Running", "Running"]


async def test_throttled_hub_delays_only_the_device_that_it_turned_away() -> None:
    world = await a_world()
    world.hub.throttled.add("d1")
    await world.collect_logs.start(INSTANCE, "c1", DEVICES, None)
    with pytest.raises(DependencyFailed):
        await world.collect_logs.run(INSTANCE, "c1")
    assert await statuses(world) == ["NotStarted", "Running"]

    world.hub.throttled.clear()
    await world.drain()

    assert await statuses(world) == ["Running", "Running"]
    assert asked(world) == ["d2", "d1"]


async def test_device_that_the_hub_has_no_more_has_failed() -> None:
    world = await a_world()
    del world.hub.twins["d2", None]
    await world.collect_logs.start(INSTANCE, "c1", DEVICES, None)
    await world.drain()

    assert await statuses(world) == ["Running", "Failed"]


async def test_silence_for_a_day_is_a_failure() -> None:
    world = await a_world()
    await world.collect_logs.start(INSTANCE, "c1", DEVICES, None)
    await world.drain()
    world.clock.advance(24 * 3600)

    found = await world.collect_logs.get(INSTANCE, "c1")

    assert found.status is OperationStatus.FAILED
    assert await statuses(world) == ["Failed", "Failed"]


async def test_report_of_an_unknown_collection_is_passed_over() -> None:
    world = await a_world()

    await world.collect_logs.reported(INSTANCE, [a_change(3, log_result("c9", LogResult.SUCCESS))])

    with pytest.raises(NotFound):
        await world.collect_logs.get(INSTANCE, "c9")


async def test_collection_is_refused_when_it_cannot_be_made() -> None:
    world = await a_world()
    await world.collect_logs.start(INSTANCE, "c1", DEVICES, None)

    with pytest.raises(Conflict):
        await world.collect_logs.start(INSTANCE, "c1", DEVICES[:1], None)
    with pytest.raises(NotFound):
        await world.collect_logs.start(INSTANCE, "c2", [DeviceLog("d3")], None)
    with pytest.raises(InvalidInput):
        await world.collect_logs.start(INSTANCE, "c2", [DEVICES[0], DEVICES[0]], None)
    with pytest.raises(InvalidInput):
        await world.collect_logs.start(INSTANCE, "../c2", DEVICES, None)


def test_secret_of_an_acknowledgement_is_not_kept() -> None:
    service = {"value": {"operationId": "c1", "storageSasUrl": "https://x/?sig=1"}, "ac": 200}
    agent = {"operationId": "c1", "resultCode": 200, "more": "?sig=2"}
    reported = {"diagnosticInformation": {"__t": "c", "service": service, "agent": agent}}

    content = kept_content({"properties": {"reported": reported}})

    assert content == {"logs": {"operationId": "c1", "resultCode": 200}}


async def test_uploaded_logs_are_listed_device_by_device_with_links_that_open() -> None:
    world = await a_world()
    await world.collect_logs.start(INSTANCE, "c1", DEVICES, None)
    container = world.collect_logs.containers[INSTANCE]
    for name in ("d1/c1/agent/a b.log", "d1/c1/x", "d1/c1/y", "d1/c10/other", "d2/c1/z"):
        await world.blobs.write(container, name, b"log")  # type: ignore[arg-type]

    found, token = [], None
    while True:
        page = await world.collect_logs.files(INSTANCE, "c1", LogFileFilter(), token)
        found += page.items
        token = page.token
        if token is None:
            break

    assert [(item.device.device_id, item.name) for item in found] == [
        ("d1", "agent/a b.log"),
        ("d1", "x"),
        ("d1", "y"),
        ("d2", "z"),
    ]
    assert found[0].url.endswith("/d1/c1/agent/a b.log?filename=a_b.log&hours=1")
    with pytest.raises(NotFound):
        await world.collect_logs.files(INSTANCE, "c2", LogFileFilter(), None)
    only = await world.collect_logs.files(INSTANCE, "c1", LogFileFilter("d2"), None)
    assert [(item.device.device_id, item.name) for item in only.items] == [("d2", "z")]
    assert only.token is None
    nobody = await world.collect_logs.files(INSTANCE, "c1", LogFileFilter("d3"), None)
    assert (nobody.items, nobody.token) == ([], None)
