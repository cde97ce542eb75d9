"""What has changed lately, for pages that show live figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shared.domain.fleet.changes import Change


class ChangeFeed(Protocol):
    """Rows that were written after a time."""

    async def since(self, instance: str, since: str) -> Sequence[Change]:
        """Groups whose figures, deployments, updates and operations have changed."""
        ...
