from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from azure.iot.device import Message, MethodResponse
from azure.iot.device.exceptions import ClientError, CredentialError
from azure.iot.hub.models import CloudToDeviceMethod
from msrest.exceptions import HttpOperationError

from tests.integration.iothub.conftest import (
    DEVICE_KEY,
    PATIENCE,
    SECOND_KEY,
    connection_states,
    make_token,
    state_of,
)
from tests.integration.iothub.mqtt_client import connect

if TYPE_CHECKING:
    from azure.iot.device.aio import IoTHubDeviceClient

    from tests.integration.iothub.conftest import Hub


def desired_patches(client: IoTHubDeviceClient) -> asyncio.Queue[dict[str, Any]]:
    """Collect what the client's handler is given."""
    loop, patches = asyncio.get_running_loop(), asyncio.Queue[dict[str, Any]]()

    def received(patch: dict[str, Any]) -> None:
        loop.call_soon_threadsafe(patches.put_nowait, patch)

    client.on_twin_desired_properties_patch_received = received
    return patches


async def patch_with(patches: asyncio.Queue[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    """Wait for a patch that holds something."""
    async with asyncio.timeout(PATIENCE):
        while True:
            patch = await patches.get()
            if wanted.items() <= patch.items():
                return patch


@pytest.mark.parametrize("websockets", [False, True])
async def test_device_reports_and_reads_its_twin(hub: Hub, websockets: bool) -> None:
    device_id = await hub.new_device()
    await hub.patch(device_id, desired={"wanted": 1}, tags={"hidden": 1})
    device = hub.device(device_id, websockets=websockets)
    await device.connect()

    await device.patch_twin_reported_properties({"a": {"b": 1, "c": 2}})
    await device.patch_twin_reported_properties({"a": {"b": None}})
    seen = await device.get_twin()

    twin = await hub.service("get_twin", device_id)
    assert seen == {
        "desired": {"wanted": 1, "$version": 2},
        "reported": {"a": {"c": 2}, "$version": 3},
    }
    assert twin.properties.reported["a"] == {"c": 2}
    assert "$lastUpdatedVersion" not in twin.properties.reported["$metadata"]
    assert twin.connection_state == "Connected"
    await device.disconnect()
    await hub.state(device_id, "Disconnected")


async def test_module_reports_to_its_own_twin(hub: Hub) -> None:
    device_id = await hub.new_device()
    await hub.service("create_module_with_sas", device_id, "agent", "", SECOND_KEY, SECOND_KEY)
    module = hub.device(device_id, SECOND_KEY, module_id="agent")
    await module.connect()

    await module.patch_twin_reported_properties({"from": "module"})

    twin = await hub.service("get_module_twin", device_id, "agent")
    assert twin.properties.reported["from"] == "module"
    assert "from" not in (await hub.service("get_twin", device_id)).properties.reported


async def test_device_is_told_of_changed_desired_properties_only(hub: Hub) -> None:
    device_id = await hub.new_device()
    await hub.patch(device_id, desired={"old": 1})
    device = hub.device(device_id)
    await device.connect()
    patches = desired_patches(device)
    await device.get_twin()

    await hub.patch(device_id, desired={"new": {"x": 1}}, tags={"t": 1})

    assert await patch_with(patches, new={"x": 1}) == {"new": {"x": 1}, "$version": 3}


async def test_subscriptions_outlive_an_abrupt_drop(hub: Hub) -> None:
    device_id = await hub.new_device()
    device = hub.device(device_id)
    await device.connect()
    patches = desired_patches(device)
    await hub.patch(device_id, desired={"n": 1})
    await patch_with(patches, n=1)
    states = connection_states(device)
    await device.connect()

    assert (await hub.faults(dropConnections=True))["droppedConnections"] >= 1
    await state_of(states, connected=False)
    await state_of(states, connected=True)
    await hub.patch(device_id, desired={"n": 2})

    await patch_with(patches, n=2)


async def test_second_connection_closes_the_first(hub: Hub) -> None:
    device_id = await hub.new_device()
    first = hub.device(device_id, auto_connect=False, connection_retry=False)
    second = hub.device(device_id, SECOND_KEY)
    await first.connect()
    states = connection_states(first)

    await second.connect()

    await state_of(states, connected=False)
    assert not first.connected
    assert second.connected
    await second.patch_twin_reported_properties({"still": "here"})
    assert (await hub.service("get_twin", device_id)).connection_state == "Connected"


@pytest.mark.parametrize("case", ["wrong key", "unknown device", "disabled"])
async def test_device_is_not_admitted(hub: Hub, case: str) -> None:
    device_id = await hub.new_device()
    key = "d3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3Jvbmcgd3I=" if case == "wrong key" else DEVICE_KEY
    if case == "unknown device":
        device_id += "-unknown"
    if case == "disabled":
        await hub.service(
            "update_device_with_sas", device_id, None, DEVICE_KEY, SECOND_KEY, "disabled"
        )
    device = hub.device(device_id, key, connection_retry=False)

    with pytest.raises(CredentialError):
        await device.connect()


async def test_connection_ends_with_the_identity(hub: Hub) -> None:
    device_id = await hub.new_device()
    device = hub.device(device_id, connection_retry=False)
    await device.connect()
    states = connection_states(device)

    await hub.service("delete_device", device_id)

    await state_of(states, connected=False)


async def test_direct_method_returns_what_the_device_answers(hub: Hub) -> None:
    device_id = await hub.new_device()
    device = hub.device(device_id)
    await device.connect()

    async def answer(request: Any) -> None:
        payload = {"name": request.name, "got": request.payload}
        await device.send_method_response(
            MethodResponse.create_from_method_request(request, 207, payload)
        )

    device.on_method_request_received = answer
    method = CloudToDeviceMethod(
        method_name="do it",
        payload={"x": [1]},
        connect_timeout_in_seconds=10,
        response_timeout_in_seconds=10,
    )
    result = await hub.service("invoke_device_method", device_id, method)

    assert result.status == 207
    assert result.payload == {"name": "do it", "got": {"x": [1]}}


async def test_direct_method_is_refused_when_the_device_is_away(hub: Hub) -> None:
    device_id = await hub.new_device()

    with pytest.raises(HttpOperationError) as caught:
        await hub.service("invoke_device_method", device_id, CloudToDeviceMethod(method_name="x"))

    assert caught.value.response.status_code == 404
    assert caught.value.response.headers["iothub-errorcode"] == "DeviceNotOnline"


async def test_device_with_a_model_shows_it_in_its_twin(hub: Hub) -> None:
    device_id = await hub.new_device()
    model = "dtmi:azure:iot:deviceUpdateModel;3"
    device = hub.device(device_id, product_info=model)
    await device.connect()

    page = await hub.query(f"SELECT deviceId AS who FROM devices WHERE modelId = '{model}'")

    assert device_id in {item.additional_properties["who"] for item in page.items}


async def test_telemetry_is_accepted_and_announces_the_device(hub: Hub) -> None:
    device_id = await hub.new_device()
    device = hub.device(device_id)
    await device.connect()

    message = Message(b'{"t": 1}', content_type="application/json", content_encoding="utf-8")
    message.custom_properties["kind"] = "x y"
    await device.send_message(message)

    kinds = [event["properties"]["opType"] for event in await hub.events(device_id)]
    assert kinds == ["createDeviceIdentity", "deviceConnected"]


async def test_expired_token_is_not_admitted_and_a_live_one_ends_the_connection(hub: Hub) -> None:
    device_id = await hub.new_device()
    resource = f"localhost/devices/{device_id}"

    expired = make_token(resource, DEVICE_KEY, expires_in=-5)
    async with connect(hub, device_id, expired) as client:
        assert client.code == 5
    async with connect(hub, device_id, make_token(resource, DEVICE_KEY, expires_in=2)) as client:
        assert client.code == 0
        await client.ended()


async def test_reported_patch_beyond_a_limit_is_answered_with_400(hub: Hub) -> None:
    device_id = await hub.new_device()
    device = hub.device(device_id)
    await device.connect()

    with pytest.raises(ClientError) as caught:
        await device.patch_twin_reported_properties({"s": "x" * 5000})

    assert "400" in repr(caught.value.__cause__)
    twin = await hub.service("get_twin", device_id)
    assert twin.properties.reported["$version"] == 1
