"""Hears what the app itself sends to queues by the SDK.

The app runs in the host's process, so its listeners need not find such a message by polling: local
stacks poll as seldom as the cloud does, and still nobody waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from azure.storage.queue.aio import QueueClient


@contextmanager
def own_sends_heard(notify: Callable[[str], None]) -> Iterator[None]:
    """Call `notify` with the name of a queue when a message of this process can be taken from it.

    It is called in the loop that runs when this begins.
    """
    loop = asyncio.get_running_loop()
    send = QueueClient.send_message

    async def heard(self: QueueClient, *content: Any, **options: Any) -> Any:
        sent = await send(self, *content, **options)
        hidden_seconds = options.get("visibility_timeout") or 0
        if not loop.is_closed():
            loop.call_soon_threadsafe(loop.call_later, hidden_seconds, notify, self.queue_name)
        return sent

    QueueClient.send_message = heard  # type: ignore[method-assign]
    try:
        yield
    finally:
        QueueClient.send_message = send  # type: ignore[method-assign]
