"""Log collections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.domain.fleet.log_collection import LogCollection
    from shared.ports.common import Page, Stored


class LogCollections(Protocol):
    """Log collections of an instance."""

    async def add(self, instance: str, collection: LogCollection) -> bool:
        """Store a new one; False if there is one of that id."""
        ...

    async def get(self, instance: str, collection_id: str) -> Stored[LogCollection] | None: ...

    async def save(self, instance: str, collection: LogCollection, etag: str) -> None:
        """Replace, guarded. Raises ConcurrentUpdate."""
        ...

    async def list(self, instance: str, token: str | None, *, size: int) -> Page[LogCollection]:
        """By id."""
        ...

    async def created(self, instance: str) -> Sequence[tuple[str, str]]:
        """When each was begun, ISO 8601, and its id."""
        ...

    async def waiting(self, instance: str) -> Sequence[LogCollection]:
        """Those with devices that have not been asked yet."""
        ...
