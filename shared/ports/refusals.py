"""Where refused events are counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.domain.refused_events import Refusal, RefusedEvents


class RefusalCounts(Protocol):
    """Counts of refused events, of all instances: a foreign event belongs to none."""

    async def add(self, counts: Mapping[Refusal, int], at: str) -> None:
        """Add to the counts.

        Raises:
            ConcurrentUpdate: Another process added meanwhile; nothing is added.
        """
        ...

    async def list(self) -> Sequence[RefusedEvents]: ...
