"""Devices with their counters in Table Storage; `table_device_rows` says which row is what.

A change of devices, of what lists show of them, and of the counters they change is one entity-group
transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from shared.adapters.row_memory import RowMemory
from shared.adapters.table import (
    Table,
    columns,
    document,
    document_of,
    drop,
    etag_of,
    key,
    stored,
    unpack,
)
from shared.adapters.table_device_lists import of_devices, of_group, of_lists
from shared.adapters.table_device_rows import (
    CounterRow,
    counters_of,
    listed_key,
    partition_of,
    put_as_read,
    range_of,
)
from shared.adapters.table_device_writes import Change, Gone, change_of, device_row, transactions
from shared.adapters.table_drops import drop_rows
from shared.domain.domain_event import DomainEvent
from shared.domain.errors import ConcurrentUpdate
from shared.domain.fleet.asking import may_have_past
from shared.domain.fleet.counters import (
    CounterKey,
    Counts,
    History,
    apply,
    net,
    resumed_workflow,
)
from shared.domain.fleet.device import DeviceRecord
from shared.domain.fleet.device_history import Installation
from shared.domain.fleet.listing import ListedDevice, Selection
from shared.domain.rollouts.ledger import LEDGER, has_room
from shared.ports import DeviceQuery, DeviceWrite, Page, Stored

_MODULES, _AFTER_MODULES = "~2f", "~2g"
"""Ends the range of a device's modules, whose keys go on with an escaped slash, `~2f`."""
_HAS_CLASS = " and class ne ''"
_PARALLEL_READS = 16


@dataclass(slots=True)
class TableDevices:
    """Implements `ports.Devices`.

    Rows of devices and counters are remembered with their ETag: stale ones fail the transaction
    and are read again.
    """

    table: Table
    memory: RowMemory = field(default_factory=RowMemory)

    async def load(
        self, instance: str, bucket: int, keys: Sequence[str]
    ) -> Mapping[str, Stored[DeviceRecord]]:
        """See the port."""
        partition = partition_of(instance, bucket)
        limit = asyncio.Semaphore(_PARALLEL_READS)

        async def read(device: str) -> Stored[DeviceRecord] | None:
            async with limit:
                row = await self.table.get(partition, key("d", device))
            if row is None:
                return None
            text, etag = document_of(row), etag_of(row)
            self.memory.keep(partition, key("d", device), text, etag)
            return Stored(msgspec.json.decode(text, type=DeviceRecord), etag)

        rows = await asyncio.gather(*(read(device) for device in keys))
        return {device: row for device, row in zip(keys, rows, strict=True) if row is not None}

    def remembered(
        self, instance: str, bucket: int, keys: Iterable[str]
    ) -> Mapping[str, Stored[DeviceRecord]]:
        """See the port."""
        partition = partition_of(instance, bucket)
        rows = {device: self.memory.get(partition, key("d", device)) for device in keys}
        return {
            device: Stored(msgspec.json.decode(seen.document, type=DeviceRecord), seen.etag)
            for device, seen in rows.items()
            if seen is not None
        }

    async def commit(
        self, instance: str, bucket: int, writes: Sequence[DeviceWrite]
    ) -> Mapping[str, Stored[DeviceRecord]]:
        """See the port."""
        partition = partition_of(instance, bucket)
        gone = await self._gone(partition, writes)
        changes = [change_of(partition, write, gone[write.after.key]) for write in writes]
        written: dict[str, Stored[DeviceRecord]] = {}
        for some in transactions(changes):
            written |= await self._commit(partition, some)
        return written

    async def _gone(self, partition: str, writes: Sequence[DeviceWrite]) -> dict[str, Gone]:
        """What goes with each write, by device: read only where a device joins or leaves."""
        found = await asyncio.gather(*(self._gone_with(partition, write) for write in writes))
        return {write.after.key: gone for write, gone in zip(writes, found, strict=True)}

    async def _gone_with(self, partition: str, write: DeviceWrite) -> Gone:
        before, device = write.before.value if write.before else None, write.after.key
        history = row = None
        workflow_id = resumed_workflow(before, write.after)
        if workflow_id and may_have_past(before, workflow_id):
            history = await self.table.get(partition, key("h", workflow_id, device))
        if write.left_group is not None:
            row = await self.table.get(partition, listed_key(write.left_group, device))
        return Gone(stored(history, History) if history else None, etag_of(row) if row else None)

    async def _commit(
        self, partition: str, changes: Sequence[Change]
    ) -> dict[str, Stored[DeviceRecord]]:
        deltas = net(change.counters for change in changes)
        counters = dict(
            zip(
                deltas,
                await asyncio.gather(*(self._counter(partition, place) for place in deltas)),
                strict=True,
            )
        )
        cells = {place: apply(counters[place][0], delta) for place, delta in deltas.items()}
        if not has_room((item.write.booking for item in changes), cells):
            self.memory.forget(partition, [key("c", *place) for place in deltas])
            raise ConcurrentUpdate("The roll-out has no room here any more.")
        after = {
            key("c", *place): document(CounterRow(*place, dict(row)))
            for place, row in cells.items()
        }
        operations = [
            put_as_read(partition, row, columns(text), counters[place][1])
            for place, (row, text) in zip(deltas, after.items(), strict=True)
        ]
        for item in changes:
            after[item.row] = item.document
            operations.append(device_row(partition, item))
        for item in changes:
            operations += item.others
        try:
            etags = await self.table.transact(operations)
        except ConcurrentUpdate:
            self.memory.forget(partition, after)
            raise
        tags = dict(zip(after, etags, strict=False))
        for row, text in after.items():
            self.memory.keep(partition, row, text, tags[row])
        return {item.write.after.key: Stored(item.write.after, tags[item.row]) for item in changes}

    async def of_bucket(
        self, instance: str, bucket: int, *, group: str | None = None, token: str | None = None
    ) -> Page[Stored[DeviceRecord]]:
        """See the port."""
        condition, parameters = range_of(partition_of(instance, bucket), "d")
        if group is not None:
            condition += " and group eq @group"
            parameters["group"] = group
        page = await self.table.page(condition, parameters, token=token)
        return Page([stored(row, DeviceRecord) for row in page.items], page.token)

    async def find(
        self, instance: str, bucket: int, query: DeviceQuery, *, after: str, size: int
    ) -> Sequence[Stored[DeviceRecord]]:
        """See the port."""
        condition, parameters = range_of(partition_of(instance, bucket), "d")
        if query.device_id is not None:
            device = key("d", query.device_id)
            condition += " and RowKey ge @device and RowKey lt @modules"
            parameters |= {"device": device, "modules": device + _AFTER_MODULES}
        if after:
            parameters["from"] = key("d", after)
        columns = {
            "group": query.group,
            "class": query.class_id,
            "deployment": query.deployment_id,
            "state": query.state,
            "health": query.health,
        }
        wanted = {name: value for name, value in columns.items() if value is not None}
        condition += "".join(f" and {name} eq @{name}" for name in wanted) or _HAS_CLASS
        rows = await self.table.first(condition, parameters | wanted, size)
        return [stored(row, DeviceRecord) for row in rows]

    async def listed(
        self,
        instance: str,
        bucket: int,
        wanted: Selection,
        *,
        after: str,
        size: int,
        is_indexed: bool,
    ) -> Sequence[ListedDevice]:
        """See the port."""
        partition, group = partition_of(instance, bucket), wanted.columns.get("group")
        if is_indexed and group is not None:
            prefix = of_lists(group)
            return await of_group(self.table, partition, prefix, wanted, after=after, size=size)
        return await of_devices(
            self.table, partition, wanted, after=after, size=size, is_indexed=is_indexed
        )

    async def modules(
        self, instance: str, bucket: int, device_id: str
    ) -> Sequence[Stored[DeviceRecord]]:
        """See the port."""
        device = key("d", device_id)
        rows = await self.table.all(
            "PartitionKey eq @partition and RowKey ge @from and RowKey lt @to",
            {
                "partition": partition_of(instance, bucket),
                "from": device + _MODULES,
                "to": device + _AFTER_MODULES,
            },
        )
        return [stored(row, DeviceRecord) for row in rows]

    async def history(
        self,
        instance: str,
        bucket: int,
        workflow_id: str,
        *,
        after: str = "",
        size: int | None = None,
    ) -> Sequence[History]:
        """See the port."""
        condition, parameters = range_of(partition_of(instance, bucket), "h", workflow_id)
        if after:
            parameters["from"] = key("h", workflow_id, after)
        if size is None:
            rows = await self.table.all(condition, parameters)
        else:
            rows = await self.table.first(condition, parameters, size)
        return [unpack(row, History) for row in rows]

    async def counts(self, instance: str, bucket: int, group: str) -> Counts:
        """See the port."""
        rows = await self.table.all(*counters_of(partition_of(instance, bucket), group))
        counters = [unpack(row, CounterRow) for row in rows]
        return {(row.group, row.class_id): row.cells for row in counters if row.class_id != LEDGER}

    async def past(
        self, instance: str, bucket: int, workflow_id: str, device: str
    ) -> Stored[History] | None:
        """See the port."""
        row = await self.table.get(partition_of(instance, bucket), key("h", workflow_id, device))
        return stored(row, History) if row else None

    async def installations(
        self, instance: str, bucket: int, device: str, *, after: str = "", size: int
    ) -> Sequence[Installation]:
        """See the port."""
        condition, parameters = range_of(partition_of(instance, bucket), "i", device)
        if after:
            parameters["from"] = key("i", device, after)
        rows = await self.table.first(condition, parameters, size)
        return [unpack(row, Installation) for row in rows]

    async def drop_installations(
        self, instance: str, bucket: int, before: str, *, size: int
    ) -> int:
        """See the port. Rows of release 0.1 lack the day as a column: they stay."""
        partition = partition_of(instance, bucket)
        condition, parameters = range_of(partition, "i")
        rows = await self.table.first(
            f"{condition} and day gt '' and day lt @day",
            {**parameters, "day": before},
            size,
            select=["RowKey"],
        )
        await drop_rows(self.table, partition, [row["RowKey"] for row in rows])
        return len(rows)

    async def events(self, instance: str, bucket: int, size: int) -> Sequence[DomainEvent]:
        """See the port."""
        rows = await self.table.first(*range_of(partition_of(instance, bucket), "e"), size)
        return [unpack(row, DomainEvent) for row in rows]

    async def forget_events(
        self, instance: str, bucket: int, events: Sequence[DomainEvent]
    ) -> None:
        """See the port."""
        partition = partition_of(instance, bucket)
        await self.table.transact([drop(partition, key("e", item.identity)) for item in events])

    async def _counter(
        self, partition: str, place: CounterKey
    ) -> tuple[dict[str, int], str | None]:
        known = self.memory.get(partition, key("c", *place))
        if known is not None:
            return msgspec.json.decode(known.document, type=CounterRow).cells, known.etag
        row = await self.table.get(partition, key("c", *place))
        return (unpack(row, CounterRow).cells, etag_of(row)) if row else ({}, None)
