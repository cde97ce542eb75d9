"""Compliance and progress over time, in Table Storage.

| partition | row | holds |
|---|---|---|
| instance | `d.<group>.<day>` | compliance of a group on a day; of the instance without a group |
| instance | `m.<time>.<update>` | a mark |
| instance, workflow | `m.<minute>`, `h.<hour>` | how a deployment stood |
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import batched, groupby

from shared.adapters.table import (
    AFTER_SEPARATOR,
    MAX_TRANSACTION,
    SEPARATOR,
    Table,
    key,
    key_part,
    pack,
    put,
    unpack,
)
from shared.adapters.table_drops import drop_rows
from shared.domain.fleet.compliance import Compliance
from shared.domain.fleet.trend import ComplianceDay, Mark, ProgressPoint

_DAY, _MARK, _MINUTE, _HOUR = "d", "m", "m", "h"
_TO_MINUTE, _TO_HOUR, _TO_DAY = 16, 13, 10
"""Characters of a time up to its minute, hour and day."""


@dataclass(slots=True)
class TableTrends:
    """Implements `ports.Trends`."""

    table: Table

    async def save_day(
        self, instance: str, day: str, figures: Mapping[str | None, Compliance]
    ) -> None:
        """See the port."""
        partition = key(instance)
        for some in batched(figures.items(), MAX_TRANSACTION, strict=False):
            await self.table.transact(
                [
                    put(partition, _day_row(group, day), {"day": day, **pack(found)})
                    for group, found in some
                ]
            )

    async def days(
        self, instance: str, group: str | None, first: str, last: str
    ) -> Sequence[ComplianceDay]:
        """See the port."""
        prefix = _day_row(group, "")
        rows = await self._between(key(instance), prefix + first, prefix + last + AFTER_SEPARATOR)
        return [
            ComplianceDay(row["RowKey"].removeprefix(prefix), unpack(row, Compliance))
            for row in rows
        ]

    async def save_marks(self, instance: str, marks: Sequence[Mark]) -> None:
        """See the port."""
        partition = key(instance)
        for mark in marks:
            row = SEPARATOR.join((_MARK, key_part(mark.at), _short(f"{mark.kind}{mark.update_id}")))
            await self.table.upsert(partition, row, {"day": mark.at[:_TO_DAY], **pack(mark)})

    async def marks(self, instance: str, first: str, last: str) -> Sequence[Mark]:
        """See the port."""
        prefix = _MARK + SEPARATOR
        rows = await self._between(key(instance), prefix + first, prefix + last + "~")
        return [unpack(row, Mark) for row in rows]

    async def save_point(self, instance: str, workflow_id: str, point: ProgressPoint) -> None:
        """See the port."""
        partition, properties = key(instance, workflow_id), pack(point)
        rows = (
            key(_MINUTE, point.at[:_TO_MINUTE]),
            key(_HOUR, point.at[:_TO_HOUR]),
        )
        await self.table.transact([put(partition, row, properties) for row in rows])

    async def points(
        self, instance: str, workflow_id: str, first: str, last: str, *, is_hourly: bool
    ) -> Sequence[ProgressPoint]:
        """See the port."""
        kind, length = (_HOUR, _TO_HOUR) if is_hourly else (_MINUTE, _TO_MINUTE)
        rows = await self._between(
            key(instance, workflow_id),
            key(kind, first[:length]),
            key(kind, last[:length]) + AFTER_SEPARATOR,
        )
        return [unpack(row, ProgressPoint) for row in rows]

    async def drop_days(self, instance: str, before: str, *, size: int) -> int:
        """See the port."""
        partition = key(instance)
        dropped = 0
        for kind in (_DAY, _MARK):
            rows = await self.table.first(
                "PartitionKey eq @partition and RowKey ge @from and RowKey lt @to and day lt @day",
                {
                    "partition": partition,
                    "from": kind + SEPARATOR,
                    "to": kind + AFTER_SEPARATOR,
                    "day": before,
                },
                size - dropped,
                select=["RowKey"],
            )
            await drop_rows(self.table, partition, [row["RowKey"] for row in rows])
            dropped += len(rows)
            if dropped >= size:
                break
        return dropped

    async def drop_points(self, instance: str, before: str, *, size: int) -> int:
        """See the port. The keys of all points are looked at, in storage."""
        rows = await self.table.first(
            "PartitionKey gt @from and PartitionKey lt @to and "
            "( RowKey ge @hour and RowKey lt @hourEnd or "
            "RowKey ge @minute and RowKey lt @minuteEnd )",
            {
                "from": key(instance) + SEPARATOR,
                "to": key(instance) + AFTER_SEPARATOR,
                "hour": _HOUR + SEPARATOR,
                "hourEnd": key(_HOUR, before),
                "minute": _MINUTE + SEPARATOR,
                "minuteEnd": key(_MINUTE, before),
            },
            size,
            select=["PartitionKey", "RowKey"],
        )
        by_deployment = groupby(rows, key=lambda row: str(row["PartitionKey"]))
        for partition, points in by_deployment:
            await drop_rows(self.table, partition, [row["RowKey"] for row in points])
        return len(rows)

    async def _between(self, partition: str, first: str, end: str) -> Sequence[Mapping[str, str]]:
        return await self.table.all(
            "PartitionKey eq @partition and RowKey ge @from and RowKey lt @to",
            {"partition": partition, "from": first, "to": end},
        )


def _day_row(group: str | None, day: str) -> str:
    """Of one group the days follow one another. Groups have hashes: their names may be long."""
    place = "-" if group is None else _short(group)
    return SEPARATOR.join((_DAY, place, day))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:24]
