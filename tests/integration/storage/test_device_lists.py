"""Lists of devices over tables: what they have, and how many requests they and events send."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from shared.adapters.storage import StorageAccounts
from shared.adapters.table import Table
from shared.adapters.table_counters import TableCounters
from shared.adapters.table_device_rows import partition_of, range_of
from shared.adapters.table_devices import TableDevices
from shared.adapters.table_fleet import TableFleet
from shared.adapters.table_group_members import TableGroupMembers
from shared.adapters.table_passes import TablePasses
from shared.domain.fleet.counters import total
from shared.domain.fleet.device import DeviceRecord, DeviceState, bucket_of, fold, view
from shared.domain.fleet.kept import Kept, kept_of
from shared.domain.fleet.listing import ListedDevice, listed
from shared.domain.fleet.queries import DeviceFilter, selection
from shared.domain.fleet.whereabouts import whereabouts
from shared.domain.instant import seconds_between
from shared.ports import DeviceWrite, Rollup, Stored
from shared.services.devices.lists import DeviceLists
from shared.settings import Connection
from tests.builders.listed import FILTERS, NOW, a_fleet, within
from tests.fakes.clock import FixedClock
from tests.unit.domain.builders import V2, a_change, a_record, busy, started

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

SMALL, FEW = "small", "few"
ALL, RARE = 2_000, (5, 12, 39)
"""Devices that a roll-up keeps together at most: all of a group of 40, or what is rare in it."""


@dataclass
class Fleet:
    """Rows of a fleet in tables, what reads them, and the requests that are sent."""

    accounts: StorageAccounts
    instance: str = field(default_factory=lambda: f"i-{uuid.uuid4().hex}")
    clock: FixedClock = field(default_factory=FixedClock)
    requests: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.clock.advance(seconds_between(self.clock.now(), NOW))
        self.devices = TableDevices(Table(self.accounts, "Devices"))
        self.passes = TablePasses(Table(self.accounts, "Devices"))
        self.counters = TableCounters(Table(self.accounts, "Devices"))
        self.members = TableGroupMembers(Table(self.accounts, "Buckets"))
        self.fleet = TableFleet(
            buckets_table=Table(self.accounts, "Buckets"),
            groups_table=Table(self.accounts, "Groups"),
            classes_table=Table(self.accounts, "DeviceClasses"),
            rollups_table=Table(self.accounts, "Rollups"),
            clock=self.clock,
        )
        unused: Any = None
        self.lists = DeviceLists(
            devices=self.devices,
            fleet=self.fleet,
            deployments=unused,
            members=self.members,
            clock=self.clock,
        )

    async def write(self, records: Sequence[DeviceRecord]) -> None:
        for record in records:
            seen, bucket = view(record), bucket_of(record.device_id)
            assert seen.device_class is not None
            await self.fleet.ensure_known(self.instance, seen.group_id, bucket, seen.device_class)
            await self.devices.commit(self.instance, bucket, [DeviceWrite(None, record)])
        for known in await self.fleet.classes(self.instance):
            best = V2 if known.device_class.properties["model"] == "kiosk" else None
            class_id = known.device_class.class_id
            await self.fleet.set_best_update(self.instance, class_id, best)

    async def sum_up(self, group: str, *, most: int | None = None) -> None:
        """What a roll-up stores; `most` are the devices that it keeps together."""
        now, buckets = self.clock.now(), await self.fleet.buckets(self.instance, group)
        by_bucket = {
            bucket: (await self.passes.tally(self.instance, bucket, group))[0] for bucket in buckets
        }
        kept = None if most is None else kept_of(total(by_bucket.values()), now, most)
        if kept is not None:
            found = [
                await self.passes.tally_with_devices(self.instance, bucket, group, kept)
                for bucket in buckets
            ]
            assert {
                bucket: each[0] for bucket, each in zip(buckets, found, strict=True)
            } == by_bucket
            devices = [item for each in found for item in each[2]]
            assert all(kept.has(item) for item in devices)
            await self.members.replace(self.instance, group, kept, now, devices)
        rollup = Rollup(
            total(by_bucket.values()),
            now,
            len(buckets),
            where=whereabouts(by_bucket, group),
            kept=kept,
        )
        await self.fleet.save_rollup(self.instance, group, rollup)

    async def pages(self, wanted: DeviceFilter) -> list[ListedDevice]:
        found: list[ListedDevice] = []
        token: str | None = None
        while True:
            page = await self.lists.page(self.instance, wanted, token=token, size=20)
            found += page.items
            if (token := page.token) is None:
                return found

    async def cost(self, wanted: DeviceFilter) -> int:
        """Requests of a first page."""
        self.requests.clear()
        await self.lists.page(self.instance, wanted, token=None, size=20)
        return len(self.requests)


@pytest.fixture
async def fleet(accounts: StorageAccounts) -> AsyncIterator[Fleet]:
    connection = Connection(connection_string=accounts._state.connection_string)
    requests: list[Any] = []
    counted = StorageAccounts(connection, connection, lambda: None, requests.append)
    yield Fleet(counted, requests=requests)
    await counted.close()


async def test_lists_over_tables_have_what_a_look_at_every_device_has(fleet: Fleet) -> None:
    records = [*a_fleet(40, SMALL), *a_fleet(8, FEW, first=100)]
    await fleet.write(records)
    everything = [item for record in records if (item := listed(record)) is not None]
    latest = {
        known.device_class.class_id: known.best_update
        for known in await fleet.fleet.classes(fleet.instance)
    }
    await fleet.sum_up(FEW)

    async def check(*filters: DeviceFilter) -> None:
        for wanted in filters:
            selected = selection(wanted, fleet.clock.now(), latest)
            found = await fleet.pages(wanted)
            assert len(found) == len(set(found))
            assert set(found) == {item for item in everything if selected.has(item)}, wanted

    await fleet.sum_up(SMALL)
    await check(*FILTERS[1:], *(within(each, FEW) for each in FILTERS))
    await check(*(within(each, SMALL) for each in FILTERS[-2:]))
    for most in (ALL, *RARE):
        fleet.clock.advance(1)
        await fleet.sum_up(SMALL, most=most)
        await check(*(within(each, SMALL) for each in FILTERS))


async def test_page_of_a_small_group_is_two_requests_and_of_a_rare_failure_few(
    fleet: Fleet,
) -> None:
    await fleet.write(a_fleet(60, SMALL))
    await fleet.sum_up(SMALL, most=ALL)
    await fleet.cost(DeviceFilter())  # that the store is indexed is read once

    for wanted in FILTERS:
        if wanted.is_on_latest is None:
            assert await fleet.cost(within(wanted, SMALL)) == 2
    assert await fleet.cost(DeviceFilter(failure_code=0x30101001)) <= 3


async def test_page_of_what_is_rare_in_a_large_group_is_two_requests(fleet: Fleet) -> None:
    """A group of 60 is large where 59 are the most that is kept."""
    await fleet.write(a_fleet(60, SMALL))
    await fleet.sum_up(SMALL, most=59)
    await fleet.cost(DeviceFilter())

    for wanted in (
        DeviceFilter(group=SMALL, state=DeviceState.FAILED),
        DeviceFilter(group=SMALL, failure_code=0x30101001),
    ):
        assert await fleet.cost(wanted) == 2
    assert await fleet.cost(DeviceFilter(group=SMALL, id_prefix="dev-1")) > 2


async def test_members_of_a_group_follow_and_go(fleet: Fleet) -> None:
    first = [item for each in a_fleet(150, SMALL) if (item := listed(each)) is not None]
    wanted = selection(DeviceFilter(group=SMALL), NOW, {})

    place = (fleet.instance, SMALL, Kept(everything=True))
    await fleet.members.replace(*place, "t2", first)
    await fleet.members.replace(*place, "t1", [])
    await fleet.members.replace(*place, "t3", first[10:])
    await fleet.members.replace(fleet.instance, SMALL, Kept(failed=True), "t4", first[:1])

    found = await fleet.members.find(*place, wanted, after="", size=200)
    assert {item.key for item in found} == {item.key for item in first[10:]}
    await fleet.members.drop(*place)
    assert await fleet.members.find(*place, wanted, after="", size=200) == []


async def test_chunk_of_events_is_one_request_with_the_rows_of_lists(fleet: Fleet) -> None:
    names = [f"d{number}" for number in range(32)]
    records = [a_record(a_change(1, started(), device_id=name)) for name in names]
    await fleet.devices.commit(fleet.instance, 7, [DeviceWrite(None, each) for each in records])
    known = fleet.devices.remembered(fleet.instance, 7, names)

    fleet.requests.clear()
    await fleet.devices.commit(fleet.instance, 7, [changed(row) for row in known.values()])
    assert len(fleet.requests) == 1

    known = fleet.devices.remembered(fleet.instance, 7, names[:1])
    fleet.requests.clear()
    await fleet.devices.commit(
        fleet.instance, 7, [changed(row, version=3) for row in known.values()]
    )
    assert len(fleet.requests) == 1


def changed(row: Stored[DeviceRecord], version: int = 2) -> DeviceWrite:
    change = a_change(version, busy(f"w{version}"), device_id=row.value.device_id)
    return DeviceWrite(row, fold(row.value, change))


async def test_device_that_moves_is_in_the_lists_of_one_group(fleet: Fleet) -> None:
    record = a_record(a_change(1, started(), group="a"))
    written = await fleet.devices.commit(fleet.instance, 7, [DeviceWrite(None, record)])
    moved = fold(record, a_change(2, group="b"))
    await fleet.devices.commit(fleet.instance, 7, [DeviceWrite(written["d1"], moved)])

    assert list(await fleet.counters.listed_in(fleet.instance, 7)) == [("b", "d1")]
    condition, parameters = range_of(partition_of(fleet.instance, 7), "c", "b")
    rows = await Table(fleet.accounts, "Devices").all(condition, parameters)
    assert [bool(row.get("listed")) for row in rows] == [False, True]


async def test_recount_indexes_rows_without_lists(fleet: Fleet) -> None:
    records = [a_record(a_change(1, started(), device_id=f"d{number}")) for number in range(45)]
    await fleet.devices.commit(fleet.instance, 7, [DeviceWrite(None, each) for each in records])
    complete = await fleet.counters.listed_in(fleet.instance, 7)
    await fleet.counters.index(fleet.instance, 7, [], complete)
    assert await fleet.counters.listed_in(fleet.instance, 7) == {}
    page = await fleet.devices.of_bucket(fleet.instance, 7)

    await fleet.counters.index(fleet.instance, 7, page.items, {})

    mended = await fleet.counters.listed_in(fleet.instance, 7)
    assert {place: row.value for place, row in mended.items()} == {
        place: row.value for place, row in complete.items()
    }
