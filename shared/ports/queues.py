"""Work queues."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from shared.topology import Queue


class Queues(Protocol):
    """The work queues."""

    async def put(
        self, queue: Queue, message: Mapping[str, Any], *, delay_seconds: float = 0
    ) -> None:
        """Add a message, visible after the delay."""
        ...
