"""Published updates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.domain.updates.update import Update
    from shared.domain.updates.update_id import UpdateId
    from shared.ports.common import Page, Stored


class Updates(Protocol):
    """Published updates of an instance."""

    async def add(self, instance: str, update: Update) -> bool:
        """Publish; False if there is one of that id already."""
        ...

    async def get(self, instance: str, update_id: UpdateId) -> Stored[Update] | None: ...

    async def list(
        self,
        instance: str,
        *,
        provider: str | None = None,
        name: str | None = None,
        is_deployable: bool | None = None,
        token: str | None = None,
        size: int = 100,
    ) -> Page[Stored[Update]]:
        """All, or those of a provider or of a provider's name, in the order of provider and
        name.
        """
        ...

    async def imported(
        self, instance: str, *, provider: str | None = None
    ) -> Sequence[tuple[str, UpdateId]]:
        """When each was imported, ISO 8601: of all, or of those of a provider, in no order."""
        ...

    async def save(self, instance: str, update: Update, etag: str) -> str:
        """Replace, guarded; the new ETag. Raises ConcurrentUpdate."""
        ...

    async def names(
        self, instance: str, provider: str | None = None, *, after: str | None, size: int
    ) -> Sequence[str]:
        """At most `size` providers, or names of a provider, that follow one in storage's order."""
        ...

    async def versions(
        self,
        instance: str,
        provider: str,
        name: str,
        *,
        is_deployable: bool | None = None,
        token: str | None = None,
        size: int = 100,
    ) -> Page[str]:
        """Versions in their order."""
        ...

    async def delete(self, instance: str, update_id: UpdateId) -> None: ...
