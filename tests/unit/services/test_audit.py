"""The audit log: nothing gets lost, and nothing can be tampered with unseen."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from shared.contract.audit_chain import entry_hash
from shared.services.audit.trail import AuditTrail
from tests.builders.audit import DAY, INSTANCE, Log, a_change
from tests.fakes.clock import FixedClock


async def test_a_log_that_nobody_touched_is_intact() -> None:
    log = await Log().fill()

    proof = await log.check()

    assert proof.first is None
    assert (proof.entry_count, proof.head.number, proof.anchor_count) == (12, 12, 2)


def changed(log: Log) -> int:
    log.entry(6)["result"] = "Forbidden"
    return 6


def changed_with_its_hash(log: Log) -> int:
    log.entry(6)["actor"]["objectId"] = "mallory"
    log.rehash(6)
    return 6


def hash_replaced(log: Log) -> int:
    log.entry(7)["hash"] = "f" * 64
    return 7


def link_replaced(log: Log) -> int:
    log.entry(7)["previousHash"] = "f" * 64
    return 7


def removed_in_the_middle(log: Log) -> int:
    del log.entries.rows[log.key(6)]
    return 6


def first_removed(log: Log) -> int:
    del log.entries.rows[log.key(1)]
    return 1


def last_removed(log: Log) -> int:
    del log.entries.rows[log.key(12)]
    return 12


def a_day_removed(log: Log) -> int:
    for number in range(5, 9):
        del log.entries.rows[log.key(number)]
    return 5


def inserted(log: Log) -> int:
    copy = {**log.entry(6), "number": 6, "day": "2024-05-01"}
    log.entries.rows[INSTANCE, "2024-05-01", 6] = copy
    return 6


def appended_behind_the_head(log: Log) -> int:
    last = log.entry(12)
    forged = {**last, "number": 13, "previousHash": last["hash"]}
    forged["hash"] = entry_hash(forged)
    log.entries.rows[INSTANCE, last["day"], 13] = forged
    return 13


def two_swapped(log: Log) -> int:
    six, seven = log.key(6), log.key(7)
    rows = log.entries.rows
    rows[six], rows[seven] = rows[seven], rows[six]
    return 6


def taken_from_another_instance(log: Log) -> int:
    log.entry(6)["instanceId"] = "elsewhere"
    log.rehash(6)
    return 6


def moved_to_another_day(log: Log) -> int:
    entry = log.entries.rows.pop(log.key(8))
    log.entries.rows[INSTANCE, "2024-05-03", 8] = entry
    return 8


def everything_after_it_forged(log: Log) -> int:
    log.entry(2)["after"] = {"each": 99}
    log.forge(2)
    return 4  # the anchor of the first day vouches for its last entry alone


def end_cut_off_with_the_head(log: Log) -> int:
    for number in range(6, 13):
        del log.entries.rows[log.key(number)]
    log.forge(5)
    return 6  # the anchor of the second day is about more entries


TAMPERINGS: list[Callable[[Log], int]] = [
    changed,
    changed_with_its_hash,
    hash_replaced,
    link_replaced,
    removed_in_the_middle,
    first_removed,
    last_removed,
    a_day_removed,
    inserted,
    appended_behind_the_head,
    two_swapped,
    taken_from_another_instance,
    moved_to_another_day,
    everything_after_it_forged,
    end_cut_off_with_the_head,
]


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda item: item.__name__)
async def test_tampering_is_found_and_the_first_bad_entry_named(
    tamper: Callable[[Log], int],
) -> None:
    log = await Log().fill()
    first_bad = tamper(log)

    proof = await log.check()

    assert proof.first is not None
    assert proof.first.number == first_bad, proof.first


async def test_a_range_of_days_is_checked_by_itself() -> None:
    log = await Log().fill()
    changed(log)

    assert (await log.check("2024-05-01", "2024-05-01")).first is None
    assert (await log.check("2024-05-03", "2024-05-03")).first is None
    found = (await log.check("2024-05-02", "2024-05-02")).first
    assert found is not None
    assert found.number == 6


async def test_an_anchor_is_written_once_and_for_every_day() -> None:
    log = await Log().fill(days=1)
    log.clock.advance(3 * DAY)

    await log.proof.anchor(INSTANCE)
    before = dict(log.blobs.contents)
    await log.proof.anchor(INSTANCE)

    assert log.blobs.names("audit") == [f"{INSTANCE}/2024-05-03.json"]
    assert log.blobs.contents == before
    log.clock.advance(2 * DAY)
    await log.proof.anchor(INSTANCE)
    assert [name[-7:-5] for name in log.blobs.names("audit")] == ["03", "04", "05"]


async def test_no_entry_gets_into_a_day_that_is_anchored() -> None:
    log = await Log().fill(days=2)
    slow = FixedClock("2024-05-01T23:59:59+00:00")

    async with AuditTrail(log.entries, slow).change(INSTANCE, a_change("slow")):
        pass

    assert log.entry(9)["day"] == "2024-05-02"
    assert log.entry(9)["dateTime"].startswith("2024-05-01T23:59:59")
    assert (await log.check()).first is None


async def test_dropped_days_leave_the_rest_provable() -> None:
    log = await Log().fill()
    floor = await log.entries.newest_until(INSTANCE, "2024-05-01")
    assert floor is not None
    await log.entries.raise_floor(INSTANCE, floor)

    half = await log.check()
    await log.entries.drop_before(INSTANCE, "2024-05-02", size=100)
    whole = await log.check()

    assert (half.first, half.entry_count) == (None, 8)
    assert (whole.first, whole.entry_count) == (None, 8)
    del log.entries.rows[log.key(5)]
    found = (await log.check()).first
    assert found is not None
    assert found.number == 5
