"""Devices with their counters in Table Storage.

Partition = bucket and instance (bucket first, so that load spreads). Rows: `d.<device>` a device,
`c.<group>.<class>` counters, `h.<workflow>.<device>` what a device leaves behind in a deployment
it moved on from, `i.<device>.<position>` the same and other updates by device, `e.<event>` what is
to be told to customers. A change of devices and the counters it changes are one entity-group
transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from shared.adapters.row_memory import RowMemory
from shared.adapters.table import (
    AFTER_SEPARATOR,
    MAX_TRANSACTION,
    SEPARATOR,
    Operation,
    Table,
    change,
    columns,
    create,
    document,
    document_of,
    drop,
    etag_of,
    key,
    pack,
    put,
    remove,
    stored,
    unpack,
)
from shared.domain.domain_event import DomainEvent
from shared.domain.errors import ConcurrentUpdate, InvalidInput
from shared.domain.fleet.asking import may_have_past
from shared.domain.fleet.counters import (
    CounterKey,
    Counts,
    History,
    apply,
    contribution,
    difference,
    net,
    resumed_workflow,
)
from shared.domain.fleet.device import DeviceRecord
from shared.domain.fleet.device_history import Installation
from shared.domain.fleet.health import health_of
from shared.domain.fleet.listing import ListedDevice, Selection, listed
from shared.domain.rollouts.ledger import LEDGER, has_room, with_booking
from shared.domain.rollouts.selection import rank_of, rank_text
from shared.ports import DeviceQuery, DeviceWrite, Page, Stored

_CHARACTERS_A_TRANSACTION = 600_000
"""A transaction may hold 4 MiB, and a character may take six bytes in it."""
_MODULES, _AFTER_MODULES = "~2f", "~2g"
"""Ends the range of a device's modules, whose keys go on with an escaped slash, `~2f`."""
_HAS_CLASS = " and class ne ''"
_OLD_COLUMNS = {"group", "class", "state", "health"}
_PARALLEL_READS = 16


@dataclass(slots=True)
class CounterRow:
    """The counters of one group and class in one bucket."""

    group: str
    class_id: str
    cells: dict[str, int]


@dataclass(frozen=True, slots=True)
class _Change:
    """A write, what it does to rows beside the device's, and what it changes in the counters."""

    write: DeviceWrite
    document: str
    others: Sequence[Operation]
    counters: Counts

    @property
    def row(self) -> str:
        """Key of the device's row."""
        return key("d", self.write.after.key)

    @property
    def rows(self) -> int:
        """Rows it needs in a transaction, counters apart."""
        return 1 + len(self.others)


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
        forgotten = await self._forgotten(partition, writes)
        changes = [_change(partition, write, forgotten.get(write.after.key)) for write in writes]
        written: dict[str, Stored[DeviceRecord]] = {}
        for some in _transactions(changes):
            written |= await self._commit(partition, some)
        return written

    async def _forgotten(
        self, partition: str, writes: Sequence[DeviceWrite]
    ) -> dict[str, Stored[History]]:
        """What devices had left behind in the deployment that they now take up again."""
        workflows = {
            write.after.key: workflow_id
            for write in writes
            if (
                workflow_id := resumed_workflow(
                    write.before.value if write.before else None, write.after
                )
            )
            and may_have_past(write.before.value if write.before else None, workflow_id)
        }
        rows = await asyncio.gather(
            *(
                self.table.get(partition, key("h", workflow_id, device))
                for device, workflow_id in workflows.items()
            )
        )
        return {
            device: stored(row, History)
            for device, row in zip(workflows, rows, strict=True)
            if row is not None
        }

    async def _commit(
        self, partition: str, changes: Sequence[_Change]
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
            operations.append(_device(partition, item))
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
        self, instance: str, bucket: int, wanted: Selection, *, after: str, size: int
    ) -> Sequence[ListedDevice]:
        """See the port."""
        condition, parameters = range_of(partition_of(instance, bucket), "d")
        known = {name: wanted.columns[name] for name in _OLD_COLUMNS & wanted.columns.keys()}
        condition += "".join(f" and {name} eq @{name}" for name in known) + _HAS_CLASS
        found: list[ListedDevice] = []
        while len(found) < size:
            if after:
                parameters["from"] = key("d", after)
            rows = await self.table.first(condition, parameters | known, size)
            for row in rows:
                record = unpack(row, DeviceRecord)
                after = record.key
                item = listed(record)
                if item is not None and wanted.has(item):
                    found.append(item)
            if len(rows) < size:
                break
        return found[:size]

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
        rows = await self.table.all(*range_of(partition_of(instance, bucket), "c", group))
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


def partition_of(instance: str, bucket: int) -> str:
    """The partition of a bucket."""
    return f"{bucket:02x}{SEPARATOR}{key(instance)}"


def range_of(partition: str, *prefix: str) -> tuple[str, dict[str, str]]:
    """The condition, with its parameters, of the rows whose keys begin with some parts."""
    start = key(*prefix)
    return (
        "PartitionKey eq @partition and RowKey gt @from and RowKey lt @to",
        {"partition": partition, "from": start + SEPARATOR, "to": start + AFTER_SEPARATOR},
    )


def put_as_read(
    partition: str, row: str, properties: Mapping[str, Any], etag: str | None
) -> Operation:
    """Write a row that must be as it was read; without an ETag there was none."""
    if etag is None:
        return create(partition, row, properties)
    return change(partition, row, properties, etag)


def _change(partition: str, write: DeviceWrite, forgotten: Stored[History] | None) -> _Change:
    """Raises InvalidInput, with the device as its target, if a row cannot hold it."""
    counters = with_booking(
        write.booking,
        difference(
            contribution(write.before.value, write.was) if write.before else {},
            contribution(write.after, write.becomes),
            write.history,
            forgotten.value if forgotten else None,
            [(item.before.value, item.after) for item in write.revisions],
        ),
    )
    try:
        text, others = document(write.after), list(_others(partition, write, forgotten))
    except InvalidInput as error:
        raise InvalidInput(error.message, target=write.after.key) from error
    return _Change(write, text, others, counters)


def _transactions(changes: Iterable[_Change]) -> Iterator[list[_Change]]:
    """Pieces whose rows, counters included, fit into one transaction."""
    piece: list[_Change] = []
    places: set[CounterKey] = set()
    rows = characters = 0
    for item in changes:
        grown = places | item.counters.keys()
        rows, characters = rows + item.rows, characters + len(item.document)
        if piece and (
            rows + len(grown) > MAX_TRANSACTION or characters > _CHARACTERS_A_TRANSACTION
        ):
            yield piece
            piece, grown = [], set(item.counters)
            rows, characters = item.rows, len(item.document)
        piece.append(item)
        places = grown
    if piece:
        yield piece


def _device(partition: str, item: _Change) -> Operation:
    write = item.write
    record, seen = write.after, write.becomes
    health = health_of(record, seen)
    properties = {
        "group": seen.group_id if seen.device_class else "",
        "class": seen.device_class.class_id if seen.device_class else "",
        "deployment": record.commanded.deployment_id if record.commanded else "",
        "state": seen.state.value if seen.state else "",
        "health": health.state if health else "",
        "workflow": record.commanded.workflow_id if record.commanded else "",
        "rank": rank_text(rank_of(record.device_id)),
        "pending": record.is_pending,
        **columns(item.document),
    }
    return put_as_read(partition, item.row, properties, write.before.etag if write.before else None)


def _others(
    partition: str, write: DeviceWrite, forgotten: Stored[History] | None
) -> Iterator[Operation]:
    device = write.after.key
    if write.history is not None:
        history = write.history
        yield put(partition, key("h", history.workflow_id, device), pack(history))
    if forgotten is not None:
        row = key("h", forgotten.value.workflow_id, device)
        yield remove(partition, row, forgotten.etag)
    for past in write.revisions:
        row = key("h", past.after.workflow_id, device)
        yield change(partition, row, pack(past.after), past.before.etag)
    for each in write.installations:
        yield put(partition, key("i", device, each.position), pack(each))
    for event in write.events:
        yield put(partition, key("e", event.identity), pack(event))
