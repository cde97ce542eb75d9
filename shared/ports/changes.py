"""What has changed lately, for pages that show live figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from shared.domain.fleet.changes import Change


class ChangeFeed(Protocol):
    """Rows that were written after a time."""

    async def since(self, instance: str, since: str) -> Sequence[Change]:
        """Groups whose figures, deployments, updates and operations have changed."""
        ...
