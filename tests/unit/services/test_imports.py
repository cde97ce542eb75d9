from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from shared.domain.errors import Conflict, DependencyFailed, DeviceUpdateError
from shared.domain.operation import OperationStatus, Stage
from shared.domain.updates.update_id import UpdateId
from shared.services.operations import operation_id
from tests.builders.imports import (
    CHILD,
    FAILURES,
    FILE,
    FILES,
    MALWARE,
    MANIFEST,
    OWN,
    TWO,
    Begin,
    assert_complete,
    assert_failed,
    begin,
    by_drop,
    drop_status,
    found,
    of_one,
    the_child,
    the_parent,
    update,
)
from tests.unit.domain.builders import a_change, started
from tests.unit.services.world import INSTANCE, World, a_source_manifest, offer


def test_operations_sort_newest_first_however_close_they_begin() -> None:
    fractions = ("00.999999", "01.000000", "01.000001", "01.000801", "01.001000")
    # The random part works against the order.
    made = [
        operation_id(f"2026-01-01T00:00:{fraction}+00:00", f"{at:032x}")
        for at, fraction in enumerate(fractions)
    ]

    assert sorted(made) == made[::-1]


async def of_parent_and_child(world: World) -> str:
    return await begin(world, the_parent(), the_child())


@pytest.mark.parametrize("start", [of_one, by_drop])
async def test_import_publishes_one_complete_update(start: Begin) -> None:
    world = World()

    identity = await start(world)
    await world.drain()

    await assert_complete(world, identity, OWN)
    item = await update(world)
    assert [each.status for file in item.files for each in file.verdicts] == ["clean", "clean"]
    assert item.operation_id == identity
    operation = await world.operation(identity)
    assert operation.bytes_done == operation.bytes_total == sum(map(len, TWO.values()))


async def test_import_publishes_children_before_their_parent() -> None:
    world = World()

    identity = await of_parent_and_child(world)
    await world.drain()

    await assert_complete(world, identity, OWN, CHILD)
    parent, child = await update(world), await update(world, CHILD)
    assert parent.references == (CHILD,)
    assert child.content.items() <= parent.content.items()
    assert child.imported_at < parent.imported_at


async def test_import_refers_to_an_update_that_was_imported_before() -> None:
    world = World()
    await begin(world, the_child())
    await world.drain()

    identity = await begin(world, the_parent())
    await world.drain()

    await assert_complete(world, identity, OWN, CHILD)


async def test_published_update_becomes_the_best_of_the_classes_that_it_fits() -> None:
    world = World()
    await world.tell(a_change(2, started()), a_change(2, started("gate"), device_id="d2"))

    await of_one(world)
    await world.drain()

    best = {
        known.device_class.properties["model"]: known.best_update
        for known in await world.fleet.classes(INSTANCE)
    }
    assert best == {"kiosk": OWN, "gate": None}


@pytest.mark.parametrize("reason", FAILURES)
async def test_import_fails_and_publishes_nothing(reason: str) -> None:
    spoil, code, inner = FAILURES[reason]
    world = World()
    identity = await begin(world, a_source_manifest(TWO), files=TWO)
    spoil(world)

    await world.drain()

    operation = await assert_failed(world, identity, code, inner)
    assert operation.failure is not None
    if code == FILE:
        assert operation.failure.target == "apply.sh"
    assert world.blobs.names("content") == []


async def test_manifest_with_another_hash_is_refused() -> None:
    world = World()
    item = offer(world, a_source_manifest(), FILES)
    stated = replace(item, manifest_sha256="A" * 43 + "=")

    identity = await world.imports.start(INSTANCE, [stated], "trace")
    await world.drain()

    await assert_failed(world, identity, MANIFEST, "HashMismatch")


async def test_malware_is_named_with_its_place() -> None:
    world = World()
    identity = await of_one(world)
    found(MALWARE)(world)

    await world.drain()

    failure = (await world.operation(identity)).failure
    assert failure is not None
    assert "'apply.sh'" in failure.message
    assert "blob!inner.exe" in failure.message
    assert "Eicar" in failure.message


@pytest.mark.parametrize(
    ("documents", "files", "inner"),
    [
        ([the_parent()], FILES, "ReferenceNotFound"),
        ([a_source_manifest(TWO)], FILES, "FilesDiffer"),
        ([a_source_manifest()], TWO, "FilesDiffer"),
        ([a_source_manifest(compatibility=[])], FILES, "CannotParse"),
    ],
)
async def test_import_is_refused_when_its_parts_do_not_fit(
    documents: list[dict[str, Any]], files: dict[str, bytes], inner: str | None
) -> None:
    world = World()

    identity = await begin(world, *documents, files=files)
    await world.drain()

    await assert_failed(world, identity, MANIFEST, inner)


def nested(world: World) -> list[dict[str, Any]]:
    grandchild = UpdateId("acme", "valve", "1.0")
    step = {"type": "reference", "updateId": grandchild.to_wire()}
    child = the_child(instructions={"steps": [step]}, files=[])
    fits = [{"group": "valves"}]
    return [
        the_parent(),
        child,
        a_source_manifest(updateId=grandchild.to_wire(), compatibility=fits),
    ]


async def test_import_is_refused_when_a_child_has_children() -> None:
    world = World()
    parent, child, grandchild = nested(world)
    items = [
        offer(world, parent, FILES),
        offer(world, child, {}),
        offer(world, grandchild, FILES),
    ]

    identity = await world.imports.start(INSTANCE, items, "trace")
    await world.drain()

    await assert_failed(world, identity, MANIFEST, "NestedReference")


async def test_import_is_refused_when_a_published_child_has_children() -> None:
    world = World()
    _, child, grandchild = nested(world)
    await world.imports.start(
        INSTANCE, [offer(world, child, {}), offer(world, grandchild, FILES)], "trace"
    )
    await world.drain()

    identity = await begin(world, the_parent())
    await world.drain()

    failure = (await world.operation(identity)).failure
    assert failure is not None
    assert failure.inner is not None
    assert failure.inner.code == "NestedReference"
    assert OWN not in await world.published()


async def test_import_is_refused_when_the_update_exists() -> None:
    world = World()
    first = await of_one(world)
    await world.drain()
    before = await update(world)

    second = await of_one(world)
    await world.drain()

    operation = await world.operation(second)
    assert operation.failure is not None
    assert operation.failure.code == "UpdateAlreadyExists"
    assert await update(world) == before
    assert before.operation_id == first
    assert world.blobs.names("quarantine") == []


async def test_only_one_of_two_imports_of_an_update_wins_when_they_run_side_by_side() -> None:
    world = World()

    both = [await of_one(world), await of_one(world)]
    await world.drain()

    ended = [await world.operation(identity) for identity in both]
    assert sorted(item.status for item in ended) == ["Failed", "Succeeded"]
    assert await world.published() == [OWN]
    assert world.blobs.names("quarantine") == []


async def test_nothing_is_published_when_the_parent_appears_meanwhile() -> None:
    world = World()
    other = await begin(world, a_source_manifest())
    identity = await of_parent_and_child(world)
    for stage in (world.fetch, world.scan):
        await stage.run(INSTANCE, identity)
        await stage.run(INSTANCE, other)
    await world.publish.run(INSTANCE, other)

    await world.publish.run(INSTANCE, identity)

    assert (await world.operation(identity)).status is OperationStatus.FAILED
    assert await world.published() == [OWN]
    assert (await update(world)).operation_id == other


async def test_import_is_tried_again_when_a_source_fails_in_passing() -> None:
    world = World()
    identity = await of_one(world)
    url = next(url for url in world.fetcher.sources if "apply.sh" in url)
    content, world.fetcher.sources[url] = world.fetcher.sources[url], DependencyFailed("Busy.")

    with pytest.raises(DeviceUpdateError) as failed:
        await world.fetch.run(INSTANCE, identity)
    assert failed.value.retryable
    world.fetcher.sources[url] = content
    await world.drain()

    await assert_complete(world, identity, OWN)


async def test_fetch_goes_on_where_it_stopped() -> None:
    world = World()
    identity = await of_one(world)
    url = next(url for url in world.fetcher.sources if "apply.sh" in url)
    content, world.fetcher.sources[url] = world.fetcher.sources[url], DependencyFailed("Busy.")
    with pytest.raises(DeviceUpdateError) as failed:
        await world.fetch.run(INSTANCE, identity)
    assert failed.value.retryable
    world.fetcher.sources = {url: content}

    await world.drain()

    await assert_complete(world, identity, OWN)


async def test_scan_fails_closed_when_the_scanner_fails() -> None:
    world = World()
    identity = await of_one(world)
    await world.fetch.run(INSTANCE, identity)
    found(replace(MALWARE, status="error"))(world)

    with pytest.raises(DependencyFailed):
        await world.scan.run(INSTANCE, identity)

    assert (await world.operation(identity)).stage is Stage.SCAN
    assert world.queues.of("publish") == []
    world.scanner.verdicts.clear()
    await world.drain()
    await assert_complete(world, identity, OWN)


async def test_failing_an_ended_import_changes_nothing() -> None:
    world = World()
    identity = await of_one(world)
    await world.drain()
    before = await world.operation(identity)

    await world.imports.fail(INSTANCE, identity, Conflict("Late."))
    await world.imports.fail(INSTANCE, "unknown", Conflict("Late."))

    assert await world.operation(identity) == before


async def test_stages_do_nothing_for_an_unknown_import() -> None:
    world = World()

    for stage in (world.fetch, world.scan, world.publish):
        await stage.run(INSTANCE, "unknown")

    assert world.queues.messages == []
    assert world.blobs.contents == {}


@pytest.mark.parametrize("start", [of_one, of_parent_and_child, by_drop])
async def test_import_ends_complete_when_every_stage_runs_twice(start: Begin) -> None:
    world = World()
    identity = await start(world)
    expected = (OWN, CHILD) if start is of_parent_and_child else (OWN,)

    for stage in (world.fetch, world.scan, world.publish):
        await stage.run(INSTANCE, identity)
        await stage.run(INSTANCE, identity)
    for stage in (world.fetch, world.scan, world.publish):
        await stage.run(INSTANCE, identity)
    await world.drain()

    await assert_complete(world, identity, *expected)


@pytest.mark.parametrize("start", [of_one, of_parent_and_child, by_drop])
async def test_import_ends_complete_after_a_crash_at_any_port_call(start: Begin) -> None:
    expected = (OWN, CHILD) if start is of_parent_and_child else (OWN,)

    async def story(world: World) -> None:
        identity = await start(world)
        await world.settle()
        await assert_complete(world, identity, *expected)
        if start is by_drop:
            assert drop_status(world)["status"] == "Succeeded"

    await crash_everywhere(story, start)


@pytest.mark.parametrize("reason", ["changed", "longer", "malware"])
async def test_import_ends_in_one_failure_after_a_crash_at_any_port_call(reason: str) -> None:
    spoil, code, inner = FAILURES[reason]

    async def spoiled(world: World) -> str:
        identity = await of_one(world)
        spoil(world)
        return identity

    async def story(world: World) -> None:
        identity = await spoiled(world)
        await world.settle()
        await assert_failed(world, identity, code, inner)

    await crash_everywhere(story, spoiled)


async def crash_everywhere(story: Callable[[World], Awaitable[None]], start: Begin) -> None:
    """Tell a story with a crash at each call that it makes after the start."""
    quiet = World()
    await start(quiet)
    before = quiet.faults.calls
    await quiet.drain()
    calls = quiet.faults.calls
    assert calls > before + 10
    for call in range(before + 1, calls + 1):
        world = World()
        world.faults.crash_at(call)
        try:
            await story(world)
        except AssertionError as error:
            raise AssertionError(f"after a crash at call {call} of {calls}: {error}") from error
