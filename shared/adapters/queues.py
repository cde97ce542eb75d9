"""The work queues of the state account."""

from __future__ import annotations

import base64

import msgspec

from shared.adapters.storage import StorageAccounts
from shared.adapters.table import translated
from shared.messages import Message, encode
from shared.ports.telemetry import NO_TELEMETRY, Telemetry


class AzureQueues:
    """Implements `ports.Queues`; bodies are base64, as the Functions host expects by default.

    A message that is put into a queue carries on the trace that goes on, unless it says another.
    """

    def __init__(self, accounts: StorageAccounts, telemetry: Telemetry = NO_TELEMETRY) -> None:
        self._accounts = accounts
        self._telemetry = telemetry

    async def put(self, message: Message, *, delay_seconds: float = 0) -> None:
        """See the port."""
        if not message.traceparent and (traceparent := self._telemetry.traceparent):
            message = msgspec.structs.replace(message, traceparent=traceparent)
        body = base64.b64encode(encode(message)).decode()
        async with translated():
            await self._accounts.queues.get_queue_client(message.queue).send_message(
                body, visibility_timeout=round(delay_seconds) or None, time_to_live=-1
            )
