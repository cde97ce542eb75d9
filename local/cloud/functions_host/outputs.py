"""Writing of queue output bindings, after the function and before its trigger is settled."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Literal

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.queue.aio import QueueClient

from local.cloud.functions_host.index import RETURN, Function, QueueOutput
from local.cloud.functions_host.storage import Storage, ensure_queue
from local.cloud.functions_host.worker import Outcome, queue_messages

Encoding = Literal["base64", "none"]


def encode_message(body: bytes, encoding: Encoding) -> str:
    """Return the text of a message in the encoding of host.json."""
    return base64.b64encode(body).decode() if encoding == "base64" else body.decode()


async def send(queue: QueueClient, text: str) -> None:
    """Send a message, creating the queue at the first one."""
    try:
        await queue.send_message(text)
    except ResourceNotFoundError:
        await ensure_queue(queue)
        await queue.send_message(text)


class QueueOutputs:
    """Sends what functions put into their queue outputs.

    `notify` is told the name of each queue written to, so that a listener of the same host looks at
    once, as in the real host.
    """

    def __init__(self, storage: Storage, encoding: Encoding, notify: Callable[[str], None]) -> None:
        self._storage = storage
        self._encoding = encoding
        self._notify = notify

    async def write(self, function: Function, outcome: Outcome) -> None:
        """Send all messages of one successful run, output by output and each output in order."""
        values: dict[str, Any] = dict(outcome.outputs)
        for output in function.outputs:
            value = outcome.result if output.name == RETURN else values.get(output.name)
            await self._send_all(output, queue_messages(value))

    async def _send_all(self, output: QueueOutput, bodies: list[bytes]) -> None:
        if not bodies:
            return
        queue = self._storage.queue(output.connection, output.queue)
        for body in bodies:
            await send(queue, encode_message(body, self._encoding))
        self._notify(output.queue)
