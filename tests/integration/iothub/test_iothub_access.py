from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import pytest

from local.cloud.iothub.mqtt_packets import (
    Connack,
    Connect,
    Pingreq,
    Pingresp,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)
from tests.integration.iothub.conftest import (
    API,
    DEVICE_KEY,
    OWNER_KEY,
    SERVICE_KEY,
    make_token,
)
from tests.integration.iothub.mqtt_client import connect, open_connection

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from tests.integration.iothub.conftest import Hub


@pytest.mark.parametrize(
    ("resource", "key", "policy", "expires_in"),
    [
        ("localhost", SERVICE_KEY, "iothubowner", 600),
        ("localhost", OWNER_KEY, "nobody", 600),
        ("localhost", OWNER_KEY, "iothubowner", -1),
        ("elsewhere.azure-devices.net", OWNER_KEY, "iothubowner", 600),
        ("localhost/devices/other", OWNER_KEY, "iothubowner", 600),
        ("localhost/device", OWNER_KEY, "iothubowner", 600),
    ],
)
async def test_call_is_refused_without_a_fitting_token(
    hub: Hub, resource: str, key: str, policy: str, expires_in: float
) -> None:
    token = make_token(resource, key, policy, expires_in)

    response = await hub.call("GET", f"/devices?{API}", token=token)

    assert response.status == 401
    assert response.headers["iothub-errorcode"] == "IotHubUnauthorizedAccess"


@pytest.mark.parametrize(
    "token", ["", "Bearer x", "SharedAccessSignature sr=a", "SharedAccessSignature " + "x" * 5000]
)
async def test_call_is_refused_when_the_token_is_malformed(hub: Hub, token: str) -> None:
    response = await hub.session.get(
        f"{hub.server.url}/devices?{API}", headers={"Authorization": token} if token else {}
    )

    assert response.status == 401


async def test_tampered_token_is_refused(hub: Hub) -> None:
    token = make_token("localhost", OWNER_KEY, "iothubowner")
    later = token.replace("&se=", "&se=9")

    response = await hub.call("GET", f"/devices?{API}", token=later)

    assert response.status == 401


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", f"/devices?{API}", 200),
        ("GET", "/twins/partitions", 200),
        ("PUT", f"/devices/service-may-not?{API}", 401),
        ("DELETE", f"/devices/service-may-not?{API}", 401),
        ("POST", f"/devices?{API}", 401),
        ("PUT", "/local/faults", 401),
    ],
)
async def test_service_policy_reads_but_does_not_write_the_registry(
    hub: Hub, method: str, path: str, status: int
) -> None:
    token = make_token(hub.host, SERVICE_KEY, "service")

    response = await hub.call(method, path, token=token)

    assert response.status == status


async def test_call_without_version_or_to_nowhere_gets_an_error_of_the_hub(hub: Hub) -> None:
    unversioned = await hub.call("GET", "/devices")
    nowhere = await hub.call("GET", f"/nowhere?{API}")
    wrong = await hub.call("DELETE", f"/devices?{API}")

    assert (unversioned.status, nowhere.status, wrong.status) == (400, 404, 405)
    for response in (unversioned, nowhere, wrong):
        assert (await response.json())["Message"].startswith("ErrorCode:")


@pytest.mark.parametrize("device_id", ["has space", "a" * 129, "schräg", "a/b", "a<b"])
async def test_device_id_is_refused_when_it_is_malformed(hub: Hub, device_id: str) -> None:
    path = f"/devices/{device_id.replace('/', '%2F').replace(' ', '%20')}?{API}"

    response = await hub.call("PUT", path, json={"deviceId": device_id})

    assert response.status == 400


async def test_spent_rate_is_refused_with_the_time_to_wait(
    own_hub: Callable[..., AbstractAsyncContextManager[Hub]],
) -> None:
    async with own_hub("--throttle", "--sku", "S1") as hub:
        answers = [
            await hub.call("POST", f"/devices/query?{API}", json={"query": "SELECT * FROM devices"})
            for _ in range(21)
        ]

    assert [answer.status for answer in answers[:20]] == [200] * 20
    assert answers[20].status == 429
    assert 1 <= int(answers[20].headers["Retry-After"]) <= 3
    assert answers[20].reason == "Too Many Requests"


async def test_devices_and_services_share_the_rate_of_twin_updates(
    own_hub: Callable[..., AbstractAsyncContextManager[Hub]],
) -> None:
    async with own_hub("--throttle", "--throttle-burst", "0.1") as hub:
        response = await hub.call("PUT", f"/devices/d?{API}", json=keys())
        assert response.status == 200, await response.text()
        token = make_token("localhost/devices/d", DEVICE_KEY)
        statuses = []
        async with connect(hub, "d", token) as client:
            for n in range(10):
                await client.send(
                    Publish(f"$iothub/twin/PATCH/properties/reported/?$rid={n}", b"{}")
                )
                topic = (await client.receive_a(Publish)).topic
                statuses.append(int(topic.split("/")[3]))
            service = await hub.call("PATCH", f"/twins/d?{API}", json={"tags": {}})

    assert statuses[:5] == [204] * 5
    assert 429 in statuses[5:]
    assert service.status in (200, 429)


def keys() -> dict[str, object]:
    pair = {"primaryKey": DEVICE_KEY, "secondaryKey": DEVICE_KEY}
    return {"authentication": {"type": "sas", "symmetricKey": pair}}


@pytest.mark.parametrize(
    "data",
    [
        b"\x10\xff\xff\xff\xff\xff",
        b"\x10\xff\xff\xff\x7f",
        b"\x10\x02\x00\x04",
        b"\x10\x0c\x00\x04MQIsdp\x03\x02\x00\x3c",
    ],
)
async def test_connection_that_speaks_garbage_is_closed(hub: Hub, data: bytes) -> None:
    async with open_connection(hub) as client:
        await client.send_bytes(data)
        await client.ended()


@pytest.mark.parametrize("start", [b"X", b"CONNECTED?", b"C" * 10_000, b"GET / HTTP/1.1\r\n\r\n"])
async def test_connection_without_tls_is_closed(hub: Hub, start: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.server.port)
    writer.write(start)

    try:
        assert await asyncio.wait_for(reader.read(), 5) == b""
    except ConnectionError:
        pass
    finally:
        writer.close()


async def test_proxy_leads_to_the_hub_whatever_name_is_asked_for(hub: Hub) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", hub.server.port)
    writer.write(b"CONNECT hub.example:8883 HTTP/1.1\r\n")
    writer.write(b"Host: hub.example\r\n\r\n")
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)

    await writer.start_tls(hub.certificates.client_context(), server_hostname="localhost")

    assert head.startswith(b"HTTP/1.1 200")
    tls = writer.get_extra_info("ssl_object")
    assert isinstance(tls, ssl.SSLObject)
    writer.transport.abort()


async def test_wrong_packets_close_the_connection(hub: Hub) -> None:
    device_id = await hub.new_device()
    token = make_token(f"localhost/devices/{device_id}", DEVICE_KEY)
    for packet in (
        Publish("$iothub/twin/PATCH/properties/desired/?$rid=1", b"{}"),
        Publish("devices/another/messages/events/", b"x"),
        Publish("somewhere", b"x"),
        Connack(),
        Connect(device_id),
    ):
        async with connect(hub, device_id, token) as client:
            await client.send(packet)
            await client.ended()


async def test_device_cannot_subscribe_to_what_is_not_its_own(hub: Hub) -> None:
    device_id = await hub.new_device()
    token = make_token(f"localhost/devices/{device_id}", DEVICE_KEY)
    async with connect(hub, device_id, token) as client:
        filters = (("#", 1), ("devices/x/messages/devicebound/#", 0), ("$iothub/twin/res/#", 2))
        await client.send(Subscribe(7, filters))
        answer = await client.receive()

    assert getattr(answer, "codes", None) == (0x80, 0x80, 1)


async def test_silent_device_is_disconnected_after_its_keep_alive(hub: Hub) -> None:
    device_id = await hub.new_device()
    token = make_token(f"localhost/devices/{device_id}", DEVICE_KEY)
    async with connect(hub, device_id, token, keep_alive=1) as client:
        assert client.code == 0
        await client.ended()


async def test_token_of_another_device_is_refused(hub: Hub) -> None:
    device_id, other = await hub.new_device(), await hub.new_device()
    token = make_token(f"localhost/devices/{other}", DEVICE_KEY)

    async with connect(hub, device_id, token) as client:
        assert client.code == 5


async def test_device_can_ping_and_leave_its_subscriptions(hub: Hub) -> None:
    device_id = await hub.new_device()
    token = make_token(f"localhost/devices/{device_id}", DEVICE_KEY)
    desired = "$iothub/twin/PATCH/properties/desired/#"
    async with connect(hub, device_id, token) as client:
        await client.send(Subscribe(1, ((desired, 1),)), Unsubscribe(2, (desired,)), Pingreq())
        for kind in (Suback, Unsuback, Pingresp):
            await client.receive_a(kind)
        await hub.patch(device_id, desired={"n": 1})
        await client.send(Publish("$iothub/twin/GET/?$rid=1", b" "))
        answer = await client.receive_a(Publish)

    assert answer.topic.startswith("$iothub/twin/res/200/")


async def test_device_that_subscribes_to_messages_is_announced_again_when_it_returns(
    hub: Hub,
) -> None:
    device_id = await hub.new_device()
    token = make_token(f"localhost/devices/{device_id}", DEVICE_KEY)
    messages = f"devices/{device_id}/messages/devicebound/#"
    async with connect(hub, device_id, token) as client:
        await client.send(Subscribe(1, ((messages, 1),)))
        await client.receive_a(Suback)
    await hub.state(device_id, "Disconnected")
    async with connect(hub, device_id, token) as client:
        assert client.code == 0

    operations = [event["properties"]["opType"] for event in await hub.events(device_id)]
    assert operations[:4] == [
        "createDeviceIdentity",
        "deviceConnected",
        "deviceDisconnected",
        "deviceConnected",
    ]


async def test_reported_patch_fails_as_the_faults_say_and_without_json(hub: Hub) -> None:
    device_id = await hub.new_device()
    token = make_token(f"localhost/devices/{device_id}", DEVICE_KEY)
    statuses = []
    await hub.faults(failTwinPatches={"count": 1, "status": 500})
    async with connect(hub, device_id, token) as client:
        for payload in (b"{}", b"{}", b"{", b"[1]", b"[" * 40_000, b"x" * 100_000):
            topic = "$iothub/twin/PATCH/properties/reported/?$rid=7"
            await client.send(Publish(topic, payload))
            statuses.append((await client.receive_a(Publish)).topic.split("/")[3])

    assert statuses == ["500", "204", "400", "400", "400", "400"]


@pytest.mark.parametrize(
    ("client_id", "username", "code"),
    [
        ("", "localhost//?api-version=2019-10-01", 2),
        ("a b", "localhost/a b/?api-version=2019-10-01", 2),
        ("d", "localhost/other/?api-version=2019-10-01", 4),
        ("d", "elsewhere/d/?api-version=2019-10-01", 4),
        ("d", "localhost/d/?", 4),
        ("d", "", 4),
    ],
)
async def test_names_that_do_not_fit_are_refused(
    hub: Hub, client_id: str, username: str, code: int
) -> None:
    async with open_connection(hub) as client:
        await client.send(Connect(client_id, username, "x"))

        assert (await client.receive_a(Connack)).code == code


async def test_wrong_protocol_level_is_refused(hub: Hub) -> None:
    async with open_connection(hub) as client:
        await client.send(Connect("d", "x", "x", level=5))

        assert (await client.receive_a(Connack)).code == 1
