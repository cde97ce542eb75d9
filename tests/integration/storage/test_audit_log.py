"""One contract for the audit log in memory and in Table Storage."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, cast

import pytest

from shared.adapters.table import Table
from shared.adapters.table_audit import TableAudit
from shared.contract.audit_chain import Place
from shared.domain.audit import Actor, AuditQuery, Head, head_after, sealed
from shared.domain.errors import ConcurrentUpdate
from shared.services.audit.proof import AuditProof
from shared.services.audit.trail import AuditTrail
from tests.builders.audit import a_change
from tests.fakes.audit import MemoryAudit
from tests.fakes.clock import FixedClock
from tests.fakes.storage import MemoryBlobs

if TYPE_CHECKING:
    from shared.adapters.blobs import AzureBlobs
    from shared.adapters.storage import StorageAccounts
    from shared.domain.audit import Entry
    from shared.ports import AuditLog

NOON = "2024-05-01T12:00:00.000000+00:00"


@pytest.fixture(params=["memory", "tables"])
def entries(request: pytest.FixtureRequest) -> AuditLog:
    if request.param == "memory":
        return MemoryAudit()
    accounts = cast("StorageAccounts", request.getfixturevalue("accounts"))
    return TableAudit(Table(accounts, "Audit"))


async def add(entries: AuditLog, instance: str, now: str, **change: object) -> Entry:
    known = await entries.head(instance)
    entry = sealed(instance, a_change("r", **change), known.value if known else Head(), now)
    await entries.append(instance, entry, known.etag if known else None, None)
    return entry


async def test_an_entry_is_read_as_it_was_written(entries: AuditLog, instance: str) -> None:
    document = {"größe": [1, 2.5, None, True], "long": "x" * 40_000}

    entry = await add(entries, instance, NOON, before=document)

    assert await entries.get(instance, "2024-05-01", 1) == entry
    assert await entries.get(instance, "2024-05-01", 2) is None
    head = await entries.head(instance)
    assert head is not None
    assert head.value == head_after(entry)


async def test_only_one_of_two_writers_appends(entries: AuditLog, instance: str) -> None:
    first = sealed(instance, a_change("a"), Head(), NOON)
    second = sealed(instance, a_change("b"), Head(), NOON)
    etag = await entries.append(instance, first, None, None)

    with pytest.raises(ConcurrentUpdate):
        await entries.append(instance, second, None, None)
    third = sealed(instance, a_change("c"), head_after(first), NOON)
    await entries.append(instance, third, etag, None)
    with pytest.raises(ConcurrentUpdate):
        await entries.append(instance, third, etag, None)

    page = await entries.page(instance, AuditQuery(), token=None, size=10)
    assert [entry["requestId"] for entry in page.items] == ["c", "a"]


async def test_a_note_goes_with_its_entry(entries: AuditLog, instance: str) -> None:
    change = a_change("odd/ü", begun_at=NOON)

    assert await entries.begin(instance, change)
    assert not await entries.begin(instance, a_change("odd/ü", begun_at="later"))
    assert await entries.begun(instance, before="2025", size=10) == [change]
    assert list(await entries.begun(instance, before="2024", size=10)) == []
    entry = sealed(instance, change, Head(), NOON)
    etag = await entries.append(instance, entry, None, change.request_id)
    assert list(await entries.begun(instance, before="2025", size=10)) == []
    again = sealed(instance, change, head_after(entry), NOON)
    with pytest.raises(ConcurrentUpdate):
        await entries.append(instance, again, etag, change.request_id)


async def test_entries_are_listed_by_day_actor_and_target(entries: AuditLog, instance: str) -> None:
    for day in (1, 2, 3):
        for name in ("alice", "bob"):
            now = f"2024-05-0{day}T12:00:00.000000+00:00"
            actor = Actor(name * 100)
            await add(entries, instance, now, actor=actor, target=f"{name}/" + "~" * 900)

    async def numbers(**query: str) -> list[int]:
        found: list[int] = []
        token: str | None = None
        while True:
            page = await entries.page(instance, AuditQuery(**query), token=token, size=2)
            found += [entry["number"] for entry in page.items]
            token = page.token
            if token is None:
                return found

    assert await numbers() == [6, 5, 4, 3, 2, 1]
    assert await numbers(first_day="2024-05-02", last_day="2024-05-02") == [4, 3]
    assert await numbers(first_day="2024-05-03") == [6, 5]
    assert await numbers(last_day="2024-05-01") == [2, 1]
    assert await numbers(actor="bob" * 100) == [6, 4, 2]
    assert await numbers(target="alice/" + "~" * 900, first_day="2024-05-02") == [5, 3]
    assert await numbers(actor="bob" * 100, result="Conflict") == []
    assert await entries.newest_until(instance, "2024-04-30") is None
    newest = await entries.newest_until(instance, "2024-05-02")
    assert newest is not None
    assert newest.number == 4


async def test_a_closed_day_takes_no_more(entries: AuditLog, instance: str) -> None:
    await entries.close_day(instance, "2024-05-01")
    await add(entries, instance, NOON)
    await entries.close_day(instance, "2024-05-01")

    entry = await add(entries, instance, NOON)

    assert entry["day"] == "2024-05-02"


async def test_the_oldest_are_dropped_with_their_copies(entries: AuditLog, instance: str) -> None:
    for day in (1, 2):
        for _ in range(40):
            await add(entries, instance, f"2024-05-0{day}T12:00:00.000000+00:00")
    place = await entries.newest_until(instance, "2024-05-01")
    assert place is not None

    await entries.raise_floor(instance, place)
    dropped = [await entries.drop_before(instance, "2024-05-02", size=35) for _ in range(3)]

    assert dropped == [35, 5, 0]
    assert await entries.floor(instance) == place
    for query in (AuditQuery(), AuditQuery(actor="alice")):
        page = await entries.page(instance, query, token=None, size=100)
        assert {entry["day"] for entry in page.items} == {"2024-05-02"}
        assert len(page.items) == 40


async def test_ten_thousand_entries_are_proved_in_seconds(
    accounts: StorageAccounts, blobs: AzureBlobs, instance: str
) -> None:
    entries = TableAudit(Table(accounts, "Audit"))
    clock = FixedClock()
    await _fill(accounts, instance, 10_000)

    started = time.process_time()
    proof = await AuditProof(entries, blobs, clock).check(instance, None, None)
    spent = time.process_time() - started

    assert (proof.first, proof.entry_count) == (None, 10_000)
    assert spent < 30, f"{spent:.1f} s of processor time for 10,000 entries"


async def _fill(accounts: StorageAccounts, instance: str, count: int) -> None:
    """Write entries and the head by transactions of a hundred: the service's way takes longer."""
    from shared.adapters import table_audit
    from shared.adapters.table import create, key, pack

    table = Table(accounts, "Audit")
    partition, head = key(instance), Head()
    operations = []
    for number in range(count):
        entry = sealed(instance, a_change(f"r{number}"), head, NOON)
        head = head_after(entry)
        row = table_audit._rows_of(entry)[0]
        operations.append(create(partition, row, table_audit._properties(entry)))
    await table.upsert(partition, "head", pack(Head(Place(count, head.place.hash), head.day)))
    batches = [operations[at : at + 100] for at in range(0, count, 100)]
    for at in range(0, len(batches), 8):
        await asyncio.gather(*(table.transact(batch) for batch in batches[at : at + 8]))


async def test_two_processes_write_one_chain(accounts: StorageAccounts, instance: str) -> None:
    clock = FixedClock()
    processes = [AuditTrail(TableAudit(Table(accounts, "Audit")), clock) for _ in range(2)]

    async def write(each: int) -> None:
        async with processes[each % 2].change(instance, a_change(f"r{each}")):
            pass

    for at in range(0, 12, 2):
        await asyncio.gather(write(at), write(at + 1))

    proof = await AuditProof(processes[0].entries, MemoryBlobs(clock), clock).check(
        instance, None, None
    )
    assert (proof.first, proof.entry_count) == (None, 12)
