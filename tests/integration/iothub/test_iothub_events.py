from __future__ import annotations

import asyncio
import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from azure.iot.hub.models import Twin, TwinProperties

from tests.integration.iothub.conftest import (
    DEVICE_KEY,
    SERVICE_KEY,
    connection_states,
    eventually,
    make_token,
    state_of,
)
from tests.integration.iothub.mqtt_client import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from tests.certificates import Certificates
    from tests.integration.iothub.conftest import Hub


def body_of(event: dict[str, Any]) -> Any:
    return json.loads(base64.b64decode(event["body"]))


async def test_twin_changes_are_routed_with_their_changed_parts(hub: Hub) -> None:
    device_id = await hub.new_device()
    device = hub.device(device_id)
    await hub.patch(device_id, tags={"t": 1}, desired={"d": {"x": 1}})
    await device.connect()
    await device.patch_twin_reported_properties({"r": 1, "gone": None})

    created, updated, reported = await hub.events(device_id)

    assert created["properties"]["opType"] == "createDeviceIdentity"
    assert created["properties"]["iothub-message-schema"] == "deviceLifecycleNotification"
    assert body_of(created)["deviceId"] == device_id
    for event in (updated, reported):
        assert event["partitionKey"] == device_id
        properties = event["properties"]
        assert set(properties) == {
            "deviceId",
            "hubName",
            "operationTimestamp",
            "iothub-message-schema",
            "opType",
        }
        assert properties["opType"] == "updateTwin"
        assert properties["hubName"] == "odu-local"
        assert event["systemProperties"]["content-type"] == "application/json"
        assert event["systemProperties"]["iothub-message-source"] == "twinChangeEvents"
        assert event["systemProperties"]["iothub-connection-device-id"] == device_id
    desired = body_of(updated)["properties"]["desired"]
    assert body_of(updated)["version"] == 3
    assert body_of(updated)["tags"] == {"t": 1}
    assert desired["d"] == {"x": 1}
    assert desired["$version"] == 2
    assert desired["$metadata"]["d"]["x"]["$lastUpdatedVersion"] == 2
    section = body_of(reported)["properties"]["reported"]
    assert {k: v for k, v in section.items() if k != "$metadata"} == {
        "r": 1,
        "gone": None,
        "$version": 2,
    }
    assert set(section["$metadata"]) == {"$lastUpdated", "r"}
    assert "deviceId" not in body_of(reported)


async def test_replaced_twin_and_deletion_are_routed_with_the_whole_twin(hub: Hub) -> None:
    device_id = await hub.new_device()
    twin = Twin(tags={"t": 1}, properties=TwinProperties(desired={"d": 1}))
    await hub.service("replace_twin", device_id, twin)
    await hub.service("delete_device", device_id)

    _, replaced, deleted = await hub.events(device_id)

    assert replaced["properties"]["opType"] == "replaceTwin"
    assert body_of(replaced)["deviceId"] == device_id
    assert body_of(replaced)["etag"] == "AAAAAAAAAAI="
    assert body_of(replaced)["tags"] == {"t": 1}
    assert deleted["properties"]["opType"] == "deleteDeviceIdentity"


async def test_module_is_told_of_when_it_is_deleted_itself_but_not_with_its_device(
    hub: Hub,
) -> None:
    device_id = await hub.new_device()
    key = base64.b64encode(b"k" * 32).decode()
    for module_id in ("m1", "m2"):
        await hub.service("create_module_with_sas", device_id, module_id, "", key, key)
    await hub.service("delete_module", device_id, "m1")
    await hub.service("delete_device", device_id)

    *_, first, second = await hub.events(device_id)

    assert first["properties"]["iothub-message-schema"] == "moduleLifecycleNotification"
    assert first["properties"]["opType"] == "deleteModuleIdentity"
    assert first["properties"]["moduleId"] == "m1"
    assert second["properties"]["opType"] == "deleteDeviceIdentity"
    assert "moduleId" not in second["properties"]


async def test_messages_about_a_device_keep_their_order_in_one_partition(hub: Hub) -> None:
    device_id = await hub.new_device()
    for n in range(10):
        await hub.patch(device_id, tags={"n": n})

    events = (await hub.events(device_id))[1:]

    assert [body_of(event)["tags"]["n"] for event in events] == list(range(10))
    numbers = [event["sequenceNumber"] for event in events]
    assert numbers == sorted(set(numbers))


async def test_reading_waits_for_the_next_message(hub: Hub) -> None:
    device_id = await hub.new_device()
    token = make_token(f"{hub.host}/twins", SERVICE_KEY, "service")
    partitions = (await (await hub.call("GET", "/twins/partitions", token=token)).json())[
        "partitions"
    ]
    reads = []
    for partition in partitions:
        path = f"/twins/partitions/{partition}/events"
        seen = (await (await hub.call("GET", f"{path}?max=1000", token=token)).json())["events"]
        after = seen[-1]["sequenceNumber"] if seen else 0
        reads.append(
            asyncio.create_task(hub.call("GET", f"{path}?after={after}&wait=20", token=token))
        )

    await hub.patch(device_id, tags={"awaited": 1})
    done, pending = await asyncio.wait(reads, return_when=asyncio.FIRST_COMPLETED, timeout=10)
    for read in pending:
        read.cancel()

    (event,) = (await done.pop().result().json())["events"]
    assert body_of(event)["tags"] == {"awaited": 1}


async def test_messages_are_repeated_as_often_as_the_faults_say(hub: Hub) -> None:
    device_id = await hub.new_device()
    await hub.faults(duplicateEvents=1)

    await hub.patch(device_id, tags={"n": 1})
    await hub.patch(device_id, tags={"n": 2})

    tags = [body_of(event).get("tags") for event in (await hub.events(device_id))[1:]]
    assert tags == [{"n": 1}, {"n": 1}, {"n": 2}]


@pytest.fixture
async def topic(certificates: Certificates) -> AsyncIterator[tuple[str, asyncio.Queue[Any]]]:
    """An Event Grid topic that refuses every first attempt and keeps what it is sent."""
    accepted: asyncio.Queue[Any] = asyncio.Queue()
    attempts = 0

    async def receive(request: web.Request) -> web.Response:
        nonlocal attempts
        attempts += 1
        if attempts % 2:
            return web.Response(status=503)
        assert request.headers["aeg-sas-key"] == "grid key"
        for event in await request.json():
            accepted.put_nowait(event)
        return web.Response()

    app = web.Application()
    app.router.add_post("/api/events", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=certificates.server_context())
    await site.start()
    port = runner.addresses[0][1]
    yield f"https://localhost:{port}/api/events", accepted
    await runner.cleanup()


async def test_event_grid_learns_of_devices_and_their_connections(
    own_hub: Callable[..., AbstractAsyncContextManager[Hub]],
    certificates: Certificates,
    topic: tuple[str, asyncio.Queue[Any]],
) -> None:
    endpoint, accepted = topic
    env = {"EVENT_GRID_KEY": "grid key", **certificates.trust}

    async def next_event() -> Any:
        return await asyncio.wait_for(accepted.get(), 10)

    async with own_hub("--event-grid-endpoint", endpoint, env=env) as hub:
        device_id = await hub.new_device()
        device = hub.device(device_id)
        await device.connect()
        await device.send_message("hello")
        await device.disconnect()
        created, connected, disconnected = [await next_event() for _ in range(3)]
        await hub.service("delete_device", device_id)
        deleted = await next_event()

    events = (created, connected, disconnected, deleted)
    assert [event["eventType"].removeprefix("Microsoft.Devices.Device") for event in events] == [
        "Created",
        "Connected",
        "Disconnected",
        "Deleted",
    ]
    for event in events:
        assert event["subject"] == f"devices/{device_id}"
        assert event["data"]["hubName"] == "odu-local"
        assert event["data"]["deviceId"] == device_id
    assert created["data"]["twin"]["deviceId"] == device_id
    first, second = (
        event["data"]["deviceConnectionStateEventInfo"]["sequenceNumber"]
        for event in (connected, disconnected)
    )
    assert int(first, 16) < int(second, 16)


async def test_device_that_only_reads_its_twin_is_not_announced(hub: Hub) -> None:
    device_id = await hub.new_device()
    token = make_token(f"localhost/devices/{device_id}", DEVICE_KEY)
    async with connect(hub, device_id, token):
        await hub.state(device_id, "Connected")
    await hub.state(device_id, "Disconnected")

    operations = [event["properties"]["opType"] for event in await hub.events(device_id)]

    assert operations == ["createDeviceIdentity"]


async def test_killed_hub_says_that_its_devices_are_gone(
    own_hub: Callable[..., AbstractAsyncContextManager[Hub]],
) -> None:
    async with own_hub("--route-connection-state") as hub:
        device_id = await hub.new_device()
        device = hub.device(device_id, connection_retry=False)
        await device.connect()
        await device.send_message("hello")
        states = connection_states(device)
        await hub.server.kill()
        await state_of(states, connected=False)
    async with own_hub("--route-connection-state") as hub:

        async def gone() -> bool:
            events = await hub.events(device_id)
            return events[-1]["properties"]["opType"] == "deviceDisconnected"

        await eventually(gone)


async def test_stopping_does_not_wait_for_readers(
    own_hub: Callable[..., AbstractAsyncContextManager[Hub]],
) -> None:
    async with own_hub() as hub:
        path = "/twins/partitions/0/events?after=0&wait="
        await hub.call("GET", f"{path}0")
        reading = asyncio.create_task(hub.call("GET", f"{path}60"))
        await hub.call("GET", f"{path}0.2")

        assert await asyncio.wait_for(hub.server.stop(), 5) == 0
        assert await (await reading).json() == {"events": []}


async def test_messages_are_routed_to_the_event_hub_of_another_hub(
    hub: Hub, own_hub: Callable[..., AbstractAsyncContextManager[Hub]]
) -> None:
    target = (
        f"Endpoint=sb://localhost:{hub.server.port}/;SharedAccessKeyName=service;"
        f"SharedAccessKey={SERVICE_KEY};EntityPath=twins"
    )
    environment = {"TWINS_ROUTE": target, "SSL_CERT_FILE": str(hub.certificates.authority)}

    async def arrived(device_id: str, own: list[dict[str, Any]]) -> bool:
        there = await hub.events(device_id)
        kept = ("properties", "systemProperties", "partitionKey", "body")
        return [{key: one[key] for key in kept} for one in there] == [
            {key: one[key] for key in kept} for one in own
        ]

    async with own_hub("--name", "routing", env=environment) as first:
        device_id = await first.new_device("routed")
        await first.patch(device_id, tags={"t": 1})
        own = await first.events(device_id)
        await eventually(lambda: arrived(device_id, own))
        assert {one["properties"]["hubName"] for one in own} == {"routing"}
    async with own_hub("--name", "routing", env=environment) as again:
        await again.patch(device_id, tags={"t": 2})
        own = await again.events(device_id)
        await eventually(lambda: arrived(device_id, own))
