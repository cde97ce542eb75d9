from __future__ import annotations

import json
import uuid
from typing import Any

import aiohttp
import pytest

from tests.integration.functions_host.support import Collector, HostFactory, HostProcess


def an_event(**data: Any) -> dict[str, Any]:
    return {
        "id": uuid.uuid4().hex,
        "topic": "/topics/odu",
        "subject": "devices/d1",
        "eventType": "Microsoft.Devices.DeviceCreated",
        "eventTime": "2026-03-04T05:06:07.1234567Z",
        "dataVersion": "1",
        "metadataVersion": "1",
        "data": data,
    }


async def deliver(
    client: aiohttp.ClientSession,
    host: HostProcess,
    body: object,
    function: str = "on_event",
    kind: str | None = "Notification",
    key: str | None = None,
    content_type: str = "application/json",
) -> tuple[int, bytes]:
    async with client.post(
        f"{host.base}/runtime/webhooks/EventGrid",
        params={
            "functionName": function,
            "code": host.keys["system"]["eventgrid_extension"] if key is None else key,
        },
        data=json.dumps(body),
        headers={"Content-Type": content_type} | ({"aeg-event-type": kind} if kind else {}),
    ) as response:
        return response.status, await response.read()


async def test_a_handshake_is_answered_without_a_run(
    host: HostProcess, web_client: aiohttp.ClientSession, collector: Collector
) -> None:
    event = an_event(validationCode="code-1")
    status, body = await deliver(web_client, host, [event], kind="SubscriptionValidation")

    assert (status, json.loads(body)) == (200, {"validationResponse": "code-1"})
    assert collector.of("on_event", id=event["id"]) == []


async def test_each_event_of_an_array_is_one_run_and_one_failure_fails_the_delivery(
    host: HostProcess, web_client: aiohttp.ClientSession, collector: Collector
) -> None:
    events = [an_event(), an_event(fail=True), an_event()]

    status, _ = await deliver(web_client, host, events)
    good, _ = await deliver(web_client, host, [an_event()])

    assert (status, good) == (500, 202)
    for event in events:
        (fact,) = collector.of("on_event", id=event["id"])
        assert fact["type"] == "Microsoft.Devices.DeviceCreated"


async def test_cloud_events_are_taken_alone_and_in_batches(
    host: HostProcess, web_client: aiohttp.ClientSession, collector: Collector
) -> None:
    first, second = (
        {"specversion": "1.0", "id": uuid.uuid4().hex, "source": "/odu", "type": "t", "data": {}}
        for _ in range(2)
    )
    send: dict[str, Any] = {"function": "on_cloud_event", "kind": None}

    one, _ = await deliver(
        web_client, host, first, content_type="application/cloudevents+json", **send
    )
    many, _ = await deliver(
        web_client, host, [second], content_type="application/cloudevents-batch+json", **send
    )

    assert (one, many) == (202, 202)
    for event in (first, second):
        assert collector.of("on_cloud_event", id=event["id"], source="/odu")


async def test_the_cloud_events_handshake_allows_the_origin(
    host: HostProcess, web_client: aiohttp.ClientSession
) -> None:
    async with web_client.options(
        f"{host.base}/runtime/webhooks/eventgrid",
        params={
            "functionName": "on_cloud_event",
            "code": host.keys["system"]["eventgrid_extension"],
        },
        headers={"WebHook-Request-Origin": "eventgrid.azure.net"},
    ) as response:
        assert response.status == 200
        assert response.headers["WebHook-Allowed-Origin"] == "eventgrid.azure.net"


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"key": "wrong"}, 401),
        ({"key": ""}, 401),
        ({"function": "nobody"}, 404),
        ({"function": "work"}, 404),
        ({"kind": "Unsubscribe"}, 202),
        ({"kind": None}, 400),
        ({"body": "text"}, 400),
    ],
)
async def test_a_delivery_is_refused_for_what_is_wrong_with_it(
    host: HostProcess, web_client: aiohttp.ClientSession, change: dict[str, Any], status: int
) -> None:
    delivery = {"body": [an_event()], **change}

    assert (await deliver(web_client, host, **delivery))[0] == status


async def test_no_key_reaches_the_log(host: HostProcess, web_client: aiohttp.ClientSession) -> None:
    await deliver(web_client, host, [an_event(fail=True)])
    await deliver(web_client, host, "text")

    assert host.keys["system"]["eventgrid_extension"] not in host.log.read_text()


async def test_an_event_runs_twice_when_the_fault_is_asked_for(
    hosts: HostFactory, web_client: aiohttp.ClientSession, collector: Collector
) -> None:
    faults = json.dumps({"duplicateEvents": ["on_event"]})
    doubling = await hosts.start(
        "doubling",
        {"ODU_HOST_FAULTS": faults, "WORK_QUEUE": "doubling", "COPY_QUEUE": "doubling-copies"},
    )
    event = an_event()

    status, _ = await deliver(web_client, doubling, [event])

    assert status == 202
    assert len(collector.of("on_event", id=event["id"])) == 2
    assert await doubling.stop() == 0
