"""The work queues of the state account."""

from __future__ import annotations

import base64

from shared.adapters.storage import StorageAccounts
from shared.adapters.table import translated
from shared.messages import Message, encode


class AzureQueues:
    """Implements `ports.Queues`; bodies are base64, as the Functions host expects by default."""

    def __init__(self, accounts: StorageAccounts) -> None:
        self._accounts = accounts

    async def put(self, message: Message, *, delay_seconds: float = 0) -> None:
        """See the port."""
        body = base64.b64encode(encode(message)).decode()
        async with translated():
            await self._accounts.queues.get_queue_client(message.queue).send_message(
                body, visibility_timeout=round(delay_seconds) or None, time_to_live=-1
            )
