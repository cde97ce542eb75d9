from __future__ import annotations

import asyncio
import base64
import json
import uuid
from collections.abc import AsyncIterator

import aiohttp
import pytest
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from tests.integration.functions_host.support import Collector, HostFactory, HostProcess


@pytest.fixture(scope="session")
async def work(queues: QueueServiceClient) -> AsyncIterator[QueueClient]:
    async with await queues.create_queue("work") as queue:
        yield queue


@pytest.fixture(scope="session")
async def poison(queues: QueueServiceClient, work: QueueClient) -> AsyncIterator[QueueClient]:
    async with await queues.create_queue("work-poison") as queue:
        yield queue


def job(**facts: object) -> dict[str, object]:
    return {"id": uuid.uuid4().hex, **facts}


async def send(queue: QueueClient, content: dict[str, object]) -> None:
    await queue.send_message(base64.b64encode(json.dumps(content).encode()).decode())


async def next_message(queue: QueueClient) -> str:
    """Wait for a message of a queue that nothing else reads."""
    async with asyncio.timeout(20):
        while True:
            async for message in queue.receive_messages():
                await queue.delete_message(message)
                return str(message.content)
            await asyncio.sleep(0.05)


async def wait_until_empty(queue: QueueClient) -> None:
    async with asyncio.timeout(20):
        # A queue tells nobody that it is empty.
        while (await queue.get_queue_properties()).approximate_message_count:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_a_message_is_run_once_and_deleted(
    host: HostProcess, collector: Collector, work: QueueClient
) -> None:
    sent = job()
    await send(work, sent)

    (fact,) = await collector.wait_for(1, "work", id=sent["id"])
    await wait_until_empty(work)

    assert fact["count"] == 1
    assert len(collector.of("work", id=sent["id"])) == 1


async def test_a_failing_message_is_run_to_its_limit_and_then_poisoned(
    host: HostProcess, collector: Collector, work: QueueClient, poison: QueueClient
) -> None:
    sent = job(fail=True)
    await send(work, sent)

    content = await next_message(poison)

    assert json.loads(base64.b64decode(content)) == sent
    assert [fact["count"] for fact in collector.of("work", id=sent["id"])] == [1, 2, 3]
    await wait_until_empty(work)


async def test_a_body_that_is_not_base64_is_poisoned_without_a_run(
    host: HostProcess, collector: Collector, work: QueueClient, poison: QueueClient
) -> None:
    before = len(collector.of("work"))
    await work.send_message("not base64!")

    assert await next_message(poison) == "not base64!"
    assert len(collector.of("work")) == before


async def test_a_slow_message_does_not_hold_up_the_others(
    host: HostProcess, collector: Collector, work: QueueClient
) -> None:
    slow, quick = job(gate="slow-message"), [job() for _ in range(6)]
    await send(work, slow)
    await collector.wait_for(1, "work", id=slow["id"])
    for sent in quick:
        await send(work, sent)

    for sent in quick:
        await collector.wait_for(1, "work", id=sent["id"])
    assert collector.of("work_after_gate", id=slow["id"]) == []

    collector.open_gate("slow-message")
    await collector.wait_for(1, "work_after_gate", id=slow["id"])
    await wait_until_empty(work)


async def test_no_more_messages_run_together_than_batch_and_threshold_allow(
    host: HostProcess, collector: Collector, work: QueueClient
) -> None:
    sent = [job(gate="full-house") for _ in range(5)]
    ids = {item["id"] for item in sent}

    def started() -> int:
        return sum(fact["id"] in ids for fact in collector.of("work"))

    await send(work, sent[0])
    await collector.wait_until(lambda: started() == 1)
    for item in sent[1:]:
        await send(work, item)
    await collector.wait_until(lambda: started() >= 3)

    assert started() == 3
    assert len(await work.peek_messages(max_messages=32)) == 2

    collector.open_gate("full-house")
    await collector.wait_until(lambda: started() == 5)
    await wait_until_empty(work)


async def test_outputs_reach_their_queue(
    host: HostProcess,
    web_client: aiohttp.ClientSession,
    collector: Collector,
    work: QueueClient,
    queues: QueueServiceClient,
) -> None:
    returned, listed = job(), [job(), job()]
    url, key = f"{host.base}/api/enqueue", {"x-functions-key": host.keys["master"]}
    async with web_client.post(url, json=listed, headers=key) as response:
        assert response.status == 202
    async with await queues.create_queue("copies") as copies:
        await send(copies, returned)

        for item in (returned, *listed):
            await collector.wait_for(1, "work", id=item["id"])
        await wait_until_empty(copies)
    await wait_until_empty(work)


async def test_a_queue_function_can_be_fired_by_hand(
    host: HostProcess, web_client: aiohttp.ClientSession, collector: Collector
) -> None:
    sent = job()
    url, key = f"{host.base}/admin/functions/work", {"x-functions-key": host.keys["master"]}
    async with web_client.post(url, json={"input": json.dumps(sent)}, headers=key) as response:
        assert response.status == 202

    await collector.wait_for(1, "work", id=sent["id"])


async def test_a_message_comes_back_after_the_lease_of_a_killed_host(
    hosts: HostFactory, collector: Collector, queues: QueueServiceClient
) -> None:
    settings = {"WORK_QUEUE": "killed", "COPY_QUEUE": "killed-copies"}
    sent = job(gate="killed")
    async with await queues.create_queue("killed") as queue:
        await send(queue, sent)
        first = await hosts.start("killed", settings, lease_seconds=2)
        await collector.wait_for(1, "work", id=sent["id"])
        first.process.kill()
        await first.wait()

        second = await hosts.start("killed", settings, lease_seconds=2)
        runs = await collector.wait_for(2, "work", id=sent["id"])
        collector.open_gate("killed")
        await wait_until_empty(queue)

    assert [run["count"] for run in runs] == [1, 2]
    assert runs[0]["message"] == runs[1]["message"]
    assert await second.stop() == 0


async def test_a_long_run_keeps_its_message_beyond_the_first_lease(
    hosts: HostFactory, collector: Collector, queues: QueueServiceClient
) -> None:
    settings = {"WORK_QUEUE": "long", "COPY_QUEUE": "long-copies"}
    sent = job(gate="long")
    async with await queues.create_queue("long") as queue:
        await send(queue, sent)
        (message,) = await queue.peek_messages()
        running = await hosts.start("long", settings, lease_seconds=1)
        await collector.wait_for(1, "work", id=sent["id"])
        # Renewed leases are seen from outside only by the passing of more than one of them.
        await asyncio.sleep(1.6)
        collector.open_gate("long")
        await wait_until_empty(queue)

        with pytest.raises(ResourceNotFoundError):
            await queue.delete_message(message.id, "AgAAAAMAAAAAAAAA")
    assert len(collector.of("work", id=sent["id"])) == 1
    assert await running.stop() == 0


async def test_faults_deliver_twice_and_kill_between_function_and_delete(
    hosts: HostFactory, collector: Collector, queues: QueueServiceClient
) -> None:
    settings = {
        "WORK_QUEUE": "faulty",
        "COPY_QUEUE": "faulty-copies",
        "ODU_HOST_FAULTS": json.dumps(
            {
                "duplicateQueueMessages": ["faulty"],
                "exitBeforeDelete": {"queue": "faulty", "message": 3},
            }
        ),
    }
    first, second = job(), job()
    async with await queues.create_queue("faulty") as queue:
        running = await hosts.start("faulty", settings)
        await send(queue, first)
        await collector.wait_for(2, "work", id=first["id"])
        await wait_until_empty(queue)
        await send(queue, second)
        await collector.wait_for(1, "work", id=second["id"])

        assert await running.wait() == 70
        assert (await queue.get_queue_properties()).approximate_message_count == 1
