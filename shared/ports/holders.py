"""Which families of updates hold which set of device properties."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shared.domain.updates.update_id import Family
    from shared.ports.common import Stored


class Holders(Protocol):
    """The families of an instance that hold a set of device properties."""

    async def of(
        self, instance: str, properties: Mapping[str, str]
    ) -> Stored[tuple[Family, ...]] | None: ...

    async def save(
        self,
        instance: str,
        properties: Mapping[str, str],
        holders: tuple[Family, ...],
        etag: str | None,
    ) -> None:
        """Have others hold it, guarded; no ETag where nobody did. Raises ConcurrentUpdate."""
        ...
