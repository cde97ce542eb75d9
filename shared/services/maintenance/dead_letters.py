"""Dead letters in the storage: reading them, removing them, having blobs announced again."""

from __future__ import annotations

from dataclasses import dataclass

from shared.domain.dead_letter import DeadEvent, dead_events
from shared.domain.errors import NotFound
from shared.ports import Blobs
from shared.topology import Container

_MOST_BYTES = 4 << 20


@dataclass(slots=True)
class DeadLetters:
    """Reads dead letters; has those of blobs raised again by the storage."""

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

    async def raise_again(self, container: str, name: str) -> bool:
        """Write one of the small blobs whose creation triggers something anew; False if it is gone.

        Raises:
            NotFound: It is none of those.
        """
        if container not in ("imports", "quarantine"):
            raise NotFound(f"Nothing is triggered by blobs in '{container}'.", target=container)
        place: Container = "imports" if container == "imports" else "quarantine"
        content = await self.blobs.read(place, name)
        if content is not None:
            await self.blobs.write(place, name, content)
        return content is not None
