"""Work queues."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.messages import Message
    from shared.topology import Queue


class Queues(Protocol):
    """The work queues."""

    async def put(self, message: Message, *, delay_seconds: float = 0) -> None:
        """Add a message to its queue, visible after the delay."""
        ...


@dataclass(frozen=True, slots=True)
class DeadMessage:
    """A message that failed for good. `content` is as it is stored, `text` its body."""

    queue: str
    identity: str
    receipt: str
    content: str
    text: str
    inserted_at: str


class PoisonQueues(Protocol):
    """Where the host puts messages that failed as often as it delivers them."""

    async def peek(self, queue: str) -> Sequence[DeadMessage]:
        """The first messages, left where they are."""
        ...

    async def count(self, queue: str) -> int:
        """About how many there are."""
        ...

    async def oldest(self, queue: str) -> str | None:
        """When the first message of any queue was put there; None if it is empty."""
        ...

    async def take(self, queue: str) -> DeadMessage | None:
        """One message, hidden from others for a minute."""
        ...

    async def put_back(self, queue: Queue, message: DeadMessage) -> None:
        """Put a message into a work queue again."""
        ...

    async def release(self, message: DeadMessage) -> None:
        """Let others see a taken message again."""
        ...

    async def delete(self, message: DeadMessage) -> None:
        """Delete a taken message."""
        ...
