from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from azure.iot.hub.models import JobRequest, Twin

from local.cloud.iothub.mqtt_packets import Publish, Suback, Subscribe
from tests.integration.iothub.conftest import API, DEVICE_KEY, eventually, make_token
from tests.integration.iothub.mqtt_client import connect

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from tests.integration.iothub.conftest import Hub

DESIRED = "$iothub/twin/PATCH/properties/desired/#"


async def test_everything_answered_outlives_a_killed_hub(
    own_hub: Callable[..., AbstractAsyncContextManager[Hub]],
) -> None:
    written = 0

    async def write(hub: Hub, device_id: str) -> None:
        nonlocal written
        while True:
            path = f"/twins/{device_id}?{API}"
            response = await hub.call("PATCH", path, json={"tags": {"n": written + 1}})
            assert response.status == 200
            written += 1

    async with own_hub() as hub:
        device_id = await hub.new_device()
        etag = (await hub.service("get_device", device_id)).etag
        writing = asyncio.create_task(write(hub, device_id))

        async def busy() -> bool:
            return written >= 50

        await eventually(busy)
        await hub.server.kill()
        await asyncio.wait([writing])
        assert writing.exception()

    async with own_hub() as hub:
        identity = await hub.service("get_device", device_id)
        twin = await hub.service("get_twin", device_id)
        events = await hub.events(device_id)

    assert identity.etag == etag
    assert twin.tags["n"] in (written, written + 1)
    assert twin.version == 2 + twin.tags["n"]
    assert len(events) == 1 + twin.tags["n"]


async def test_subscriptions_outlive_a_restart(
    own_hub: Callable[..., AbstractAsyncContextManager[Hub]],
) -> None:
    async with own_hub() as hub:
        device_id = await hub.new_device()
        token = make_token(f"localhost/devices/{device_id}", DEVICE_KEY)
        async with connect(hub, device_id, token) as client:
            await client.send(Subscribe(1, ((DESIRED, 1),)))
            assert (await client.receive_a(Suback)).codes == (1,)
        assert await hub.server.stop() == 0

    async with own_hub() as hub, connect(hub, device_id, token) as client:
        await hub.patch(device_id, desired={"n": 1})
        message = await client.receive_a(Publish)

    assert message.topic == "$iothub/twin/PATCH/properties/desired/?$version=2"
    assert (message.payload, message.qos) == (b'{"n":1,"$version":2}', 1)


async def test_clean_session_forgets_subscriptions(hub: Hub) -> None:
    device_id = await hub.new_device()
    token = make_token(f"localhost/devices/{device_id}", DEVICE_KEY)
    async with connect(hub, device_id, token) as client:
        await client.send(Subscribe(1, ((DESIRED, 0),)))
        await client.receive_a(Suback)

    async with connect(hub, device_id, token, clean_session=True) as client:
        await hub.patch(device_id, desired={"n": 1})
        await client.send(Publish("$iothub/twin/GET/?$rid=1", b" "))
        answer = await client.receive_a(Publish)

    assert answer.topic == "$iothub/twin/res/200/?$rid=1"


@pytest.mark.parametrize("kill", [False, True])
async def test_job_is_finished_after_a_restart(
    own_hub: Callable[..., AbstractAsyncContextManager[Hub]], kill: bool
) -> None:
    # Ten devices a second and hardly any burst: the job cannot be done when the hub goes down.
    slow = ("--throttle", "--throttle-burst", "0.2")
    async with own_hub() as hub:
        first = await hub.new_device("job")
        devices = [{"id": f"{first}-{n}", "importMode": "create"} for n in range(30)]
        await hub.call("POST", f"/devices?{API}", json=devices)
        await hub.server.stop()
    async with own_hub(*slow) as hub:
        request = JobRequest(
            job_id="j", type="scheduleUpdateTwin", update_twin=Twin(tags={"done": True})
        )
        await hub.jobs("create_scheduled_job", "j", request)
        await (hub.server.kill() if kill else hub.server.stop())
    async with own_hub() as hub:

        async def finished() -> bool:
            return bool((await hub.jobs("get_scheduled_job", "j")).status == "completed")

        await eventually(finished)
        page = await hub.query("SELECT COUNT() AS n FROM devices WHERE tags.done = true")

    assert page.items[0].additional_properties["n"] == 31
