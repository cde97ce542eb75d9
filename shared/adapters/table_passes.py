"""What passes of roll-outs read and write down, in the table of `table_devices`.

A ledger is a row of counters whose class is `-`: `c.<group>.-`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.adapters.table import Row, Table, columns, document, etag_of, key, stored, unpack
from shared.adapters.table_device_lists import of_kept
from shared.adapters.table_device_rows import (
    CounterRow,
    counters_of,
    partition_of,
    put_as_read,
    range_of,
)
from shared.domain.fleet.counters import Cell, Counts
from shared.domain.fleet.device import DeviceRecord, DeviceState
from shared.domain.fleet.kept import Kept
from shared.domain.fleet.listing import ListedDevice
from shared.domain.rollouts.ledger import LEDGER
from shared.domain.rollouts.selection import rank_text
from shared.ports import DueQuery, Page, Stored

_PAGE = 250
"""Rows of a page: enough to spare requests, few enough to hold in memory whatever they are."""


@dataclass(slots=True)
class TablePasses:
    """Implements `ports.Passes`."""

    table: Table

    async def due(
        self, instance: str, bucket: int, query: DueQuery, *, token: str | None = None
    ) -> Page[Stored[DeviceRecord]]:
        """See the port.

        A column that a row lacks makes every comparison false; under `not` the row is found all the
        same. The SDK tells parameters by the blanks around them.
        """
        condition, parameters = range_of(partition_of(instance, bucket), "d")
        parameters |= {"group": query.group, "workflow": query.workflow_id}
        parts = ["pending eq true"]
        if query.unasked and not query.asked:
            states = {"failed": DeviceState.FAILED, "canceled": DeviceState.CANCELED}
            parameters |= {name: state.value for name, state in states.items()}
            parts.append("workflow eq @workflow and ( state eq @failed or state eq @canceled )")
        if query.unasked and query.ranks != ():
            unasked = "not ( workflow eq @workflow )"
            if query.ranks is not None:
                unasked += f" and ( {_within(query.ranks, parameters)} )"
            parts.append(unasked)
        if query.asked:
            parameters["succeeded"] = DeviceState.SUCCEEDED.value
            parts.append("workflow eq @workflow and state ne @succeeded")
        found = " or ".join(f"( {part} )" for part in parts)
        condition += f" and group eq @group and ( {found} )"
        page = await self.table.page(condition, parameters, token=token, size=_PAGE)
        return Page([stored(row, DeviceRecord) for row in page.items], page.token)

    async def ledger(self, instance: str, bucket: int, group: str) -> Stored[Mapping[Cell, int]]:
        """See the port."""
        row = await self.table.get(partition_of(instance, bucket), key("c", group, LEDGER))
        return Stored(unpack(row, CounterRow).cells, etag_of(row)) if row else Stored({}, "")

    async def save_ledger(
        self, instance: str, bucket: int, group: str, cells: Mapping[Cell, int], etag: str
    ) -> None:
        """See the port."""
        text = document(CounterRow(group, LEDGER, dict(cells)))
        operation = put_as_read(
            partition_of(instance, bucket), key("c", group, LEDGER), columns(text), etag or None
        )
        await self.table.transact([operation])

    async def tally(
        self, instance: str, bucket: int, group: str
    ) -> tuple[Counts, Mapping[Cell, int]]:
        """See the port."""
        rows = await self.table.all(*counters_of(partition_of(instance, bucket), group))
        return _counters(rows)

    async def tally_with_devices(
        self, instance: str, bucket: int, group: str, kept: Kept
    ) -> tuple[Counts, Mapping[Cell, int], Sequence[ListedDevice]]:
        """See the port: counters and devices are one range of rows."""
        partition = partition_of(instance, bucket)
        condition, parameters = range_of(partition, "c", group)
        if not kept.everything:
            some, names = of_kept(kept)
            either = f"RowKey lt @counters or {some}" if some else "RowKey lt @counters"
            condition += f" and ( {either} )"
            parameters |= names | {"counters": counters_of(partition, group)[1]["to"]}
        rows = await self.table.all(condition, parameters)
        counters = [row for row in rows if not row.get("listed")]
        devices = [unpack(row, ListedDevice) for row in rows if row.get("listed")]
        return *_counters(counters), devices


def _counters(rows: Iterable[Row]) -> tuple[Counts, Mapping[Cell, int]]:
    found = [unpack(row, CounterRow) for row in rows]
    counts = {(row.group, row.class_id): row.cells for row in found if row.class_id != LEDGER}
    return counts, next((row.cells for row in found if row.class_id == LEDGER), {})


def _within(ranks: tuple[tuple[int, int], ...], parameters: dict[str, Any]) -> str:
    parts = []
    for number, (first, end) in enumerate(ranks):
        parameters |= {f"first{number}": rank_text(first), f"last{number}": rank_text(end - 1)}
        parts.append(f"( not ( rank lt @first{number} ) and not ( rank gt @last{number} ) )")
    return " or ".join(parts)
