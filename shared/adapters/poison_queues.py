"""The poison queues that the Functions host makes in the state account."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from shared.adapters.storage import StorageAccounts
from shared.adapters.table import translated
from shared.domain.instant import instant
from shared.ports import DeadMessage
from shared.topology import Queue

if TYPE_CHECKING:
    from azure.storage.queue import QueueMessage

_MOST_PEEKED = 32
_HIDDEN_SECONDS = 60


class AzurePoisonQueues:
    """Implements `ports.PoisonQueues`. The host creates a poison queue with its first message."""

    def __init__(self, accounts: StorageAccounts) -> None:
        self._accounts = accounts

    async def peek(self, queue: str) -> list[DeadMessage]:
        """See the port."""
        from azure.core.exceptions import ResourceNotFoundError

        client = self._accounts.queues.get_queue_client(queue)
        async with translated():
            try:
                found = await client.peek_messages(max_messages=_MOST_PEEKED)
            except ResourceNotFoundError:
                return []
        return [_dead(queue, message) for message in found]

    async def count(self, queue: str) -> int:
        """See the port."""
        from azure.core.exceptions import ResourceNotFoundError

        async with translated():
            try:
                client = self._accounts.queues.get_queue_client(queue)
                return int((await client.get_queue_properties()).approximate_message_count or 0)
            except ResourceNotFoundError:
                return 0

    async def oldest(self, queue: str) -> str | None:
        """See the port."""
        async with translated():
            client = self._accounts.queues.get_queue_client(queue)
            found = await client.peek_messages(max_messages=1)
        return _dead(queue, found[0]).inserted_at if found else None

    async def take(self, queue: str) -> DeadMessage | None:
        """See the port."""
        async with translated():
            client = self._accounts.queues.get_queue_client(queue)
            message = await client.receive_message(visibility_timeout=_HIDDEN_SECONDS)
        return _dead(queue, message) if message is not None else None

    async def put_back(self, queue: Queue, message: DeadMessage) -> None:
        """See the port."""
        async with translated():
            await self._accounts.queues.get_queue_client(queue).send_message(
                message.content, time_to_live=-1
            )

    async def release(self, message: DeadMessage) -> None:
        """See the port."""
        async with translated():
            client = self._accounts.queues.get_queue_client(message.queue)
            await client.update_message(
                message.identity, message.receipt, visibility_timeout=0, content=message.content
            )

    async def delete(self, message: DeadMessage) -> None:
        """See the port."""
        async with translated():
            client = self._accounts.queues.get_queue_client(message.queue)
            await client.delete_message(message.identity, message.receipt)


def _dead(queue: str, message: QueueMessage) -> DeadMessage:
    content = str(message.content)
    inserted = message.inserted_on
    return DeadMessage(
        queue=queue,
        identity=str(message.id),
        receipt=message.pop_receipt or "",
        content=content,
        text=_decoded(content),
        inserted_at=instant(inserted.isoformat()) if inserted else "",
    )


def _decoded(content: str) -> str:
    """The body; a message that is not base64 is shown as it came."""
    try:
        return base64.b64decode(content, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return content
