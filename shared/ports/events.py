"""Event Grid topics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.domain.domain_event import DomainEvent


class Events(Protocol):
    """The service's own Event Grid topic."""

    async def publish(
        self, event_type: str, subject: str, payloads: Sequence[Mapping[str, Any]]
    ) -> None:
        """Publish one event for each payload."""
        ...


class CustomerTopic(Protocol):
    """The Event Grid topic that customers' systems subscribe to."""

    async def publish(self, instance: str, events: Sequence[DomainEvent]) -> None:
        """Publish events of an instance at once.

        Raises:
            DependencyFailed: Event Grid refuses them, takes no more for now, or is out of reach.
        """
        ...
