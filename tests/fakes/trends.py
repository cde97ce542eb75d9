"""Compliance and progress over time, in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.domain.fleet.trend import ComplianceDay, Mark, ProgressPoint

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from shared.domain.fleet.compliance import Compliance


class MemoryTrends:
    """Implements `ports.Trends`."""

    def __init__(self) -> None:
        self.figures: dict[tuple[str, str | None, str], Compliance] = {}
        self.noted: dict[tuple[str, Mark], None] = {}
        self.moved: dict[tuple[str, str, str], ProgressPoint] = {}

    async def save_day(
        self, instance: str, day: str, figures: Mapping[str | None, Compliance]
    ) -> None:
        for group, found in figures.items():
            self.figures[instance, group, day] = found

    async def days(
        self, instance: str, group: str | None, first: str, last: str
    ) -> Sequence[ComplianceDay]:
        return [
            ComplianceDay(day, found)
            for (of, name, day), found in sorted(self.figures.items(), key=lambda item: item[0][2])
            if (of, name) == (instance, group) and first <= day <= last
        ]

    async def save_marks(self, instance: str, marks: Sequence[Mark]) -> None:
        self.noted.update({(instance, mark): None for mark in marks})

    async def marks(self, instance: str, first: str, last: str) -> Sequence[Mark]:
        return [mark for of, mark in self.noted if of == instance and first <= mark.at[:10] <= last]

    async def save_point(self, instance: str, workflow_id: str, point: ProgressPoint) -> None:
        self.moved[instance, workflow_id, point.at[:16]] = point

    async def points(
        self, instance: str, workflow_id: str, first: str, last: str, *, is_hourly: bool
    ) -> Sequence[ProgressPoint]:
        found = {}
        for (of, workflow, _), point in sorted(self.moved.items()):
            if (of, workflow) == (instance, workflow_id) and first[:16] <= point.at[:16] <= last:
                found[point.at[: 13 if is_hourly else 16]] = point
        return list(found.values())

    async def drop_points(self, instance: str, before: str, *, size: int) -> int:
        old = [key for key in self.moved if key[0] == instance and key[2] < before][:size]
        for each in old:
            del self.moved[each]
        return len(old)

    async def drop_days(self, instance: str, before: str, *, size: int) -> int:
        old = [key for key in self.figures if key[0] == instance and key[2] < before][:size]
        for each in old:
            del self.figures[each]
        return len(old)
