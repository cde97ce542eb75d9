"""Dead letters in the storage: reading them, removing them."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.dead_letter import DeadEvent, dead_events
from shared.ports import Blobs

_MOST_BYTES = 4 << 20


@dataclass(slots=True)
class DeadLetters:
    """Reads and removes dead letters."""

    blobs: Blobs

    async def read(self, name: str) -> list[DeadEvent]:
        """The events in a blob of dead letters; none if it is gone.

        Raises:
            InvalidInput: It holds something else.
        """
        content = await self.blobs.read("deadletter", name, max_bytes=_MOST_BYTES)
        if content is None:
            return []
        return dead_events(content, name)

    async def remove(self, name: str) -> None:
        """The events of a blob are dealt with."""
        known = await self.blobs.metadata("deadletter", name)
        if known is not None:
            await self.blobs.delete("deadletter", name, known["etag"])
