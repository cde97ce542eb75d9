"""How far behind the hub the service is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from shared.domain.event_lag import EventLag


class EventLags(Protocol):
    """The last measurement of each instance."""

    async def save(self, instance: str, lag: EventLag) -> None: ...

    async def get(self, instance: str) -> EventLag | None: ...
