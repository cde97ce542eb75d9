"""What an app sends to its own queues is taken at once, however seldom they are polled."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from local.cloud.functions_host import queues as module
from local.cloud.functions_host.faults import Faults
from local.cloud.functions_host.host_json import QueueOptions
from local.cloud.functions_host.listeners import QueueNews
from local.cloud.functions_host.own_sends import own_sends_heard
from local.cloud.functions_host.queues import Delivery, ListenerContext, QueueListener
from local.cloud.functions_host.tasks import TaskSet

HOURS = 3600.0


class Taken:
    """The messages of a queue that is polled once in hours."""

    def __init__(self, *answers: bool) -> None:
        self._answers = list(answers)
        self.bodies: asyncio.Queue[bytes] = asyncio.Queue()

    async def __call__(self, delivery: Delivery) -> bool:
        self.bodies.put_nowait(delivery.body)
        return self._answers.pop(0) if self._answers else True

    async def next(self) -> bytes:
        async with asyncio.timeout(300):
            return await self.bodies.get()


@pytest.fixture
async def queue(queues: QueueServiceClient) -> AsyncIterator[QueueClient]:
    async with await queues.create_queue(f"own-{uuid.uuid4().hex}") as created:
        yield created


@asynccontextmanager
async def _listening(
    queues: QueueServiceClient, queue: QueueClient, taken: Taken
) -> AsyncIterator[None]:
    work = TaskSet(lambda name, error: None)
    options = QueueOptions(max_polling_interval=HOURS, visibility_timeout=1, encoding="none")
    listener = QueueListener(
        queue=queue,
        poison=queues.get_queue_client(f"{queue.queue_name}-poison"),
        options=options,
        context=ListenerContext(work, Faults(), lease_seconds=30),
        handler=taken,
    )
    news = QueueNews()
    news.add(listener)
    await queue.send_message("first")  # with it the queue has been looked at
    running = asyncio.create_task(listener.listen())
    try:
        with own_sends_heard(news.notify):
            yield
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await work.drain(30)


async def test_what_the_app_sends_is_taken_at_once(
    queues: QueueServiceClient, queue: QueueClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SHORTEST_POLL_SECONDS", HOURS)
    taken = Taken()
    async with _listening(queues, queue, taken):
        assert await taken.next() == b"first"
        await asyncio.sleep(0)

        await queue.send_message("second")
        assert await taken.next() == b"second"

        await queue.send_message("third", visibility_timeout=1)
        assert await taken.next() == b"third"


async def test_message_that_failed_is_taken_again_when_its_time_has_come(
    queues: QueueServiceClient, queue: QueueClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SHORTEST_POLL_SECONDS", HOURS)
    taken = Taken(False)
    async with _listening(queues, queue, taken):
        assert await taken.next() == b"first"
        assert await taken.next() == b"first"
