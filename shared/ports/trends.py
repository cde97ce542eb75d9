"""What is written down of compliance and progress as time goes by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.domain.fleet.compliance import Compliance
    from shared.domain.fleet.trend import ComplianceDay, Mark, ProgressPoint


class Trends(Protocol):
    """Rows by day, and by minute and hour of deployments. No group is the whole instance."""

    async def save_day(
        self, instance: str, day: str, figures: Mapping[str | None, Compliance]
    ) -> None:
        """Write the compliance of a day, over what was written earlier that day."""
        ...

    async def days(
        self, instance: str, group: str | None, first: str, last: str
    ) -> Sequence[ComplianceDay]: ...

    async def save_marks(self, instance: str, marks: Sequence[Mark]) -> None: ...

    async def marks(self, instance: str, first: str, last: str) -> Sequence[Mark]: ...

    async def save_point(self, instance: str, workflow_id: str, point: ProgressPoint) -> None:
        """Write how a deployment stands: as that of its minute, and of its hour."""
        ...

    async def points(
        self, instance: str, workflow_id: str, first: str, last: str, *, is_hourly: bool
    ) -> Sequence[ProgressPoint]: ...

    async def drop_points(self, instance: str, before: str, *, size: int) -> int:
        """Drop at most so many points of deployments from before a day; how many were dropped."""
        ...

    async def drop_days(self, instance: str, before: str, *, size: int) -> int:
        """Drop at most so many days and marks from before a day; how many were dropped."""
        ...
