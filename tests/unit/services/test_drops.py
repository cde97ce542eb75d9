"""Imports by dropping files into storage."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared.domain.errors import Conflict
from shared.domain.operation import OperationStatus, Stage
from shared.domain.updates.update import Recall
from tests.builders.imports import (
    CHILD,
    DROPPED,
    FILES,
    MANIFEST,
    OWN,
    TWO,
    assert_complete,
    assert_failed,
    begin,
    by_drop,
    drop,
    drop_status,
    the_child,
    the_parent,
    update,
)
from tests.unit.services.world import DROP_WAIT_SECONDS, INSTANCE, World, a_source_manifest


async def test_drop_waits_for_the_files_that_have_not_arrived() -> None:
    world = World()
    identity = await by_drop(world)
    late = world.blobs.contents.pop(("imports", "factory/data.bin"))

    await world.fetch.run(INSTANCE, identity)

    operation = await world.operation(identity)
    assert (operation.status, operation.stage) == (OperationStatus.RUNNING, Stage.FETCH)
    assert operation.missing == ("data.bin",)
    status = drop_status(world)
    assert (status["status"], status["missingFiles"]) == ("Running", ["data.bin"])
    assert [message.delay_seconds > 0 for message in world.queues.messages] == [False, True]
    world.blobs.contents["imports", "factory/data.bin"] = late
    await world.drain()
    await assert_complete(world, identity, OWN)
    status = drop_status(world)
    assert (status["status"], status["update"]) == ("Succeeded", OWN.to_wire())
    assert (status["error"], status["missingFiles"]) == (None, [])


@pytest.mark.parametrize("order", [("apply.sh", "data.bin"), ("data.bin", "apply.sh")])
async def test_drop_begins_with_the_last_of_its_files(order: tuple[str, str]) -> None:
    world = World()
    identity = await by_drop(world)
    late = {name: world.blobs.contents.pop(("imports", f"factory/{name}")) for name in order}
    for name in order:
        await world.fetch.run(INSTANCE, identity)
        assert name in (await world.operation(identity)).missing
        assert (await world.operation(identity)).bytes_done == 0
        world.blobs.contents["imports", f"factory/{name}"] = late[name]

    await world.drain()

    await assert_complete(world, identity, OWN)


async def test_drop_fails_when_a_file_never_arrives() -> None:
    world = World()
    identity = await by_drop(world)
    del world.blobs.contents["imports", "factory/data.bin"]
    started_at = world.clock.now()

    await world.drain()

    operation = await assert_failed(world, identity, "DropIncomplete", None)
    assert operation.failure is not None
    assert "data.bin" in operation.failure.message
    assert drop_status(world)["error"]["code"] == "DropIncomplete"
    assert operation.changed_at > started_at
    assert DROP_WAIT_SECONDS == 60


async def drop_parent(world: World) -> str:
    etag = drop(world, the_parent(), FILES)
    return await world.imports.start_from_drop(INSTANCE, DROPPED, etag, world.clock.now())


async def test_dropped_parent_waits_for_its_child() -> None:
    world = World()
    parent = await drop_parent(world)

    await world.fetch.run(INSTANCE, parent)

    operation = await world.operation(parent)
    assert (operation.status, operation.stage) == (OperationStatus.RUNNING, Stage.FETCH)
    assert operation.missing_updates == (CHILD,)
    status = drop_status(world)
    assert (status["missingFiles"], status["missingUpdates"]) == ([], [CHILD.to_wire()])
    await begin(world, the_child())
    await world.drain()
    await assert_complete(world, parent, OWN, CHILD)
    assert CHILD in (await update(world)).references
    status = drop_status(world)
    assert (status["status"], status["missingUpdates"]) == ("Succeeded", [])


async def test_dropped_parent_names_all_that_it_waits_for() -> None:
    world = World()
    parent = await drop_parent(world)
    late = world.blobs.contents.pop(("imports", "factory/apply.sh"))

    await world.fetch.run(INSTANCE, parent)

    status = drop_status(world)
    assert status["missingFiles"] == ["apply.sh"]
    assert status["missingUpdates"] == [CHILD.to_wire()]
    world.blobs.contents["imports", "factory/apply.sh"] = late
    await world.fetch.run(INSTANCE, parent)
    status = drop_status(world)
    assert (status["missingFiles"], status["missingUpdates"]) == ([], [CHILD.to_wire()])


async def test_dropped_parent_fails_when_its_child_never_comes() -> None:
    world = World()
    parent = await drop_parent(world)

    await world.drain()

    operation = await assert_failed(world, parent, "DropIncomplete", None)
    assert operation.failure is not None
    assert str(CHILD) in operation.failure.message
    assert "the limit import_drop_wait_seconds is 60" in operation.failure.message.lower()
    assert drop_status(world)["error"]["code"] == "DropIncomplete"


@pytest.mark.parametrize("stage", [Stage.FETCH, Stage.SCAN, Stage.PUBLISH])
async def test_dropped_parent_waits_for_a_child_that_is_being_imported(stage: Stage) -> None:
    world = World()
    child = await begin(world, the_child())
    if stage is not Stage.FETCH:
        await world.fetch.run(INSTANCE, child)
    if stage is Stage.PUBLISH:
        await world.scan.run(INSTANCE, child)
    assert (await world.operation(child)).stage is (
        Stage.PUBLISH if stage is Stage.PUBLISH else Stage.FETCH
    )
    parent = await drop_parent(world)

    await world.fetch.run(INSTANCE, parent)

    assert (await world.operation(parent)).missing_updates == (CHILD,)
    await world.drain()
    await assert_complete(world, parent, OWN, CHILD)


async def test_dropped_parent_fails_at_once_when_its_child_was_recalled() -> None:
    world = World()
    await begin(world, the_child())
    await world.drain()
    stored = await world.updates.get(INSTANCE, CHILD)
    assert stored is not None
    recalled = replace(stored.value, recall=Recall("bad", "2026-01-01T00:00:00+00:00"))
    await world.updates.save(INSTANCE, recalled, stored.etag)
    parent = await drop_parent(world)

    await world.drain()

    failure = (await world.operation(parent)).failure
    assert failure is not None
    assert failure.inner is not None
    assert failure.inner.code == "ReferenceRecalled"


async def test_drop_is_imported_once_for_each_etag() -> None:
    world = World()
    now = world.clock.now()
    etag = drop(world, a_source_manifest(TWO), TWO)

    first = await world.imports.start_from_drop(INSTANCE, DROPPED, etag, now)
    again = await world.imports.start_from_drop(INSTANCE, DROPPED, etag, now)
    await world.drain()

    assert first == again
    await assert_complete(world, first, OWN)
    assert world.audited() == [("Drop", "import_dropped", "updates")]
    assert world.audit_log.notes == {}
    newer = drop(world, a_source_manifest(TWO), TWO)
    other = await world.imports.start_from_drop(INSTANCE, DROPPED, newer, now)
    await world.drain()
    assert other != first
    ended = await world.operation(other)
    assert ended.failure is not None
    assert ended.failure.code == "UpdateAlreadyExists"


async def test_drop_that_is_dropped_again_leaves_the_report_to_the_newer_one() -> None:
    world = World()
    now = world.clock.now()
    etag = drop(world, a_source_manifest(TWO), TWO)
    first = await world.imports.start_from_drop(INSTANCE, DROPPED, etag, now)
    newer = drop(world, a_source_manifest(TWO), TWO)
    other = await world.imports.start_from_drop(INSTANCE, DROPPED, f'"{newer}"', now)

    await world.drain()
    await world.imports.fail(INSTANCE, first, Conflict("Late."))

    ended = await world.operation(first)
    assert ended.failure is not None
    assert ended.failure.code == "DropReplaced"
    await assert_complete(world, other, OWN)
    status = drop_status(world)
    assert (status["operationId"], status["status"]) == (other, "Succeeded")


async def test_drop_whose_manifest_is_gone_fails() -> None:
    world = World()
    identity = await by_drop(world)
    del world.blobs.contents["imports", DROPPED]

    await world.drain()

    await assert_failed(world, identity, MANIFEST, "CannotDownload")
