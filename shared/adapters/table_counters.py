"""Counters of a bucket as a recount sees them, in Table Storage, and the reports of recounts.

The rows are those of `table_devices`; what a process remembers of them is found out by its ETag.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import batched

from shared.adapters.table import (
    MAX_TRANSACTION,
    Operation,
    Table,
    columns,
    document,
    etag_of,
    key,
    pack,
    remove,
    stored,
    unpack,
)
from shared.adapters.table_device_rows import (
    CounterRow,
    listed_key,
    partition_of,
    put_as_read,
    range_of,
)
from shared.adapters.table_device_writes import indexed
from shared.domain.fleet.counters import (
    Cell,
    CounterKey,
    History,
    apply,
    history_contribution,
    total,
)
from shared.domain.fleet.device import DeviceRecord
from shared.domain.fleet.listing import ListedDevice, ListedPlace
from shared.domain.fleet.recount import Recounted
from shared.domain.rollouts.ledger import LEDGER
from shared.ports import Correction, Page, Stored

_HISTORIES_A_TRANSACTION = MAX_TRANSACTION // 2
"""Each may be counted in a row of its own."""


_INDEXED_A_TRANSACTION = 20
"""Of rows as large as they may be, so many with their rows in the lists fit into one."""


@dataclass(slots=True)
class TableCounters:
    """Implements `ports.Counters`."""

    table: Table

    async def counter_rows(
        self, instance: str, bucket: int
    ) -> Mapping[CounterKey, Stored[Mapping[Cell, int]]]:
        """See the port."""
        rows = await self._rows(instance, bucket)
        return {place: row for place, row in rows.items() if place[1] != LEDGER}

    async def ledger_rows(
        self, instance: str, bucket: int
    ) -> Mapping[CounterKey, Stored[Mapping[Cell, int]]]:
        """See the port."""
        rows = await self._rows(instance, bucket)
        return {place: row for place, row in rows.items() if place[1] == LEDGER}

    async def _rows(
        self, instance: str, bucket: int
    ) -> dict[CounterKey, Stored[Mapping[Cell, int]]]:
        found = {}
        condition, parameters = range_of(partition_of(instance, bucket), "c")
        for row in await self.table.all(f"{condition} and not ( listed eq true )", parameters):
            counters = unpack(row, CounterRow)
            place = (counters.group, counters.class_id)
            found[place] = Stored[Mapping[Cell, int]](counters.cells, etag_of(row))
        return found

    async def listed_in(
        self, instance: str, bucket: int
    ) -> Mapping[ListedPlace, Stored[ListedDevice]]:
        """See the port."""
        condition, parameters = range_of(partition_of(instance, bucket), "c")
        rows = await self.table.all(f"{condition} and listed eq true", parameters)
        found = [stored(row, ListedDevice) for row in rows]
        return {item.value.place: item for item in found}

    async def index(
        self,
        instance: str,
        bucket: int,
        devices: Sequence[Stored[DeviceRecord]],
        stale: Mapping[ListedPlace, Stored[ListedDevice]],
    ) -> None:
        """See the port."""
        partition = partition_of(instance, bucket)
        for some in batched(devices, _INDEXED_A_TRANSACTION, strict=False):
            await self.table.transact([each for row in some for each in indexed(partition, row)])
        for gone in batched(stale.items(), MAX_TRANSACTION, strict=False):
            await self.table.transact(
                [remove(partition, listed_key(*place), row.etag) for place, row in gone]
            )

    async def histories(
        self, instance: str, bucket: int, *, token: str | None = None
    ) -> Page[Stored[History]]:
        """See the port."""
        page = await self.table.page(*range_of(partition_of(instance, bucket), "h"), token=token)
        return Page([stored(row, History) for row in page.items], page.token)

    async def correct(self, instance: str, bucket: int, corrections: Sequence[Correction]) -> None:
        """See the port."""
        partition = partition_of(instance, bucket)
        for some in batched(corrections, MAX_TRANSACTION, strict=False):
            operations = [
                _counters(
                    partition, item.place, item.counted, item.found.etag if item.found else None
                )
                for item in some
            ]
            await self.table.transact([each for each in operations if each is not None])

    async def forget(
        self, instance: str, bucket: int, histories: Sequence[Stored[History]]
    ) -> None:
        """See the port."""
        partition = partition_of(instance, bucket)
        for some in batched(histories, _HISTORIES_A_TRANSACTION, strict=False):
            gone = total(history_contribution(item.value) for item in some)
            operations = [
                remove(partition, key("h", item.value.workflow_id, item.value.key), item.etag)
                for item in some
            ]
            for place, cells in gone.items():
                row = await self.table.get(partition, key("c", *place))
                known = unpack(row, CounterRow).cells if row else {}
                left = apply(known, {cell: -count for cell, count in cells.items()})
                operation = _counters(partition, place, left, etag_of(row) if row else None)
                operations += [operation] if operation is not None else []
            await self.table.transact(operations)

    async def drop(
        self, instance: str, bucket: int, devices: Sequence[Stored[DeviceRecord]]
    ) -> None:
        """See the port."""
        partition = partition_of(instance, bucket)
        for some in batched(devices, MAX_TRANSACTION, strict=False):
            await self.table.transact(
                [remove(partition, key("d", item.value.key), item.etag) for item in some]
            )


@dataclass(slots=True)
class TableRecounts:
    """Implements `ports.Recounts`: partition = instance, row = bucket."""

    table: Table

    async def save(self, instance: str, report: Recounted) -> None:
        """See the port."""
        await self.table.upsert(key(instance), f"{report.bucket:02x}", pack(report))

    async def get(self, instance: str, bucket: int) -> Recounted | None:
        """See the port."""
        row = await self.table.get(key(instance), f"{bucket:02x}")
        return unpack(row, Recounted) if row else None

    async def list(self, instance: str) -> Sequence[Recounted]:
        """See the port."""
        rows = await self.table.all("PartitionKey eq @partition", {"partition": key(instance)})
        return [unpack(row, Recounted) for row in rows]


def _counters(
    partition: str, place: CounterKey, cells: Mapping[Cell, int], etag: str | None
) -> Operation | None:
    """Write a row of counters that must be as it was read, or delete it if it counts nothing."""
    row = key("c", *place)
    if cells:
        text = document(CounterRow(*place, dict(cells)))
        return put_as_read(partition, row, columns(text), etag)
    return remove(partition, row, etag) if etag is not None else None
