from __future__ import annotations

import asyncio

import pytest

from shared.domain.errors import Conflict, NotFound
from shared.domain.fleet.deployment_edit import DeploymentRequest
from shared.domain.operation import OperationStatus
from shared.domain.updates.update_id import UpdateId
from shared.services.operations import MAX_ATTEMPTS
from shared.services.updates.deletion import DeleteUpdate
from tests.builders.delete_update import publish
from tests.unit.domain.builders import a_change, started
from tests.unit.services.world import INSTANCE, World, a_source_manifest, offer

FIRST, SECOND = UpdateId("acme", "kiosk", "1.0"), UpdateId("acme", "kiosk", "2.0")
PARENT = UpdateId("acme", "bundle", "1.0")
SHARED, OWN = b"in both", b"in the first alone"


async def publish_parent(world: World, child: UpdateId) -> None:
    steps = [{"type": "reference", "updateId": child.to_wire()}]
    document = a_source_manifest(
        {},
        updateId=PARENT.to_wire(),
        compatibility=[{"model": "bundle"}],
        instructions={"steps": steps},
    )
    del document["files"]
    await world.imports.start(INSTANCE, [offer(world, document, {})], "trace")
    await world.drain()


async def two_updates(world: World) -> None:
    await publish(world, FIRST, {"shared.bin": SHARED, "own.bin": OWN})
    await publish(world, SECOND, {"shared.bin": SHARED})


def contents(world: World) -> set[bytes]:
    return {world.blobs.contents["content", name][0] for name in world.blobs.names("content")}


async def test_deletion_is_complete_after_a_crash_at_any_port_call() -> None:
    quiet = World()
    await two_updates(quiet)
    before = quiet.faults.calls
    await quiet.delete_update.start(INSTANCE, FIRST, "trace")
    begun = quiet.faults.calls
    await quiet.drain()
    calls = quiet.faults.calls - before
    assert calls > begun - before + 8

    for call in range(begun - before + 1, calls + 1):
        world = World()
        await two_updates(world)
        world.faults.crash_at(call)
        identity = await world.delete_update.start(INSTANCE, FIRST, "trace")
        await world.settle()

        operation = await world.operation(identity)
        assert operation.status is OperationStatus.SUCCEEDED, call
        assert await world.published() == [SECOND], call
        assert contents(world) == {SHARED}, call


async def test_update_that_another_refers_to_stays() -> None:
    world = World()
    await publish(world, FIRST, {"own.bin": OWN})
    await publish_parent(world, FIRST)

    with pytest.raises(Conflict, match="acme/bundle"):
        await world.delete_update.start(INSTANCE, FIRST, "trace")

    await world.delete_update.start(INSTANCE, PARENT, "trace")
    await world.drain()
    assert OWN in contents(world)
    await world.delete_update.start(INSTANCE, FIRST, "trace")
    await world.drain()
    assert await world.published() == []
    assert contents(world) == set()


async def a_family(world: World, *, is_deployable: bool = False) -> None:
    """One import of a parent and its child."""
    files = {"own.bin": OWN}
    child = a_source_manifest(files, updateId=FIRST.to_wire(), isDeployable=is_deployable)
    steps = [{"type": "reference", "updateId": FIRST.to_wire()}]
    parent = a_source_manifest(
        {},
        updateId=PARENT.to_wire(),
        compatibility=[{"model": "bundle"}],
        instructions={"steps": steps},
    )
    del parent["files"]
    offers = [offer(world, parent, {}), offer(world, child, files)]
    await world.imports.start(INSTANCE, offers, "trace")
    await world.drain()
    assert set(await world.published()) == {FIRST, PARENT}


async def test_deleting_a_parent_takes_the_children_that_were_imported_with_it() -> None:
    world = World()
    await a_family(world)

    await world.delete_update.start(INSTANCE, PARENT, "trace")
    await world.drain()

    assert await world.published() == []
    assert contents(world) == set()


async def test_deleting_a_parent_leaves_a_child_that_can_be_deployed() -> None:
    world = World()
    await a_family(world, is_deployable=True)

    await world.delete_update.start(INSTANCE, PARENT, "trace")
    await world.drain()

    assert await world.published() == [FIRST]
    assert OWN in contents(world)


async def test_deleting_a_parent_leaves_a_child_that_another_refers_to() -> None:
    world = World()
    await a_family(world)
    other = UpdateId("acme", "bundle", "2.0")
    document = a_source_manifest(
        {},
        updateId=other.to_wire(),
        compatibility=[{"model": "bundle"}],
        instructions={"steps": [{"type": "reference", "updateId": FIRST.to_wire()}]},
    )
    del document["files"]
    await world.imports.start(INSTANCE, [offer(world, document, {})], "trace")
    await world.drain()

    identity = await world.delete_update.start(INSTANCE, PARENT, "trace")
    await world.drain()

    assert (await world.operation(identity)).status is OperationStatus.SUCCEEDED
    assert set(await world.published()) == {FIRST, other}
    assert OWN in contents(world)
    kept = await world.updates.get(INSTANCE, FIRST)
    assert kept is not None
    assert not kept.value.is_being_deleted


async def test_deletion_of_a_family_is_complete_after_a_crash_at_any_port_call() -> None:
    quiet = World()
    await a_family(quiet)
    before = quiet.faults.calls
    await quiet.delete_update.start(INSTANCE, PARENT, "trace")
    begun = quiet.faults.calls - before
    await quiet.drain()

    for call in range(begun + 1, quiet.faults.calls - before + 1):
        world = World()
        await a_family(world)
        world.faults.crash_at(call)
        await world.delete_update.start(INSTANCE, PARENT, "trace")
        await world.settle()

        assert await world.published() == [], call
        assert contents(world) == set(), call


async def test_update_deployed_while_its_deletion_waits_stays() -> None:
    world = World()
    await publish(world, FIRST, {"own.bin": OWN})
    await world.tell(a_change(2, started()))
    await world.drain()
    identity = await world.delete_update.start(INSTANCE, FIRST, "trace")
    await world.deploy.create(
        INSTANCE, DeploymentRequest("d1", "$default", FIRST, "2024-01-01T00:00:00+00:00")
    )
    await world.drain()

    operation = await world.operation(identity)
    assert operation.status is OperationStatus.FAILED
    assert operation.failure is not None
    assert "$default/d1" in operation.failure.message
    stored = await world.updates.get(INSTANCE, FIRST)
    assert stored is not None
    assert not stored.value.is_being_deleted
    assert OWN in contents(world)


async def test_deployment_and_deletion_at_once_never_both_succeed() -> None:
    outcomes = set()
    for turns in range(-24, 25, 2):
        world = World()
        await publish(world, FIRST, {"own.bin": OWN})
        await world.tell(a_change(2, started()))
        await world.drain()
        identity = await world.delete_update.start(INSTANCE, FIRST, "trace")

        async def deploy(world: World = world, turns: int = turns) -> bool:
            await _wait(turns)
            request = DeploymentRequest("d1", "$default", FIRST, "2024-01-01T00:00:00+00:00")
            try:
                await world.deploy.create(INSTANCE, request)
            except (Conflict, NotFound):
                return False
            return True

        async def delete(
            world: World = world, turns: int = turns, identity: str = identity
        ) -> None:
            await _wait(-turns)
            await world.delete_update.run(INSTANCE, identity)

        _, is_deployed = await asyncio.gather(delete(), deploy())
        operation = await world.operation(identity)
        is_deleted = operation.status is OperationStatus.SUCCEEDED
        assert not (is_deployed and is_deleted)
        assert (FIRST in await world.published()) != is_deleted
        outcomes.add((is_deployed, is_deleted))
    assert {(True, False), (False, True)} <= outcomes


async def _wait(turns: int) -> None:
    for _ in range(turns):
        await asyncio.sleep(0)


async def test_late_repetition_of_a_deletion_spares_an_update_imported_anew() -> None:
    world = World()
    await publish(world, FIRST, {"own.bin": OWN})
    late = await world.delete_update.start(INSTANCE, FIRST, "trace")
    await world.delete_update.start(INSTANCE, FIRST, "trace")
    waiting = [message for message in world.queues.take() if message.queue == "delete"]
    await world.delete_update.run(INSTANCE, waiting[1].body["operation"])
    await publish(world, FIRST, {"own.bin": OWN})

    await world.delete_update.run(INSTANCE, late)

    assert (await world.operation(late)).status is OperationStatus.SUCCEEDED
    assert await world.published() == [FIRST]
    assert OWN in contents(world)


async def test_deletion_that_dies_every_time_ends_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    await two_updates(world)
    identity = await world.delete_update.start(INSTANCE, FIRST, "trace")
    world.queues.take()

    async def dies(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr(DeleteUpdate, "_delete", dies)
    for _ in range(MAX_ATTEMPTS):
        with pytest.raises(RuntimeError):
            await world.delete_update.run(INSTANCE, identity)
    await world.delete_update.run(INSTANCE, identity)

    operation = await world.operation(identity)
    assert operation.status is OperationStatus.FAILED
    assert operation.failure is not None
    assert operation.failure.code == "GivenUp"
