"""Device rows in Table Storage: what is written is what is read, and counters stay exact."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from shared.adapters.storage import StorageAccounts
from shared.domain.domain_event import DomainEvent, EventKind
from shared.domain.errors import ConcurrentUpdate
from shared.domain.fleet.counters import (
    contribution,
    history_contribution,
    moved_on,
    outcome_in,
    total,
)
from shared.domain.fleet.deployment import DeviceCommand
from shared.domain.fleet.device import DeviceRecord, DeviceState, fold, fold_connection, view
from shared.domain.fleet.device_history import Installation
from shared.ports import DeviceWrite, Revision, Stored
from tests.builders.ports import every
from tests.integration.storage.conftest import Ports, tables_of
from tests.unit.domain.builders import (
    V1,
    a_change,
    a_command,
    a_record,
    failed,
    started,
    succeeded,
)


async def write(
    ports: Ports, instance: str, bucket: int, *records: DeviceRecord
) -> dict[str, Stored[DeviceRecord]]:
    known = await ports.devices.load(instance, bucket, [record.key for record in records])
    writes = [
        DeviceWrite(
            known.get(record.key),
            record,
            moved_on(known[record.key].value if record.key in known else None, record),
        )
        for record in records
    ]
    await ports.devices.commit(instance, bucket, writes)
    return dict(await ports.devices.load(instance, bucket, [record.key for record in records]))


async def assert_exact(
    ports: Ports, instance: str, bucket: int, groups: set[str], workflows: set[str]
) -> None:
    page = await ports.devices.of_bucket(instance, bucket)
    rows = await every(page, lambda token: ports.devices.of_bucket(instance, bucket, token=token))
    expected = [contribution(row.value) for row in rows]
    for workflow_id in workflows:
        moved = await ports.devices.history(instance, bucket, workflow_id)
        expected += [history_contribution(item) for item in moved]
    found = total([await ports.devices.counts(instance, bucket, group) for group in groups])
    shown = {place: cells for place, cells in found.items() if any(cells.values())}
    assert shown == total(expected)


def a_device(number: int, group: str = "", commanded: DeviceCommand | None = None) -> DeviceRecord:
    device = f"device/{number:03d}"
    return a_record(a_change(2, started(), device_id=device, group=group), commanded=commanded)


async def test_device_is_read_as_it_was_written(ports: Ports, instance: str) -> None:
    record = a_record(
        a_change(2, started(), module_id="m.1", group="lobby", is_whole=True),
        a_change(3, failed(), module_id="m.1"),
        a_change(
            4, {"deviceUpdate": {"agent": {"deviceProperties": {"x": None}}}}, module_id="m.1"
        ),
        commanded=replace(a_command(retry_timestamp="t"), file_ids=("f1", "f2")),
    )
    record = fold_connection(record, is_connected=True, sequence_number="1f")

    rows = await write(ports, instance, 7, record)

    assert rows[record.key].value == record
    assert await ports.devices.load(instance, 8, [record.key]) == {}
    assert await ports.devices.load(instance + "x", 7, [record.key]) == {}
    assert view(rows[record.key].value) == view(record)


async def test_events_and_installations_are_written_with_the_device(
    ports: Ports, instance: str
) -> None:
    record = a_device(1, commanded=a_command("w1"))
    ended = [
        DomainEvent(
            identity=f"{number:032x}",
            kind=EventKind.DEVICE_FAILED,
            subject=f"d{number}",
            at="",
            data={"a": [1]},
        )
        for number in range(5)
    ]
    older, newer = (
        Installation(
            update_id=V1,
            state=DeviceState.FAILED,
            started_at=f"2026-01-0{day}T00:00:00+00:00",
            ended_at="",
            identity=f"w{day}",
            deployment_id="d",
        )
        for day in (1, 2)
    )
    writes = [DeviceWrite(None, record, events=tuple(ended), installations=(older, newer))]

    await ports.devices.commit(instance, 5, writes)

    assert list(await ports.devices.events(instance, 5, 3)) == ended[:3]
    assert await ports.devices.events(instance, 6, 3) == []
    await ports.devices.forget_events(instance, 5, ended[1:3])
    with pytest.raises(ConcurrentUpdate):
        await ports.devices.forget_events(instance, 5, ended[2:])
    kept = [ended[0], *ended[3:]]
    assert list(await ports.devices.events(instance, 5, 100)) == kept
    past = await ports.devices.installations(instance, 5, record.key, size=5)
    assert list(past) == [newer, older]
    following = await ports.devices.installations(
        instance, 5, record.key, after=newer.position, size=5
    )
    assert list(following) == [older]
    assert await ports.devices.drop_installations(instance, 5, "2026-01-01", size=5) == 0
    assert await ports.devices.drop_installations(instance, 5, "2026-01-02", size=5) == 1
    assert list(await ports.devices.installations(instance, 5, record.key, size=5)) == [newer]


async def test_history_is_revised_with_its_counters(ports: Ports, instance: str) -> None:
    record = a_device(1, commanded=a_command("w1"))
    await write(ports, instance, 5, record)
    moved = replace(record, commanded=a_command("w2"))
    rows = await write(ports, instance, 5, moved)
    past = await ports.devices.past(instance, 5, "w1", record.key)
    assert past is not None
    late = fold(moved, a_change(9, succeeded(), device_id=record.device_id))
    revision = Revision(past, outcome_in(late, a_command("w1")))
    writes = [DeviceWrite(rows[record.key], late, revisions=(revision,))]

    await ports.devices.commit(instance, 5, writes)

    (found,) = await ports.devices.history(instance, 5, "w1")
    assert found.state is DeviceState.SUCCEEDED
    await assert_exact(ports, instance, 5, {"$default"}, {"w1", "w2"})
    row = (await ports.devices.load(instance, 5, [record.key]))[record.key]
    with pytest.raises(ConcurrentUpdate):
        await ports.devices.commit(instance, 5, [DeviceWrite(row, late, revisions=(revision,))])


async def test_device_write_is_refused_when_the_row_changed(ports: Ports, instance: str) -> None:
    first = (await write(ports, instance, 1, a_device(1)))["device/001"]
    await write(
        ports, instance, 1, fold(first.value, a_change(5, succeeded(), device_id="device/001"))
    )
    stale = [
        DeviceWrite(None, a_device(2)),
        DeviceWrite(first, fold(first.value, a_change(6, failed(), device_id="device/001"))),
    ]

    for writes in (stale, [DeviceWrite(None, a_device(1))]):
        with pytest.raises(ConcurrentUpdate):
            await ports.devices.commit(instance, 1, writes)

    assert await ports.devices.load(instance, 1, ["device/002"]) == {}
    await assert_exact(ports, instance, 1, {"$default"}, set())


async def test_counters_follow_devices_that_come_change_and_move_on(
    ports: Ports, instance: str
) -> None:
    groups = {"$default", "lobby", "hall"}
    records = [a_device(number) for number in range(5)]
    await write(ports, instance, 2, *records)
    await assert_exact(ports, instance, 2, groups, set())

    for workflow_id in ("w1", "w2", "w1", "w3"):
        records = [
            replace(item, commanded=a_command(workflow_id, group_id="lobby")) for item in records
        ]
        await write(ports, instance, 2, *records)
        await assert_exact(ports, instance, 2, groups, {"w1", "w2", "w3"})

    moved = await ports.devices.history(instance, 2, "w1")
    assert sorted(item.device_id for item in moved) == [item.key for item in records]
    assert await ports.devices.history(instance, 2, "w3") == []
    gone = [DeviceRecord(item.device_id, deleted_at="t") for item in records]
    await write(ports, instance, 2, *gone)
    await assert_exact(ports, instance, 2, groups, {"w1", "w2", "w3"})
    assert len(await ports.devices.history(instance, 2, "w3")) == 5


async def test_many_devices_move_at_once_between_many_groups(ports: Ports, instance: str) -> None:
    def everyone(version: int, workflow_id: str) -> list[DeviceRecord]:
        return [
            replace(
                a_device(number, f"group-{version}-{number}"),
                commanded=a_command(workflow_id, group_id=f"asked-{version}-{number}"),
            )
            for number in range(45)
        ]

    await write(ports, instance, 3, *everyone(1, "w1"))
    await write(ports, instance, 3, *everyone(2, "w2"))
    await write(ports, instance, 3, *everyone(3, "w1"))

    groups = {
        f"{kind}-{v}-{n}" for kind in ("group", "asked") for v in (1, 2, 3) for n in range(45)
    }
    chosen = {group for group in groups if group.endswith(("-0", "-44", "-17"))}
    for group in chosen:
        counts = await ports.devices.counts(instance, 3, group)
        cells = [cells for cells in counts.values() if cells]
        assert len(cells) == (0 if group.startswith(("group-1", "group-2", "asked-1")) else 1), (
            group
        )
    assert len(await ports.devices.history(instance, 3, "w2")) == 45
    assert await ports.devices.history(instance, 3, "w1") == []


async def test_counters_are_exact_when_workers_race(ports: Ports, instance: str) -> None:
    async def worker(number: int) -> None:
        for version in range(3, 7):
            while True:
                known = await ports.devices.load(instance, 4, ["device/001"])
                row = known.get("device/001")
                record = row.value if row else a_device(1)
                report = succeeded(V1) if number % 2 else failed()
                change = a_change(
                    version * 10 + number, report, device_id="device/001", group=f"g{number}"
                )
                after = fold(record, change)
                try:
                    await ports.devices.commit(instance, 4, [DeviceWrite(row, after)])
                except ConcurrentUpdate:
                    continue
                break

    await asyncio.gather(*(worker(number) for number in range(3)))

    rows = await ports.devices.load(instance, 4, ["device/001"])
    assert view(rows["device/001"].value).group_id == "g2"
    await assert_exact(ports, instance, 4, {"$default", "g0", "g1", "g2"}, set())


async def test_counters_are_exact_when_two_processes_share_a_bucket(
    accounts: StorageAccounts, instance: str
) -> None:
    one, other = tables_of(accounts), tables_of(accounts)

    for number, ports in enumerate([one, other, one, other, other, one]):
        while True:
            try:
                await write(ports, instance, 5, a_device(number))
            except ConcurrentUpdate:
                continue
            break

    (cells,) = (await one.devices.counts(instance, 5, "$default")).values()
    assert cells["total"] == 6


async def test_bucket_lists_its_devices_of_one_group(ports: Ports, instance: str) -> None:
    unclassed = a_record(a_change(2, failed(), device_id="device/900"))
    await write(
        ports, instance, 6, *(a_device(n, "lobby" if n % 2 else "") for n in range(6)), unclassed
    )
    await write(ports, instance, 7, a_device(99, "lobby"))

    everything = await ports.devices.of_bucket(instance, 6)
    lobby = await ports.devices.of_bucket(instance, 6, group="lobby")

    assert [row.value.device_id for row in everything.items] == [
        *(f"device/{n:03d}" for n in range(6)),
        "device/900",
    ]
    assert [row.value.device_id for row in lobby.items] == [
        "device/001",
        "device/003",
        "device/005",
    ]
    assert (await ports.devices.of_bucket(instance, 6, group="none")).items == []
    assert await ports.devices.counts(instance, 6, "lob") == {}


async def test_modules_of_a_device_are_found_and_nobody_elses(ports: Ports, instance: str) -> None:
    keys = [("d", None), ("d", "m.1"), ("d", "m2"), ("d-m", "m3"), ("d.", "m4")]
    records = [DeviceRecord(device, module, deleted_at="2024") for device, module in keys]
    await ports.devices.commit(instance, 7, [DeviceWrite(None, record) for record in records])

    found = await ports.devices.modules(instance, 7, "d")

    assert {row.value.key for row in found} == {"d/m.1", "d/m2"}
