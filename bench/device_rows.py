"""Device rows in bulk, written behind the service's back: as the service writes them, but as fast
as storage takes them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from itertools import batched

from shared.adapters.clock import SystemClock
from shared.adapters.storage import StorageAccounts
from shared.adapters.table import (
    MAX_TRANSACTION,
    Row,
    Table,
    columns,
    document,
    document_of,
    key,
    put,
)
from shared.adapters.table_device_rows import CounterRow, partition_of
from shared.adapters.table_devices import TableDevices
from shared.adapters.table_fleet import TableFleet
from shared.contract.twin import startup_report
from shared.domain.fleet.counters import contribution, total
from shared.domain.fleet.device import (
    BUCKETS,
    DeviceRecord,
    TwinChange,
    bucket_of,
    fold,
    view,
)
from shared.domain.fleet.twin_content import kept_content
from shared.domain.rollouts.selection import rank_of, rank_text
from shared.ports import DeviceWrite, Rollup

_WRITERS = 8
_TOLD_EVERY = 50_000
_REPORTED_AT = "2026-01-01T00:00:00.000000+00:00"


def device(device_id: str, group: str) -> DeviceRecord:
    """A device that has introduced itself and was never asked for anything."""
    reported = startup_report("contoso", "toaster")
    content = kept_content({"tags": {"ADUGroup": group}, "properties": {"reported": reported}})
    change = TwinChange(device_id, None, 1, content, is_whole=True, at=_REPORTED_AT)
    return fold(DeviceRecord(device_id, past=()), change)


class DeviceRows:
    """The tables of devices of one instance."""

    def __init__(self, accounts: StorageAccounts, instance: str) -> None:
        self._instance = instance
        self._table = Table(accounts, "Devices")
        self._devices = TableDevices(self._table)
        self._fleet = TableFleet(
            buckets_table=Table(accounts, "Buckets"),
            groups_table=Table(accounts, "Groups"),
            classes_table=Table(accounts, "DeviceClasses"),
            rollups_table=Table(accounts, "Rollups"),
            clock=SystemClock(),
        )

    async def write(
        self, group: str, device_ids: Iterable[str], say: Callable[[str], None] = lambda _: None
    ) -> None:
        """New devices of a group, their counters, and the sum of those."""
        by_bucket: dict[int, list[str]] = {}
        first, *others = device_ids
        for device_id in (first, *others):
            by_bucket.setdefault(bucket_of(device_id), []).append(device_id)
        device_class = view(device("any", group)).device_class
        assert device_class is not None
        for bucket in by_bucket:
            await self._fleet.ensure_known(self._instance, group, bucket, device_class)
        model = await self._model(first, group)
        limit, written = asyncio.Semaphore(_WRITERS), 0

        async def fill(bucket: int, names: list[str]) -> None:
            nonlocal written
            partition = partition_of(self._instance, bucket)
            async with limit:
                for some in batched(names, MAX_TRANSACTION, strict=False):
                    await self._table.transact(
                        [put(partition, key("d", name), self._row(model, name)) for name in some]
                    )
                    before, written = written, written + len(some)
                    if written // _TOLD_EVERY > before // _TOLD_EVERY:
                        say(f"{written:,} devices of {group}")
                cells = {
                    cell: count * len(names)
                    for cell, count in contribution(device("any", group))[
                        group, device_class.class_id
                    ].items()
                }
                counters = CounterRow(group, device_class.class_id, cells)
                row = key("c", group, device_class.class_id)
                await self._table.transact([put(partition, row, columns(document(counters)))])

        await asyncio.gather(*(fill(bucket, names) for bucket, names in by_bucket.items()))
        counts = [
            await self._devices.counts(self._instance, bucket, group) for bucket in range(BUCKETS)
        ]
        rollup = Rollup(total(counts), SystemClock().now(), len(by_bucket))
        await self._fleet.save_rollup(self._instance, group, rollup)

    async def _model(self, name: str, group: str) -> Row:
        """A row as the service writes it."""
        bucket = bucket_of(name)
        await self._devices.commit(self._instance, bucket, [DeviceWrite(None, device(name, group))])
        found = await self._table.get(partition_of(self._instance, bucket), key("d", name))
        assert found is not None
        kept = {
            column: value
            for column, value in found.items()
            if column not in ("PartitionKey", "RowKey", "Timestamp") and ":" not in column
        }
        return {**kept, _NAME: name}

    @staticmethod
    def _row(model: Row, name: str) -> Row:
        text = document_of(model).replace(model[_NAME], name)
        same = {column: value for column, value in model.items() if column != _NAME}
        return {**same, **columns(text), "rank": rank_text(rank_of(name))}


_NAME = "model"
