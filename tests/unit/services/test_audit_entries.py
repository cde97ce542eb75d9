"""What is written into the audit log, and how it is found."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contract.audit_chain import entry_hash
from shared.domain.audit import Actor, AuditQuery, Change, presentable
from shared.domain.errors import Conflict, DependencyFailed
from shared.domain.fleet.counters import TOTAL, deployment_cell
from shared.domain.fleet.deployment import RollbackPolicy
from shared.domain.fleet.device import DeviceState
from shared.domain.fleet.device_class import make_device_class
from shared.services.audit.trail import AuditTrail, automatic
from tests.builders.audit import DAY, INSTANCE, Log, a_change
from tests.builders.deployments import an_update
from tests.unit.domain.builders import V1, a_deployment
from tests.unit.services.world import INSTANCE as WORLD
from tests.unit.services.world import World

KIOSK = make_device_class("", {"manufacturer": "acme", "model": "kiosk"})


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
