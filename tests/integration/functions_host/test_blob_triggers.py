from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from azure.storage.blob.aio import BlobServiceClient, ContainerClient
from azure.storage.queue.aio import QueueServiceClient

from tests.integration.functions_host.support import Collector, HostProcess


@pytest.fixture(scope="session")
async def drops(blobs: BlobServiceClient) -> AsyncIterator[ContainerClient]:
    async with await blobs.create_container("drops") as container:
        yield container


async def put(drops: ContainerClient, name: str, content: str) -> dict[str, Any]:
    """Store a blob and return the event that Azure would raise."""
    stored = await drops.get_blob_client(name).upload_blob(content, overwrite=True)
    return {
        "id": uuid.uuid4().hex,
        "subject": f"/blobServices/default/containers/drops/blobs/{name}",
        "eventType": "Microsoft.Storage.BlobCreated",
        "data": {"eTag": stored["etag"].strip('"'), "api": "PutBlob"},
    }


async def deliver(
    client: aiohttp.ClientSession,
    host: HostProcess,
    *events: dict[str, Any],
    function: str = "Host.Functions.dropped",
    kind: str = "Notification",
) -> int:
    async with client.post(
        f"{host.base}/runtime/webhooks/blobs",
        params={"functionName": function, "code": host.keys["system"]["blobs_extension"]},
        json=list(events),
        headers={"aeg-event-type": kind},
    ) as response:
        return response.status


def a_name() -> str:
    return f"contoso/{uuid.uuid4().hex}.json"


async def test_a_created_blob_is_run_with_its_content(
    host: HostProcess,
    web_client: aiohttp.ClientSession,
    drops: ContainerClient,
    collector: Collector,
) -> None:
    name = a_name()

    status = await deliver(web_client, host, await put(drops, name, "content"))
    (fact,) = await collector.wait_for(1, "dropped", name=f"drops/{name}")

    assert status == 202
    assert (fact["content"], fact["length"]) == ("content", 7)
    assert fact["uri"].endswith(f"/drops/{name}")


async def test_a_blob_is_run_once_for_an_etag_and_again_for_the_next(
    host: HostProcess,
    web_client: aiohttp.ClientSession,
    drops: ContainerClient,
    collector: Collector,
) -> None:
    name = a_name()
    first = await put(drops, name, "first")
    await deliver(web_client, host, first)
    await collector.wait_for(1, "dropped", name=f"drops/{name}")

    await deliver(web_client, host, first, {**first, "id": "again"})
    await deliver(web_client, host, await put(drops, name, "second"))
    await collector.wait_for(1, "dropped", name=f"drops/{name}", content="second")

    facts = collector.of("dropped", name=f"drops/{name}")
    assert [fact["content"] for fact in facts] == ["first", "second"]


async def test_a_blob_that_has_changed_or_gone_is_left_to_its_own_event(
    host: HostProcess,
    web_client: aiohttp.ClientSession,
    drops: ContainerClient,
    collector: Collector,
) -> None:
    changed, gone, marker = a_name(), a_name(), a_name()
    stale = await put(drops, changed, "old")
    await put(drops, changed, "new")
    deleted = await put(drops, gone, "gone")
    await drops.delete_blob(gone)

    assert await deliver(web_client, host, stale, deleted) == 202
    await deliver(web_client, host, await put(drops, marker, "marker"))
    await collector.wait_for(1, "dropped", name=f"drops/{marker}")

    assert collector.of("dropped", name=f"drops/{changed}") == []
    assert collector.of("dropped", name=f"drops/{gone}") == []


async def test_events_outside_of_the_pattern_are_accepted_and_dropped(
    host: HostProcess,
    web_client: aiohttp.ClientSession,
    drops: ContainerClient,
    collector: Collector,
) -> None:
    other, marker = f"contoso/{uuid.uuid4().hex}.txt", a_name()
    deleted = {**await put(drops, a_name(), "x"), "eventType": "Microsoft.Storage.BlobDeleted"}

    assert await deliver(web_client, host, await put(drops, other, "x"), deleted) == 202
    await deliver(web_client, host, await put(drops, marker, "marker"))
    await collector.wait_for(1, "dropped", name=f"drops/{marker}")

    assert collector.of("dropped", name=f"drops/{other}") == []


async def test_a_failing_blob_is_tried_to_its_limit_and_then_poisoned(
    host: HostProcess,
    web_client: aiohttp.ClientSession,
    drops: ContainerClient,
    collector: Collector,
    queues: QueueServiceClient,
) -> None:
    name = a_name()
    async with await queues.create_queue("webjobs-blobtrigger-poison") as poison:
        event = await put(drops, name, "fail")
        await deliver(web_client, host, event)

        messages: list[Any] = []
        async with asyncio.timeout(20):
            while not messages:
                messages = [message async for message in poison.receive_messages()]

    work = json.loads(base64.b64decode(messages[0].content))
    assert work == {
        "Type": "BlobTrigger",
        "FunctionId": "Host.Functions.dropped",
        "BlobType": "BlockBlob",
        "ContainerName": "drops",
        "BlobName": name,
        "ETag": f'"{event["data"]["eTag"]}"',
    }
    assert len(collector.of("dropped", name=f"drops/{name}")) == 2


async def test_the_webhook_answers_a_handshake_and_refuses_what_it_does_not_know(
    host: HostProcess, web_client: aiohttp.ClientSession
) -> None:
    handshake = {"id": "1", "data": {"validationCode": "c"}}
    event = {"id": "1", "eventType": "Microsoft.Storage.BlobCreated", "subject": "elsewhere"}

    assert await deliver(web_client, host, handshake, kind="SubscriptionValidation") == 200
    assert await deliver(web_client, host, function="Host.Functions.nobody") == 404
    assert await deliver(web_client, host, event) == 400
