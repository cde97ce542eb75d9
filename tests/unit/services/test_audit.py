"""The audit log: nothing gets lost, and nothing can be tampered with unseen."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contract.audit_chain import Place, entry_hash
from shared.domain.audit import Actor, AuditQuery, Change, Head, presentable
from shared.domain.errors import Conflict, DependencyFailed
from shared.domain.fleet.counters import TOTAL, deployment_cell
from shared.domain.fleet.deployment import RollbackPolicy
from shared.domain.fleet.device import DeviceState
from shared.domain.fleet.device_class import make_device_class
from shared.ports import Stored
from shared.services.audit.proof import AuditProof, Proof
from shared.services.audit.trail import AuditTrail, automatic
from tests.builders.audit import a_change
from tests.builders.deployments import an_update
from tests.fakes.audit import MemoryAudit
from tests.fakes.clock import FixedClock
from tests.fakes.storage import MemoryBlobs
from tests.unit.domain.builders import V1, a_deployment
from tests.unit.services.world import INSTANCE as WORLD
from tests.unit.services.world import World

INSTANCE = "factory"
DAY = 86_400.0
KIOSK = make_device_class("", {"manufacturer": "acme", "model": "kiosk"})


class Log:
    """A log with three days of four entries each; the first two days are anchored."""

    def __init__(self) -> None:
        self.entries = MemoryAudit()
        self.clock = FixedClock(step_seconds=1.0)
        self.blobs = MemoryBlobs(self.clock)
        self.trail = AuditTrail(self.entries, self.clock)

    async def fill(self, days: int = 3, a_day: int = 4) -> Log:
        for day in range(days):
            for each in range(a_day):
                async with self.trail.change(INSTANCE, a_change(f"{day}-{each}")) as outcome:
                    outcome.after = {"each": each}
            if day < days - 1:
                self.clock.advance(DAY)
                await self.proof.anchor(INSTANCE)
        return self

    @property
    def proof(self) -> AuditProof:
        return AuditProof(self.entries, self.blobs, self.clock)

    async def check(self, first: str | None = None, last: str | None = None) -> Proof:
        return await self.proof.check(INSTANCE, first, last)

    def entry(self, number: int) -> dict[str, Any]:
        return next(item for (_, _, at), item in self.entries.rows.items() if at == number)

    def key(self, number: int) -> tuple[str, str, int]:
        return next(key for key in self.entries.rows if key[2] == number)

    def rehash(self, number: int) -> None:
        """Give an entry the hash that fits what it says now."""
        self.entry(number)["hash"] = entry_hash(self.entry(number))

    def forge(self, number: int) -> None:
        """Chain all entries from one on anew, the head too, as who owns the table can."""
        last = max(key[2] for key in self.entries.rows)
        for at in range(number, last + 1):
            if at > 1:
                self.entry(at)["previousHash"] = self.entry(at - 1)["hash"]
            self.rehash(at)
        head = Head(Place(last, self.entry(last)["hash"]), self.entry(last)["day"])
        self.entries.heads[INSTANCE] = Stored(head, "forged")


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


async def test_a_refusal_is_written_down_with_its_reason() -> None:
    log = Log()

    with pytest.raises(Conflict):
        async with log.trail.change(INSTANCE, a_change("one", request={"a": 1})):
            raise Conflict("It exists already.")

    entry = log.entry(1)
    assert (entry["result"], entry["message"]) == ("Conflict", "It exists already.")
    assert entry["request"] == {"a": 1}


async def test_what_cannot_be_noted_is_not_done() -> None:
    log = Log()

    async def unreachable(instance: str, change: Change) -> bool:
        raise DependencyFailed("Storage cannot be reached.")

    log.entries.begin = unreachable  # type: ignore[method-assign]
    done = False
    with pytest.raises(DependencyFailed):
        async with log.trail.change(INSTANCE, a_change("one")):
            done = True
    assert not done


async def test_a_crash_leaves_a_note_that_becomes_an_entry() -> None:
    log = Log()
    await log.entries.begin(INSTANCE, a_change("one", begun_at=log.clock.now()))

    await log.trail.sweep(INSTANCE)
    assert log.entries.rows == {}
    log.clock.advance(3600)
    await log.trail.sweep(INSTANCE)
    await log.trail.sweep(INSTANCE)

    assert [entry["result"] for entry in log.entries.rows.values()] == ["Unknown"]
    assert (await log.check()).first is None


async def test_an_automatic_change_is_one_entry_however_often_it_is_tried() -> None:
    log = Log()
    change = automatic("rollback-1", "roll_back", "management/groups/g", "t", update="a/b/1.0")

    with pytest.raises(asyncio.CancelledError):
        async with log.trail.change(INSTANCE, change) as outcome:
            raise asyncio.CancelledError  # the process dies after the change
    async with log.trail.change(INSTANCE, change) as outcome:
        outcome.is_made = False  # it is there already, but nobody has written it down
    async with log.trail.change(INSTANCE, change) as outcome:
        outcome.is_made = False

    assert [(e["origin"], e["result"]) for e in log.entries.rows.values()] == [
        ("Automatic", "Succeeded")
    ]
    assert log.entries.notes == {}


async def test_writers_of_several_processes_make_one_chain() -> None:
    log = Log()

    async def write(process: AuditTrail, name: str) -> None:
        async with process.change(INSTANCE, a_change(name)):
            await asyncio.sleep(0)

    await asyncio.gather(
        *(
            write(AuditTrail(log.entries, log.clock) if each % 5 == 0 else log.trail, str(each))
            for each in range(20)
        )
    )
    await log.trail.sweep(INSTANCE)
    log.clock.advance(DAY)
    await log.trail.sweep(INSTANCE)

    assert (await log.check()).first is None
    assert {entry["requestId"] for entry in log.entries.rows.values()} == set(map(str, range(20)))


async def test_entries_are_found_by_who_and_what() -> None:
    log = await Log().fill(days=1)
    other = a_change("x", actor=Actor("bob"), action="delete_update", target="updates/x")
    async with log.trail.change(INSTANCE, other):
        pass

    async def found(**query: Any) -> int:
        page = await log.entries.page(INSTANCE, AuditQuery(**query), token=None, size=50)
        return len(page.items)

    assert await found(actor="alice") == 4
    assert await found(target="updates/x", action="delete_update") == 1
    assert await found(action="delete_update", result="Conflict") == 0


SAS = "https://store.example/c/f.bin?sv=2024&sig=abc%2Fdef"


@pytest.mark.parametrize(
    ("document", "kept"),
    [
        ({"url": SAS}, {"url": "https://store.example/c/f.bin"}),
        ([f"see {SAS} there"], ["see https://store.example/c/f.bin there"]),
        ({"a": {"clientSecret": "x"}}, {"a": {"clientSecret": "[removed]"}}),
        ({"u": "https://user:pw@host/x"}, {"u": "https://host/x"}),
        (None, None),
    ],
)
def test_no_secret_is_kept(document: Any, kept: Any) -> None:
    assert presentable(document) == kept


def test_what_is_large_is_kept_as_its_hash() -> None:
    found = presentable({"text": "x" * 100_000})

    assert found["isTruncated"]
    assert len(json.dumps(found)) < 200


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)


@settings(deadline=None)
@given(JSON)
def test_the_hash_survives_storage_and_transport(document: Any) -> None:
    entry = {"number": 1, "before": document}

    assert entry_hash(json.loads(json.dumps(entry))) == entry_hash(entry)


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 12), st.sampled_from(["result", "dateTime", "target", "requestId", "id"]))
async def test_any_change_of_any_entry_is_found(number: int, member: str) -> None:
    log = await Log().fill()
    log.entry(number)[member] += "x"

    found = (await log.check()).first

    assert found is not None
    assert found.number == number


async def test_a_rollback_stands_in_the_log_once_though_it_is_looked_at_often() -> None:
    world = World()
    policy = RollbackPolicy(V1, 0, 1)
    deployment = a_deployment(rollback_policy=policy)
    await world.updates.add(WORLD, an_update(V1))
    await world.deployments.add(WORLD, deployment)
    await world.fleet.ensure_known(WORLD, "$default", 0, KIOSK)
    failed = deployment_cell(deployment.workflow_id, DeviceState.FAILED)
    counts = {("$default", KIOSK.class_id): {TOTAL: 2, failed: 1}}
    rollbacks = world.rollup.rollbacks

    for _ in range(2):
        await rollbacks.check(WORLD, "$default", counts)

    ((origin, action, target),) = world.audited()
    assert (origin, action) == ("Automatic", "roll_back_deployment")
    assert target.startswith("management/groups/$default/deployments/deployment-w1-rollback-")
