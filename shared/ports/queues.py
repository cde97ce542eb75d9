"""Work queues."""

from __future__ import annotations

from typing import Protocol

from shared.messages import Message


class Queues(Protocol):
    """The work queues."""

    async def put(self, message: Message, *, delay_seconds: float = 0) -> None:
        """Add a message to its queue, visible after the delay."""
        ...
