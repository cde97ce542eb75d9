"""The work queues of the state account."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

from shared.adapters.storage import StorageAccounts
from shared.adapters.table import translated
from shared.topology import Queue


class AzureQueues:
    """Implements `ports.Queues`; bodies are base64, as the Functions host expects by default."""

    def __init__(self, accounts: StorageAccounts) -> None:
        self._accounts = accounts

    async def put(
        self, queue: Queue, message: Mapping[str, Any], *, delay_seconds: float = 0
    ) -> None:
        """See the port."""
        body = base64.b64encode(json.dumps(message).encode()).decode()
        async with translated():
            await self._accounts.queues.get_queue_client(queue).send_message(
                body, visibility_timeout=round(delay_seconds) or None, time_to_live=-1
            )
