"""Queue triggers: taking messages under a lease, running them, settling them.

The rules are those of the real host. A batch is taken when the number of messages in flight is at
or below the threshold, so a slow message holds up no other. A message is hidden for the length of
the lease, which is renewed while its function runs; it is deleted after success and the outputs,
shown again after a failure, and copied to the poison queue after the last allowed failure.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.queue import QueueMessage
from azure.storage.queue.aio import QueueClient

from local.cloud.functions_host.execution import Executor, TriggerData
from local.cloud.functions_host.faults import Faults
from local.cloud.functions_host.host_json import QueueOptions
from local.cloud.functions_host.index import Function
from local.cloud.functions_host.outputs import send
from local.cloud.functions_host.storage import is_transient
from local.cloud.functions_host.tasks import Backoff, TaskSet
from local.cloud.functions_host.worker import json_datum, text_datum

_logger = logging.getLogger("host.queues")

_SHORTEST_POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message and its decoded body."""

    message: QueueMessage
    body: bytes


Handler = Callable[[Delivery], Awaitable[bool]]
"""Runs a message; says whether it is done with."""


@dataclass(frozen=True, slots=True)
class ListenerContext:
    """What all queue listeners of a host share; a taken message is hidden for `lease_seconds`."""

    work: TaskSet
    faults: Faults
    lease_seconds: int


class QueueListener:
    """Takes the messages of one queue and settles them by what the handler says."""

    def __init__(
        self,
        queue: QueueClient,
        poison: QueueClient,
        options: QueueOptions,
        context: ListenerContext,
        handler: Handler,
    ) -> None:
        self._queue = queue
        self._poison = poison
        self._options = options
        self._context = context
        self._handler = handler
        self._in_flight = 0
        self._freed = asyncio.Event()
        self._news = asyncio.Event()

    @property
    def queue_name(self) -> str:
        """The name of the queue listened to."""
        return self._queue.queue_name

    def notify(self) -> None:
        """Look for messages now: something was just sent to this queue."""
        self._news.set()

    async def listen(self) -> None:
        """Take messages for ever; errors of the storage that cannot go away end it."""
        backoff = Backoff(_SHORTEST_POLL_SECONDS, self._options.max_polling_interval)
        while True:
            while self._in_flight > self._options.new_batch_threshold:
                self._freed.clear()
                await self._freed.wait()
            self._news.clear()
            messages = await self._receive()
            for message in messages:
                self._start(message)
            if messages or await self._has_news(backoff.pause()):
                backoff.reset()

    async def _receive(self) -> list[QueueMessage]:
        pages = self._queue.receive_messages(
            messages_per_page=self._options.batch_size,
            visibility_timeout=self._context.lease_seconds,
        ).by_page()
        try:
            async for page in pages:
                return [message async for message in page]
        except ResourceNotFoundError:
            # A trigger does not create its queue: until it exists it is an empty one.
            return []
        except AzureError as error:
            if not is_transient(error):
                raise
            _logger.warning("queue %s: %s", self._queue.queue_name, _summary(error))
        return []

    async def _has_news(self, seconds: float) -> bool:
        """Wait for so long, or until there is something to look for."""
        try:
            async with asyncio.timeout(seconds):
                return await self._news.wait()
        except TimeoutError:
            return False

    def _start(self, message: QueueMessage) -> None:
        self._in_flight += 1
        task = self._context.work.spawn(
            self._process(message), f"message of queue {self._queue.queue_name}"
        )
        task.add_done_callback(self._release)

    def _release(self, _: asyncio.Task[None]) -> None:
        self._in_flight -= 1
        self._freed.set()

    async def _process(self, message: QueueMessage) -> None:
        lease = _Lease(self._queue, message, self._context.lease_seconds)
        try:
            body = _decode(message.content, self._options.encoding)
            if body is None:
                _logger.error(
                    "queue %s: message %s is not base64 and goes to %s",
                    self._queue.queue_name,
                    message.id,
                    self._poison.queue_name,
                )
                await self._bury(lease)
            elif (message.dequeue_count or 1) > self._options.max_dequeue_count:
                # The count includes runs that ended with the process.
                await self._bury(lease)
            else:
                await self._run(Delivery(message, body), lease)
        except AzureError as error:
            # The message stays hidden until its lease ends and is then delivered again.
            _logger.warning(
                "queue %s: message %s could not be settled: %s",
                self._queue.queue_name,
                message.id,
                _summary(error),
            )

    async def _run(self, delivery: Delivery, lease: _Lease) -> None:
        message = delivery.message
        renewal = asyncio.create_task(lease.keep())
        try:
            done = await self._handler(delivery)
        finally:
            await lease.end(renewal)
        if done:
            self._context.faults.before_delete(self.queue_name)
            if self._context.faults.keep_for_duplicate(self.queue_name, str(message.id)):
                await lease.release(0)
            else:
                await lease.delete()
        elif (message.dequeue_count or 1) >= self._options.max_dequeue_count:
            await self._bury(lease)
        else:
            seconds = math.ceil(self._options.visibility_timeout)
            await lease.release(seconds)
            asyncio.get_running_loop().call_later(seconds, self.notify)

    async def _bury(self, lease: _Lease) -> None:
        await send(self._poison, lease.message.content)
        await lease.delete()


class _Lease:
    """The time in which a taken message is ours, kept by renewing it."""

    def __init__(self, queue: QueueClient, message: QueueMessage, seconds: int) -> None:
        self.message = message
        self._queue = queue
        self._seconds = seconds
        self._receipt = message.pop_receipt
        self._renewing = asyncio.Lock()

    async def keep(self) -> None:
        """Renew the lease each time half of it is over, until cancelled or lost."""
        while True:
            await asyncio.sleep(self._seconds / 2)
            async with self._renewing:
                try:
                    await self._update(self._seconds)
                except AzureError as error:
                    _logger.warning(
                        "queue %s: the lease of message %s was not renewed: %s",
                        self._queue.queue_name,
                        self.message.id,
                        _summary(error),
                    )
                    if not is_transient(error):
                        return

    async def end(self, renewal: asyncio.Task[None]) -> None:
        """Stop renewing, never in the middle of a renewal, whose receipt would be lost."""
        async with self._renewing:
            renewal.cancel()
        await asyncio.wait({renewal})

    async def delete(self) -> None:
        """Delete the message."""
        await self._queue.delete_message(self.message.id, self._receipt)

    async def release(self, seconds: int) -> None:
        """Show the message again after so many seconds."""
        await self._update(seconds)

    async def _update(self, seconds: int) -> None:
        updated = await self._queue.update_message(
            self.message.id, self._receipt, self.message.content, visibility_timeout=seconds
        )
        self._receipt = updated.pop_receipt


def _decode(content: str, encoding: str) -> bytes | None:
    if encoding == "none":
        return content.encode()
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError):
        return None


def _summary(error: AzureError) -> str:
    code = getattr(error, "error_code", None)
    return str(code) if code else f"{type(error).__name__}: {error.message.splitlines()[0]}"


def trigger_data(delivery: Delivery) -> TriggerData:
    """Return what a queue-triggered function gets for a message."""
    message = delivery.message
    text = delivery.body.decode("utf-8", "replace")
    metadata = {
        "QueueTrigger": text_datum(text),
        "Id": text_datum(str(message.id)),
        "DequeueCount": json_datum(message.dequeue_count or 1),
        "PopReceipt": text_datum(str(message.pop_receipt)),
    }
    for name, moment in (
        ("InsertionTime", message.inserted_on),
        ("ExpirationTime", message.expires_on),
        ("NextVisibleTime", message.next_visible_on),
    ):
        if moment is not None:
            metadata[name] = json_datum(moment.isoformat())
    return TriggerData(text_datum(text), metadata)


def run_function(executor: Executor, function: Function) -> Handler:
    """Return the handler that runs a function for each message of its queue."""

    async def handle(delivery: Delivery) -> bool:
        return (await executor.run(function, trigger_data(delivery))).ok

    return handle
