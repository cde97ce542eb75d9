"""Device rows with their counters in memory."""

from __future__ import annotations

import asyncio
from collections.abc import (
    Iterable,
    Mapping,
    Sequence,
)
from copy import copy
from typing import Any

import msgspec

from shared.domain.domain_event import DomainEvent
from shared.domain.errors import (
    ConcurrentUpdate,
    InvalidInput,
)
from shared.domain.fleet.asking import may_have_past
from shared.domain.fleet.counters import (
    Cell,
    CounterKey,
    Counts,
    History,
    apply,
    contribution,
    difference,
    history_contribution,
    net,
    resumed_workflow,
)
from shared.domain.fleet.device import (
    DeviceRecord,
)
from shared.domain.fleet.kept import Kept
from shared.domain.fleet.listing import ListedDevice, ListedPlace, Selection, listed
from shared.domain.rollouts.ledger import LEDGER, has_room, with_booking
from shared.ports import (
    Correction,
    DeviceQuery,
    DeviceWrite,
    DueQuery,
    Page,
    Stored,
)
from tests.fakes.device_queries import is_due, listed_group, meets
from tests.fakes.installations import MemoryInstallations
from tests.fakes.rows import BucketRows, page_after, row_key

LARGEST_ROW = 450_000


class MemoryDevices:
    def __init__(self, page_size: int = 100) -> None:
        self.rows = BucketRows[tuple[str, int, str], DeviceRecord]()
        self._history = BucketRows[tuple[str, int, str, str], History]()
        self.counts_rows = BucketRows[tuple[str, int, CounterKey], Mapping[Cell, int]]()
        self.listed_rows = BucketRows[tuple[str, int, ListedPlace], ListedDevice]()
        self._events: dict[tuple[str, int, str], DomainEvent] = {}
        self._past = MemoryInstallations()
        self.installations, self.drop_installations = self._past.of_device, self._past.drop
        self._memory: dict[tuple[str, int, str], Stored[DeviceRecord]] = {}
        self._groups: dict[Any, tuple[str, str | None]] = {}
        self._page_size = page_size

    def of_another_process(self) -> MemoryDevices:
        """The same rows as another process sees them, which remembers others."""
        other = copy(self)
        other._memory = {}
        return other

    def remembered(
        self, instance: str, bucket: int, keys: Iterable[str]
    ) -> Mapping[str, Stored[DeviceRecord]]:
        found = {key: self._memory.get((instance, bucket, key)) for key in keys}
        return {key: row for key, row in found.items() if row is not None}

    async def load(
        self, instance: str, bucket: int, keys: Sequence[str]
    ) -> Mapping[str, Stored[DeviceRecord]]:
        await asyncio.sleep(0)
        found = {key: self.rows.get((instance, bucket, key)) for key in keys}
        known = {key: row for key, row in found.items() if row is not None}
        self._memory |= {(instance, bucket, key): row for key, row in known.items()}
        return known

    async def commit(
        self, instance: str, bucket: int, writes: Sequence[DeviceWrite]
    ) -> Mapping[str, Stored[DeviceRecord]]:
        await asyncio.sleep(0)
        for write in writes:
            if len(msgspec.json.encode(write.after)) > LARGEST_ROW:
                raise InvalidInput("The row is too large.", target=write.after.key)
        places = [(instance, bucket, write.after.key) for write in writes]
        try:
            for place, write in zip(places, writes, strict=True):
                self.rows.check(place, write.before.etag if write.before else None)
                self._check_revisions(place, write)
            self._check_room(instance, bucket, writes)
        except ConcurrentUpdate:
            for place in places:
                self._memory.pop(place, None)
            raise
        for place, write in zip(places, writes, strict=True):
            self._write(instance, bucket, write)
            self._memory[place] = self.rows.put(place, write.after)
        return {place[2]: self._memory[place] for place in places}

    def _check_room(self, instance: str, bucket: int, writes: Sequence[DeviceWrite]) -> None:
        changes = net(with_booking(write.booking, {}) for write in writes)
        after = {
            place: apply(self._cells((instance, bucket, place)), cells)
            for place, cells in changes.items()
        }
        if not has_room((write.booking for write in writes), after):
            raise ConcurrentUpdate("The roll-out has no room here any more.")

    def _cells(self, place: tuple[str, int, CounterKey]) -> Mapping[Cell, int]:
        known = self.counts_rows.get(place)
        return known.value if known else {}

    def _write(self, instance: str, bucket: int, write: DeviceWrite) -> None:
        before, after = write.before.value if write.before else None, write.after
        workflow_id = resumed_workflow(before, after) or ""
        gone = self._history.delete((instance, bucket, workflow_id, after.key))
        assert gone is None or may_have_past(before, workflow_id), "a history would be overlooked"
        was = contribution(before) if before else {}
        revised = [(item.before.value, item.after) for item in write.revisions]
        gone_value = gone.value if gone else None
        changes = difference(was, contribution(after), write.history, gone_value, revised)
        for place, cells in with_booking(write.booking, changes).items():
            row = (instance, bucket, place)
            known = self.counts_rows.get(row)
            self.counts_rows.put(row, apply(known.value if known else {}, cells))
        made = [*([write.history] if write.history else []), *(new for _, new in revised)]
        for item in made:
            self._history.put((instance, bucket, item.workflow_id, after.key), item)
        if write.left_group is not None:
            self.listed_rows.delete((instance, bucket, (write.left_group, after.key)))
        if write.lists is not None:
            self.listed_rows.put((instance, bucket, write.lists.place), write.lists)
        for past in write.installations:
            self._past.rows[instance, bucket, after.key, past.position] = past
        for event in write.events:
            self._events[instance, bucket, event.identity] = event

    def _check_revisions(self, place: tuple[str, int, str], write: DeviceWrite) -> None:
        for item in write.revisions:
            known = self._history.get((*place[:2], item.before.value.workflow_id, place[2]))
            if known is None or known.value != item.before.value:
                raise ConcurrentUpdate("The history changed meanwhile.")

    async def of_bucket(
        self, instance: str, bucket: int, *, group: str | None = None, token: str | None = None
    ) -> Page[Stored[DeviceRecord]]:
        await asyncio.sleep(0)
        found = [
            (place[2], row)
            for place, row in sorted(self.rows.near(instance, bucket), key=row_key)
            if place[:2] == (instance, bucket)
            and (group is None or listed_group(row.value) == group)
        ]
        return page_after(found, token, self._page_size)

    async def find(
        self, instance: str, bucket: int, query: DeviceQuery, *, after: str, size: int
    ) -> Sequence[Stored[DeviceRecord]]:
        await asyncio.sleep(0)
        found = [
            row
            for place, row in sorted(self.rows.near(instance, bucket), key=row_key)
            if place[:2] == (instance, bucket) and place[2] > after and meets(row.value, query)
        ]
        return found[:size]

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
        await asyncio.sleep(0)
        if is_indexed:
            rows = [row.value for _, row in self.listed_rows.near(instance, bucket)]
        else:
            records = [row.value for _, row in self.rows.near(instance, bucket)]
            rows = [item for record in records if (item := listed(record)) is not None]
        found = [item for item in rows if item.key > after and wanted.has(item)]
        return sorted(found, key=lambda item: item.key)[:size]

    async def modules(
        self, instance: str, bucket: int, device_id: str
    ) -> Sequence[Stored[DeviceRecord]]:
        await asyncio.sleep(0)
        return [
            row
            for place, row in self.rows.items()
            if place[:2] == (instance, bucket) and place[2].startswith(device_id + "/")
        ]

    async def history(
        self,
        instance: str,
        bucket: int,
        workflow_id: str,
        *,
        after: str = "",
        size: int | None = None,
    ) -> Sequence[History]:
        await asyncio.sleep(0)
        wanted = (instance, bucket, workflow_id)
        found = [
            item.value
            for place, item in sorted(self._history.near(instance, bucket), key=row_key)
            if place[:3] == wanted and place[3] > after
        ]
        return found[:size]

    async def past(
        self, instance: str, bucket: int, workflow_id: str, device: str
    ) -> Stored[History] | None:
        await asyncio.sleep(0)
        return self._history.get((instance, bucket, workflow_id, device))

    async def events(self, instance: str, bucket: int, size: int) -> Sequence[DomainEvent]:
        await asyncio.sleep(0)
        rows = [row for row in self._events.items() if row[0][:2] == (instance, bucket)]
        return [item for _, item in sorted(rows, key=row_key)][:size]

    async def forget_events(
        self, instance: str, bucket: int, events: Sequence[DomainEvent]
    ) -> None:
        await asyncio.sleep(0)
        places = [(instance, bucket, item.identity) for item in events]
        if any(place not in self._events for place in places):
            raise ConcurrentUpdate("A row is gone.")
        for place in places:
            del self._events[place]

    async def counts(self, instance: str, bucket: int, group: str) -> Counts:
        await asyncio.sleep(0)
        return {
            place: row.value
            for (owner, number, place), row in self.counts_rows.near(instance, bucket)
            if (owner, number, place[0]) == (instance, bucket, group) and place[1] != LEDGER
        }

    async def due(
        self, instance: str, bucket: int, query: DueQuery, *, token: str | None = None
    ) -> Page[Stored[DeviceRecord]]:
        await asyncio.sleep(0)
        found = [
            (place[2], row)
            for place, row in sorted(self.rows.near(instance, bucket), key=row_key)
            if place[:2] == (instance, bucket)
            and self._group_of(place, row) == query.group
            and (row.value.is_pending or is_due(row.value, query))
        ]
        return page_after(found, token, self._page_size)

    def _group_of(self, place: Any, row: Stored[DeviceRecord]) -> str | None:
        """The column of the row, which is not worked out anew for every look."""
        etag, group = self._groups.get(place, ("", None))
        if etag != row.etag:
            group = listed_group(row.value)
            self._groups[place] = row.etag, group
        return group

    async def ledger(self, instance: str, bucket: int, group: str) -> Stored[Mapping[Cell, int]]:
        await asyncio.sleep(0)
        return self.counts_rows.get((instance, bucket, (group, LEDGER))) or Stored({}, "")

    async def save_ledger(
        self, instance: str, bucket: int, group: str, cells: Mapping[Cell, int], etag: str
    ) -> None:
        await asyncio.sleep(0)
        place = (instance, bucket, (group, LEDGER))
        self.counts_rows.check(place, etag or None)
        self.counts_rows.put(place, cells)

    async def tally(
        self, instance: str, bucket: int, group: str
    ) -> tuple[Counts, Mapping[Cell, int]]:
        ledger = self._cells((instance, bucket, (group, LEDGER)))
        return await self.counts(instance, bucket, group), ledger

    async def tally_with_devices(
        self, instance: str, bucket: int, group: str, kept: Kept
    ) -> tuple[Counts, Mapping[Cell, int], Sequence[ListedDevice]]:
        rows = self.listed_rows.near(instance, bucket)
        devices = [
            row.value
            for place, row in rows
            if place[:2] == (instance, bucket) and place[2][0] == group and kept.has(row.value)
        ]
        return *await self.tally(instance, bucket, group), devices

    async def histories(
        self, instance: str, bucket: int, *, token: str | None = None
    ) -> Page[Stored[History]]:
        await asyncio.sleep(0)
        rows = sorted(self._history.near(instance, bucket), key=row_key)
        found = [
            ("\n".join(place[2:]), item) for place, item in rows if place[:2] == (instance, bucket)
        ]
        return page_after(found, token, self._page_size)

    async def counter_rows(
        self, instance: str, bucket: int
    ) -> Mapping[CounterKey, Stored[Mapping[Cell, int]]]:
        await asyncio.sleep(0)
        rows = self.counts_rows.near(instance, bucket)
        return {
            place[2]: row
            for place, row in rows
            if place[:2] == (instance, bucket) and place[2][1] != LEDGER
        }

    async def listed_in(
        self, instance: str, bucket: int
    ) -> Mapping[ListedPlace, Stored[ListedDevice]]:
        await asyncio.sleep(0)
        rows = self.listed_rows.near(instance, bucket)
        return {place[2]: row for place, row in rows if place[:2] == (instance, bucket)}

    async def index(
        self,
        instance: str,
        bucket: int,
        devices: Sequence[Stored[DeviceRecord]],
        stale: Mapping[ListedPlace, Stored[ListedDevice]],
    ) -> None:
        await asyncio.sleep(0)
        for row in devices:
            self.rows.check((instance, bucket, row.value.key), row.etag)
        for place, gone in stale.items():
            self.listed_rows.check((instance, bucket, place), gone.etag)
        for row in devices:
            self.rows.put((instance, bucket, row.value.key), row.value)
            item = listed(row.value)
            if item is not None:
                self.listed_rows.put((instance, bucket, item.place), item)
        for place in stale:
            self.listed_rows.delete((instance, bucket, place))

    async def ledger_rows(
        self, instance: str, bucket: int
    ) -> Mapping[CounterKey, Stored[Mapping[Cell, int]]]:
        await asyncio.sleep(0)
        rows = self.counts_rows.near(instance, bucket)
        return {place[2]: row for place, row in rows if place[2][1] == LEDGER}

    async def correct(self, instance: str, bucket: int, corrections: Sequence[Correction]) -> None:
        await asyncio.sleep(0)
        for item in corrections:
            etag = item.found.etag if item.found else None
            self.counts_rows.check((instance, bucket, item.place), etag)
        for item in corrections:
            self._set_counts((instance, bucket, item.place), item.counted)

    async def forget(
        self, instance: str, bucket: int, histories: Sequence[Stored[History]]
    ) -> None:
        await asyncio.sleep(0)
        rows = [
            ((instance, bucket, row.value.workflow_id, row.value.key), row) for row in histories
        ]
        for place, row in rows:
            self._history.check(place, row.etag)
        for place, row in rows:
            self._history.delete(place)
            for key, cells in history_contribution(row.value).items():
                known = self.counts_rows.get((instance, bucket, key))
                less = {cell: -count for cell, count in cells.items()}
                left = apply(known.value if known else {}, less)
                self._set_counts((instance, bucket, key), left)

    async def drop(
        self, instance: str, bucket: int, devices: Sequence[Stored[DeviceRecord]]
    ) -> None:
        await asyncio.sleep(0)
        for row in devices:
            self.rows.check((instance, bucket, row.value.key), row.etag)
        for row in devices:
            self.rows.delete((instance, bucket, row.value.key))

    def _set_counts(self, place: tuple[str, int, CounterKey], cells: Mapping[Cell, int]) -> None:
        self.counts_rows.put(place, cells) if cells else self.counts_rows.delete(place)
