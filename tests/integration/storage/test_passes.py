"""What passes of roll-outs read and write down, in memory and in Table Storage."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import cast

import pytest

from shared.adapters.storage import StorageAccounts
from shared.adapters.table import Table
from shared.adapters.table_device_rows import partition_of
from shared.adapters.table_devices import TableDevices
from shared.adapters.table_hub_budget import TableHubBudget
from shared.adapters.table_passes import TablePasses
from shared.domain.errors import ConcurrentUpdate
from shared.domain.fleet.asking import given
from shared.domain.rollouts.ledger import Booking, asks_of, ledger_of, passed, postponed
from shared.domain.rollouts.selection import PLACES, rank_of
from shared.ports import Devices, DeviceWrite, DueQuery, Passes, Rollup, Stored
from tests.fakes.clock import FixedClock
from tests.fakes.devices import MemoryDevices
from tests.integration.storage.conftest import tables_of
from tests.unit.domain.builders import (
    LONG_AGO,
    V2,
    a_change,
    a_command,
    a_record,
    started,
    succeeded,
)

NAMES = [f"d{number}" for number in range(12)]
HALF = PLACES // 2


@pytest.fixture(params=["memory", "tables"])
def both(request: pytest.FixtureRequest) -> tuple[Devices, Passes]:
    if request.param == "memory":
        devices = MemoryDevices()
        return devices, devices
    accounts = cast("StorageAccounts", request.getfixturevalue("accounts"))
    table = Table(accounts, "Devices")
    return TableDevices(table), TablePasses(table)


async def added(devices: Devices, instance: str) -> dict[str, Stored[object]]:
    writes = [DeviceWrite(None, a_record(a_change(2, started(), device_id=name))) for name in NAMES]
    return dict(await devices.commit(instance, 5, writes))


async def found(passes: Passes, instance: str, query: DueQuery) -> set[str]:
    names, token = set[str](), None
    while True:
        page = await passes.due(instance, 5, query, token=token)
        names |= {row.value.device_id for row in page.items}
        if (token := page.token) is None:
            return names


async def test_pass_finds_devices_by_what_they_were_asked_and_by_rank(
    both: tuple[Devices, Passes], instance: str
) -> None:
    devices, passes = both
    rows = await added(devices, instance)
    asked, had, pending, other, withdrawn = NAMES[:5]
    workflows = {asked: "w1", had: "w1", pending: "w2", other: "w2", withdrawn: "w1"}
    for name, workflow in workflows.items():
        before = cast("Stored[object]", rows[name])
        record = given(before.value, a_command(workflow), LONG_AGO)  # type: ignore[arg-type]
        record = replace(record, is_pending=name == pending)
        if name == withdrawn:
            command = replace(a_command("w1"), is_cancel=True, withdrawn_at=LONG_AGO)
            record = replace(record, commanded=command)
        if name == had:
            record = a_record(
                a_change(2, started(), device_id=name),
                a_change(3, succeeded(V2, "w1"), device_id=name),
                commanded=a_command("w1"),
            )
        await devices.commit(instance, 5, [DeviceWrite(before, record)])  # type: ignore[arg-type]
    everybody = set(NAMES)

    unasked = DueQuery("$default", "w1", asked=False)
    assert await found(passes, instance, unasked) == everybody - {asked, had}
    assert await found(passes, instance, replace(unasked, asked=True)) == everybody - {had}
    only_asked = DueQuery("$default", "w1", unasked=False)
    assert await found(passes, instance, only_asked) == {asked, withdrawn, pending}
    only_pending = DueQuery("$default", "", unasked=False, asked=False)
    assert await found(passes, instance, only_pending) == {pending}
    lower = {name for name in NAMES if rank_of(name) < HALF}
    ranked = replace(unasked, ranks=((0, HALF),))
    assert await found(passes, instance, ranked) == ((lower - {asked, had}) | {withdrawn, pending})
    nobody_new = replace(unasked, ranks=())
    assert await found(passes, instance, nobody_new) == {withdrawn, pending}
    assert await found(passes, instance, replace(unasked, group="lobby")) == set()


async def test_pass_finds_rows_that_an_earlier_release_wrote(
    accounts: StorageAccounts, instance: str
) -> None:
    table = Table(accounts, "Devices")
    devices, passes = TableDevices(table), TablePasses(table)
    await added(devices, instance)
    partition = partition_of(instance, 5)
    for row in await table.all("PartitionKey eq @partition", {"partition": partition}):
        kept = {name: value for name, value in row.items() if name not in _NEW}
        await table.upsert(partition, str(row["RowKey"]), kept)

    query = DueQuery("$default", "w1", ranks=((5, 6),), asked=False)

    assert await found(passes, instance, query) == set(NAMES)


_NEW = ("workflow", "rank", "pending", "PartitionKey", "RowKey")


async def test_asks_beyond_the_allowance_are_refused_whoever_makes_them(
    both: tuple[Devices, Passes], instance: str
) -> None:
    devices, passes = both
    rows = await added(devices, instance)
    booking = Booking("$default", "w1", is_member=True, most_asks=3, most_members=2)

    def claim(name: str, *, is_member: bool) -> DeviceWrite:
        before = cast("Stored[object]", rows[name])
        after = given(before.value, a_command("w1"), LONG_AGO)  # type: ignore[arg-type]
        booked = replace(booking, is_member=is_member)
        return DeviceWrite(before, after, booking=booked)  # type: ignore[arg-type]

    await devices.commit(instance, 5, [claim(name, is_member=True) for name in NAMES[:2]])
    with pytest.raises(ConcurrentUpdate):
        await devices.commit(instance, 5, [claim(NAMES[2], is_member=True)])
    await devices.commit(instance, 5, [claim(NAMES[2], is_member=False)])
    with pytest.raises(ConcurrentUpdate):
        await devices.commit(instance, 5, [claim(NAMES[3], is_member=False)])

    ledger = await passes.ledger(instance, 5, "$default")
    assert asks_of(ledger.value, "w1") == (3, 2)
    counts, beside = await passes.tally(instance, 5, "$default")
    assert beside == ledger.value
    assert counts == await devices.counts(instance, 5, "$default")
    assert all(class_id != "-" for _, class_id in counts)


async def test_ledger_is_written_only_over_what_was_read(
    both: tuple[Devices, Passes], instance: str
) -> None:
    _, passes = both
    none = await passes.ledger(instance, 5, "$default")
    first = passed(none.value, "w1", phase=0, due=4, held=0, next_at="")
    await passes.save_ledger(instance, 5, "$default", first, none.etag)

    with pytest.raises(ConcurrentUpdate):
        await passes.save_ledger(instance, 5, "$default", first, none.etag)
    known = await passes.ledger(instance, 5, "$default")
    later = postponed(known.value, "w1", due=1, held=2, next_at=LONG_AGO)
    await passes.save_ledger(instance, 5, "$default", later, known.etag)

    ledger = ledger_of((await passes.ledger(instance, 5, "$default")).value, "w1")
    assert (ledger.phase, ledger.due, ledger.held, bool(ledger.next_at)) == (0, 5, 2, True)
    assert not ledger.covers(0)


async def test_fan_outs_take_their_turns_on_the_timeline_of_the_hub(
    accounts: StorageAccounts, instance: str
) -> None:
    clock = FixedClock()
    processes = [TableHubBudget(Table(accounts, "Deployments"), clock) for _ in range(2)]

    waits = [round(await each.reserve(instance, 600)) for each in processes]
    clock.advance(3600)

    assert waits == [0, 600]
    assert round(await processes[0].reserve(instance, 1)) == 0
    deployments = tables_of(accounts).deployments
    assert await deployments.of_instance(instance) == []


async def test_rollup_of_a_thousand_deployments_in_many_classes_is_kept(
    accounts: StorageAccounts, instance: str
) -> None:
    draw = random.Random(7)
    counts = {
        ("lobby", f"{number:040x}"): {
            f"deployment:{state}:{draw.randbytes(16).hex()}": draw.randrange(1, 9999)
            for state in ("Succeeded", "Failed")
            for _ in range(1000)
        }
        for number in range(8)
    }
    fleet = tables_of(accounts).fleet

    await fleet.save_rollup(instance, "lobby", Rollup(counts, LONG_AGO, 256))

    assert (await fleet.rollups(instance, "lobby"))["lobby"].counts == counts
    last = await fleet.last_rollup(instance, "lobby")
    assert last is not None
    assert (last.as_of, last.buckets) == (LONG_AGO, 256)
