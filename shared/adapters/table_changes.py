"""What was written lately, by the time stamps that Table Storage keeps itself.

Each table is one range that holds hundreds of rows, thousands at most: never devices.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from shared.adapters.table import (
    AFTER_SEPARATOR,
    SEPARATOR,
    Row,
    Table,
    etag_of,
    key,
    key_parts,
)
from shared.domain.fleet.changes import Change
from shared.services.operations import operation_id

_OPERATION_DAYS = 2
_MOST = 500
"""Changes of one kind in one answer: who has missed more reads everything anew."""


@dataclass(slots=True)
class TableChanges:
    """Implements `ports.ChangeFeed`."""

    rollups: Table
    deployments: Table
    updates: Table
    operations: Table

    async def since(self, instance: str, since: str) -> Sequence[Change]:
        """See the port."""
        moment = datetime.fromisoformat(since)
        inside = {
            "from": key(instance) + SEPARATOR,
            "to": key(instance) + AFTER_SEPARATOR,
            "since": moment,
        }
        own = {"partition": key(instance), "since": moment}
        oldest = operation_id((moment - timedelta(days=_OPERATION_DAYS)).isoformat(), "")
        within = "PartitionKey gt @from and PartitionKey lt @to"
        found = await asyncio.gather(
            _read(self.rollups, "PartitionKey eq @partition", own, _group),
            _read(self.deployments, within, inside, _deployment),
            _read(self.updates, within, inside, _update),
            _read(
                self.operations,
                "PartitionKey eq @partition and RowKey lt @oldest",
                {**own, "oldest": oldest},
                _operation,
            ),
        )
        return [change for changes in found for change in changes]


async def _read(
    table: Table, place: str, parameters: dict[str, Any], change: Callable[[Row], Change | None]
) -> list[Change]:
    rows = await table.first(
        f"{place} and Timestamp ge @since", parameters, _MOST, select=["PartitionKey", "RowKey"]
    )
    return [found for row in rows if (found := change(row)) is not None]


def _group(row: Row) -> Change:
    return Change("group", key_parts(row["RowKey"])[0], etag_of(row))


def _deployment(row: Row) -> Change | None:
    place = key_parts(row["PartitionKey"])
    rest = key_parts(row["RowKey"])
    if len(place) != 2 or len(rest) != 1:  # a row of its history
        return None
    return Change("deployment", f"{place[1]}/{rest[0]}", etag_of(row))


def _update(row: Row) -> Change:
    _, provider, name = key_parts(row["PartitionKey"])
    version = SEPARATOR.join(str(int(part)) for part in row["RowKey"].split(SEPARATOR))
    return Change("update", f"{provider}/{name}/{version}", etag_of(row))


def _operation(row: Row) -> Change:
    return Change("operation", row["RowKey"], etag_of(row))
