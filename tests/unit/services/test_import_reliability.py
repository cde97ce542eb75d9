from __future__ import annotations

import logging
from dataclasses import replace
from hashlib import sha256

import pytest

from shared.domain.errors import ConcurrentUpdate, Conflict, DependencyFailed, DeviceUpdateError
from shared.domain.operation import Operation, OperationStatus, Stage
from shared.ports import Stored
from shared.services.imports.attempt import ImportAttempt
from shared.services.imports.operation import Imports
from shared.services.operations import MAX_ATTEMPTS
from shared.services.retrying import ATTEMPTS
from shared.topology import quarantine_prefix
from tests.builders.imports import (
    CHILD,
    MALWARE,
    OWN,
    SCRIPT,
    TWO,
    assert_complete,
    begin,
    found,
    of_one,
    the_child,
    the_parent,
)
from tests.fakes.updates import MemoryOperations
from tests.story_workers import no_waiting
from tests.unit.services.world import INSTANCE, STALLED_SECONDS, World, a_source_manifest

DAY = 86_400.0


def url_of(world: World, name: str) -> str:
    return next(url for url in world.fetcher.sources if f"/{name}" in url)


def content_name(content: bytes) -> str:
    return f"{INSTANCE}/{sha256(content).hexdigest()}"


async def test_fetch_asks_for_the_rest_only_after_a_break() -> None:
    world = World()
    identity = await of_one(world)
    url = url_of(world, "data.bin")
    world.fetcher.etags[url] = '"v1"'
    world.fetcher.breaks[url] = DependencyFailed("The source broke off.")

    with pytest.raises(DeviceUpdateError):
        await world.fetch.run(INSTANCE, identity)
    await world.drain()

    await assert_complete(world, identity, OWN)
    assert [offset for asked, offset in world.fetcher.asked if asked == url] == [0, 7]


async def test_fetch_starts_anew_when_the_source_has_changed() -> None:
    world = World()
    identity = await of_one(world)
    url = url_of(world, "data.bin")
    right, world.fetcher.sources[url] = world.fetcher.sources[url], b"something else" * 10
    world.fetcher.etags[url] = '"v1"'
    world.fetcher.breaks[url] = DependencyFailed("The source broke off.")
    with pytest.raises(DeviceUpdateError):
        await world.fetch.run(INSTANCE, identity)
    world.fetcher.sources[url], world.fetcher.etags[url] = right, '"v2"'

    await world.drain()

    await assert_complete(world, identity, OWN)
    assert [offset for asked, offset in world.fetcher.asked if asked == url] == [0, 0]


async def test_fetch_starts_anew_when_a_changed_source_has_no_etag() -> None:
    world = World()
    identity = await of_one(world)
    url = url_of(world, "data.bin")
    right, world.fetcher.sources[url] = world.fetcher.sources[url], b"something else" * 10
    world.fetcher.breaks[url] = DependencyFailed("The source broke off.")
    with pytest.raises(DeviceUpdateError):
        await world.fetch.run(INSTANCE, identity)
    world.fetcher.sources[url] = right

    await world.drain()

    await assert_complete(world, identity, OWN)
    assert [offset for asked, offset in world.fetcher.asked if asked == url] == [0, 7, 0]


async def test_bytes_done_never_go_back_and_end_at_the_total() -> None:
    world = World()
    identity = await of_one(world)
    url = url_of(world, "data.bin")
    world.fetcher.breaks[url] = DependencyFailed("The source broke off.")
    with pytest.raises(DeviceUpdateError):
        await world.fetch.run(INSTANCE, identity)
    before = (await world.operation(identity)).bytes_done

    await world.fetch.run(INSTANCE, identity)

    operation = await world.operation(identity)
    total = sum(len(content) for content in TWO.values())
    assert 0 < before <= operation.bytes_done == operation.bytes_total == total


async def test_import_ends_with_its_last_error_when_every_try_fails() -> None:
    world = World()
    identity = await of_one(world)
    world.fetcher.sources[url_of(world, "data.bin")] = DependencyFailed("The source is busy.")

    for _ in range(MAX_ATTEMPTS - 1):
        with pytest.raises(DeviceUpdateError):
            await world.fetch.run(INSTANCE, identity)
        assert (await world.operation(identity)).status is OperationStatus.RUNNING
    await world.fetch.run(INSTANCE, identity)

    operation = await world.operation(identity)
    assert operation.failure is not None
    assert "The source is busy." in operation.failure.message


async def test_import_is_given_up_when_its_worker_dies_every_time() -> None:
    world = World()
    identity = await of_one(world)
    stored = await world.operations.get(INSTANCE, identity)
    assert stored is not None
    await world.operations.save(INSTANCE, replace(stored.value, tries=MAX_ATTEMPTS), stored.etag)
    world.queues.take()

    await world.settle()

    operation = await world.operation(identity)
    assert operation.failure is not None
    assert operation.failure.code == "GivenUp"
    assert world.blobs.names("quarantine") == []


async def test_scan_without_an_answer_ends_the_import_after_so_many_tries() -> None:
    world = World()
    identity = await of_one(world)
    await world.fetch.run(INSTANCE, identity)
    found(replace(MALWARE, status="error"))(world)

    for _ in range(MAX_ATTEMPTS - 1):
        with pytest.raises(DependencyFailed):
            await world.scan.run(INSTANCE, identity)
    await world.scan.run(INSTANCE, identity)

    operation = await world.operation(identity)
    assert operation.failure is not None
    assert operation.failure.inner is not None
    assert operation.failure.inner.code == "SourceFilePendingMalwareAnalysis"


async def test_scan_whose_content_is_gone_is_ended_by_the_sweep() -> None:
    world = World()
    identity = await of_one(world)
    await world.fetch.run(INSTANCE, identity)
    found(replace(MALWARE, status="error"))(world)
    with pytest.raises(DependencyFailed):
        await world.scan.run(INSTANCE, identity)
    world.queues.take()
    await world.blobs.delete_all("quarantine", "")
    world.clock.advance(STALLED_SECONDS)

    await world.sweep.run()

    assert (await world.operation(identity)).status is OperationStatus.FAILED


async def test_older_try_leaves_the_import_to_the_newer_one() -> None:
    world = World()
    identity = await of_one(world)

    async def older(attempt: ImportAttempt) -> None:
        await world.fetch.run(INSTANCE, identity)
        raise Conflict("The older try must not end the import.")

    await world.imports.work(INSTANCE, identity, Stage.FETCH, older)
    await world.drain()

    await assert_complete(world, identity, OWN)


async def test_try_goes_on_when_only_its_own_request_was_repeated() -> None:
    world = World()
    identity = await of_one(world)

    async def repeated(attempt: ImportAttempt) -> None:
        stored = await world.operations.get(INSTANCE, identity)
        assert stored is not None
        await world.operations.save(INSTANCE, stored.value, stored.etag)
        await attempt.save(bytes_done=7)

    await world.imports.work(INSTANCE, identity, Stage.FETCH, repeated)

    assert (await world.operation(identity)).bytes_done == 7


async def test_children_are_taken_back_when_their_parent_cannot_be_published() -> None:
    world = World()
    identity = await begin(world, the_parent(), the_child())
    await world.fetch.run(INSTANCE, identity)
    await world.scan.run(INSTANCE, identity)
    add = world.publish.updates.add

    async def refuse_parent(instance: str, update: object) -> bool:
        if getattr(update, "update_id", None) == OWN:
            raise Conflict("The update is larger than a row.")
        return await add(instance, update)  # type: ignore[arg-type]

    world.publish.updates.add = refuse_parent  # type: ignore[method-assign]

    await world.publish.run(INSTANCE, identity)

    assert (await world.operation(identity)).status is OperationStatus.FAILED
    assert await world.published() == []
    assert CHILD not in await world.published()


async def test_sweep_removes_what_an_ended_import_has_left(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    identity = await of_one(world)
    await world.drain()
    world.blobs.put("quarantine", quarantine_prefix(INSTANCE, identity) + "0/0", b"late")
    world.blobs.put("quarantine", quarantine_prefix(INSTANCE, "unknown") + "0/0", b"lost")

    with caplog.at_level(logging.WARNING):
        await world.sweep.run()

    assert world.blobs.names("quarantine") == []
    assert "leftovers of 2 imports" in caplog.text


async def test_sweep_spares_what_a_running_import_needs() -> None:
    world = World()
    identity = await of_one(world)
    await world.fetch.run(INSTANCE, identity)
    before = world.blobs.names("quarantine")
    world.clock.advance(2 * DAY)

    await world.sweep.run()

    assert world.blobs.names("quarantine") == before
    await world.drain()
    await assert_complete(world, identity, OWN)


async def test_sweep_removes_old_content_of_no_update_only() -> None:
    world = World()
    identity = await of_one(world)
    await world.drain()
    world.blobs.put("content", content_name(b"old"), b"old")
    world.blobs.put("content", f"{INSTANCE}/other", b"not ours")
    kept = world.blobs.names("content")
    world.clock.advance(2 * DAY)
    world.blobs.put("content", content_name(b"young"), b"young")

    for _ in range(4):
        await world.sweep.run_through()

    left = set(world.blobs.names("content"))
    assert left == {*kept, content_name(b"young")} - {content_name(b"old")}
    await assert_complete(world, identity, OWN)
    assert content_name(SCRIPT) in left


async def test_content_that_is_published_during_the_sweep_stays() -> None:
    world = World()
    world.blobs.put("content", content_name(SCRIPT), SCRIPT)
    world.clock.advance(2 * DAY)
    listed = world.updates.list

    async def publish_meanwhile(*args: object, **options: object) -> object:
        page = await listed(*args, **options)  # type: ignore[arg-type]
        world.orphans.updates.list = listed  # type: ignore[method-assign]
        await begin(world, a_source_manifest())
        await world.drain()
        return page

    world.orphans.updates.list = publish_meanwhile  # type: ignore[method-assign, assignment]

    await world.orphans.sweep_content(INSTANCE)

    assert content_name(SCRIPT) in world.blobs.names("content")
    assert await world.published() == [OWN]


async def test_stage_of_an_import_that_nobody_works_on_stays() -> None:
    world = World()
    identity = await of_one(world)

    await world.publish.run(INSTANCE, identity)
    await world.scan.imports.work(INSTANCE, "unknown", Stage.SCAN, world.scan._run)

    assert (await world.operation(identity)).status is OperationStatus.NOT_STARTED


class Restless:
    """Operations that somebody else changes before each write."""

    def __init__(self, operations: MemoryOperations, times: int) -> None:
        self._operations = operations
        self.left = times

    async def get(self, instance: str, identity: str) -> Stored[Operation] | None:
        return await self._operations.get(instance, identity)

    async def save(self, instance: str, operation: Operation, etag: str) -> str:
        if self.left:
            self.left -= 1
            stored = await self._operations.get(instance, operation.operation_id)
            assert stored is not None
            await self._operations.save(instance, stored.value, stored.etag)
        return await self._operations.save(instance, operation, etag)


async def ended_by(ends: str, imports: Imports, identity: str) -> None:
    if ends == "fail":
        await imports.fail(INSTANCE, identity, Conflict("no"))
    else:
        await imports.cancel(INSTANCE, identity)


@pytest.mark.parametrize("ends", ["fail", "cancel"])
async def test_import_ends_although_others_change_it_meanwhile(ends: str) -> None:
    with no_waiting():
        world = World()
        identity = await of_one(world)
        imports = replace(world.imports, operations=Restless(world.operations, 3))  # type: ignore[arg-type]

        await ended_by(ends, imports, identity)

        assert (await world.operation(identity)).status is OperationStatus.FAILED


@pytest.mark.parametrize("ends", ["fail", "cancel"])
async def test_import_that_changes_at_every_try_is_not_ended_in_endless_recursion(
    ends: str,
) -> None:
    with no_waiting():
        world = World()
        identity = await of_one(world)
        restless = Restless(world.operations, 2_000)
        imports = replace(world.imports, operations=restless)  # type: ignore[arg-type]

        with pytest.raises(ConcurrentUpdate):
            await ended_by(ends, imports, identity)

        assert restless.left == 2_000 - ATTEMPTS


async def test_try_that_others_change_at_every_write_gives_up_until_its_message_comes_again() -> (
    None
):
    with no_waiting():
        world = World()
        identity = await of_one(world)
        stored = await world.operations.get(INSTANCE, identity)
        assert stored is not None
        restless = Restless(world.operations, 2_000)
        attempt = ImportAttempt(restless, world.clock, INSTANCE, stored)  # type: ignore[arg-type]

        with pytest.raises(ConcurrentUpdate) as given_up:
            await attempt.save(bytes_done=1)

        assert given_up.value.retryable
        assert restless.left == 2_000 - ATTEMPTS
