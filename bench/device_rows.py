"""Device rows in bulk, written behind the service's back: as the service writes them, but as fast
as storage takes them.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
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
    DeviceRecord,
    TwinChange,
    bucket_of,
    fold,
    view,
)
from shared.domain.fleet.device_class import DeviceClass
from shared.domain.fleet.twin_content import kept_content
from shared.domain.rollouts.selection import rank_of, rank_text
from shared.ports import DeviceWrite, Rollup

_WRITERS = 8
_TOLD_EVERY = 50_000
_AT_ONCE = 100_000
_REPORTED_AT = "2026-01-01T00:00:00.000000+00:00"


def device(device_id: str, group: str) -> DeviceRecord:
    """A device that has introduced itself and was never asked for anything."""
    reported = startup_report("contoso", "toaster")
    content = kept_content({"tags": {"ADUGroup": group}, "properties": {"reported": reported}})
    change = TwinChange(device_id, None, 1, content, is_whole=True, at=_REPORTED_AT)
    return fold(DeviceRecord(device_id, past=()), change)


def _class_of(group: str) -> DeviceClass:
    found = view(device("any", group)).device_class
    assert found is not None
    return found


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
        await self._know(group, by_bucket)
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

        await asyncio.gather(*(fill(bucket, names) for bucket, names in by_bucket.items()))
        await self._count(group, {bucket: len(names) for bucket, names in by_bucket.items()})

    async def write_at_once(
        self, group: str, count: int, say: Callable[[str], None] = lambda _: None
    ) -> None:
        """As many new devices of a group, `<group>-0` and so on, in a storage of `many_rows`."""
        by_bucket = Counter(bucket_of(f"{group}-{number}") for number in range(count))
        await self._know(group, by_bucket)
        name = f"{group}-0"
        model = await self._model(name, group)
        same = {column: value for column, value in model.items() if column != _NAME}
        for first in range(1, count, _AT_ONCE):
            some = min(_AT_ONCE, count - first)
            copies = {"model": name, "prefix": f"{group}-", "first": first, "count": some}
            copies |= {"partition": key(self._instance), "isLast": first + some == count}
            row = {**same, "copies": json.dumps(copies)}
            await self._table.insert("copies", key(group, str(first)), row)
            say(f"{first + some:,} devices of {group}")
        await self._count(group, by_bucket)

    async def _know(self, group: str, buckets: Iterable[int]) -> None:
        """Make a group known that has devices of one class in some buckets."""
        for bucket in buckets:
            await self._fleet.ensure_known(self._instance, group, bucket, _class_of(group))

    async def _count(self, group: str, devices: Mapping[int, int]) -> None:
        """Write the counters of so many devices in each bucket, and their sum."""
        class_id = _class_of(group).class_id
        each = contribution(device("any", group))[group, class_id]
        counted = []
        for bucket, count in devices.items():
            cells = {cell: one * count for cell, one in each.items()}
            counters = CounterRow(group, class_id, cells)
            place = partition_of(self._instance, bucket), key("c", group, class_id)
            await self._table.transact([put(*place, columns(document(counters)))])
            counted.append({(group, class_id): cells})
        rollup = Rollup(total(counted), SystemClock().now(), len(devices))
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
