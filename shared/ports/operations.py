"""Long-running operations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from shared.domain.operation import Operation
    from shared.ports.common import Page, Stored


class Operations(Protocol):
    """Long-running operations of an instance."""

    async def add(self, instance: str, operation: Operation) -> bool:
        """Store a new one; False if it exists already."""
        ...

    async def get(self, instance: str, operation_id: str) -> Stored[Operation] | None: ...

    async def save(self, instance: str, operation: Operation, etag: str) -> str:
        """Replace, guarded; the new ETag. Raises ConcurrentUpdate."""
        ...

    async def list(
        self,
        instance: str,
        token: str | None,
        *,
        size: int = 100,
        kind: str | None = None,
        is_running: bool = False,
        is_unsettled: bool = False,
        newer_than: str | None = None,
    ) -> Page[Stored[Operation]]:
        """Newest first; of one kind, only those that have not ended, only those that have
        something left to do (events to be told, too), or only those with an id that is newer than
        another, if asked.
        """
        ...

    async def count_running(self, instance: str, *, newer_than: str, up_to: int) -> int:
        """How many with an id that is newer than another have not ended, counted no further than
        `up_to`.
        """
        ...

    async def drop_ended(self, instance: str, *, older_than: str, size: int) -> int:
        """Drop at most so many that have ended, with ids older than another; how many it were."""
        ...
