"""Event Grid topics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class Events(Protocol):
    """The service's own Event Grid topic."""

    async def publish(
        self, event_type: str, subject: str, payloads: Sequence[Mapping[str, Any]]
    ) -> None:
        """Publish one event for each payload."""
        ...
