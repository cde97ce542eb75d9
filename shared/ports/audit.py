"""The audit log of each instance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.contract.audit_chain import Place
    from shared.domain.audit import AuditQuery, Change, Entry, Head
    from shared.ports.common import Page, Stored


class AuditLog(Protocol):
    """Entries that are only ever appended, and the changes that have begun and not ended."""

    async def begin(self, instance: str, change: Change) -> bool:
        """Note a change before it is made; False if its request is noted already."""
        ...

    async def begun(self, instance: str, *, before: str, size: int) -> Sequence[Change]:
        """Changes that began before a time and have no entry yet."""
        ...

    async def discard(self, instance: str, request_id: str) -> None:
        """Forget a change that was not made."""
        ...

    async def head(self, instance: str) -> Stored[Head] | None:
        """The newest place; None while there is no entry."""
        ...

    async def append(
        self, instance: str, entry: Entry, head_etag: str | None, ended: str | None
    ) -> str:
        """Add an entry as the new head, and forget the change `ended` that it tells of.

        Returns the head's new ETag. Raises ConcurrentUpdate where another entry came first, or the
        change is gone.
        """
        ...

    async def close_day(self, instance: str, day: str) -> None:
        """See to it that later entries belong to days after this one."""
        ...

    async def get(self, instance: str, day: str, number: int) -> Entry | None: ...

    async def page(
        self, instance: str, query: AuditQuery, *, token: str | None, size: int
    ) -> Page[Entry]:
        """Entries, the newest first. A page may be short, even empty, and yet not be the last."""
        ...

    async def keyed(
        self, instance: str, first_day: str, last_day: str | None, *, token: str | None
    ) -> Page[tuple[str, int, Entry]]:
        """Entries of some days, or of all from a day on, with the keys they lie under, the newest
        first.
        """
        ...

    async def newest_until(self, instance: str, day: str) -> Place | None:
        """The newest place of a day or of those before it."""
        ...

    async def floor(self, instance: str) -> Place:
        """The place before the oldest entry that is kept."""
        ...

    async def raise_floor(self, instance: str, place: Place) -> None:
        """Say that entries up to a place are no longer kept."""
        ...

    async def drop_before(self, instance: str, day: str, *, size: int) -> int:
        """Drop at most so many entries of the days before a day; how many were dropped."""
        ...
