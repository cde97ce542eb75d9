"""The codes of failed imports that clients of Device Update for IoT Hub know."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from shared.domain.operation import Failure, OperationStatus
from shared.domain.updates.import_manifest import MAX_MANIFEST_BYTES
from tests.builders.imports import (
    DROPPED,
    FAILURES,
    FILE,
    MALWARE,
    MANIFEST,
    Begin,
    begin,
    by_drop,
    found,
    of_one,
    the_child,
    the_parent,
)
from tests.unit.services.world import World, a_source_manifest


def spoiled(change: Callable[[World], None], start: Begin = of_one) -> Begin:
    async def run(world: World) -> str:
        identity = await start(world)
        change(world)
        return identity

    return run


def of(*documents: dict[str, object]) -> Begin:
    return lambda world: begin(world, *documents)


async def of_an_update_that_exists(world: World) -> str:
    await begin(world, a_source_manifest())
    await world.drain()
    return await begin(world, a_source_manifest())


def of_a_family(provider: str, name: str) -> Begin:
    """One that fits the devices of another, which is there."""

    async def run(world: World) -> str:
        await begin(world, a_source_manifest())
        await world.drain()
        identity = {"provider": provider, "name": name, "version": "1.3"}
        return await begin(world, a_source_manifest(updateId=identity))

    return run


def with_huge_dropped_manifest(world: World) -> None:
    world.blobs.put("imports", DROPPED, b" " * (MAX_MANIFEST_BYTES + 1))


SITUATIONS: dict[str, tuple[Begin, str, str | None]] = {
    "the update exists": (of_an_update_that_exists, "UpdateAlreadyExists", None),
    "an update stands twice in one import": (
        of(a_source_manifest(), a_source_manifest()),
        "DuplicateContentImport",
        None,
    ),
    "its devices have updates of another provider": (
        of_a_family("contoso", "kiosk-config"),
        "UpdateLimitExceeded",
        "UpdateProviderCompatibility",
    ),
    "its devices have updates of another name": (
        of_a_family("acme", "kiosk"),
        "UpdateLimitExceeded",
        "UpdateNameCompatibility",
    ),
    "the manifest breaks its schema": (
        of(a_source_manifest(compatibility=[])),
        MANIFEST,
        "CannotParse",
    ),
    "the manifest is of a version to come": (
        of(a_source_manifest(manifestVersion="6.0")),
        MANIFEST,
        "UnsupportedVersion",
    ),
    "the manifest cannot be read": (
        spoiled(FAILURES["manifest gone"][0]),
        MANIFEST,
        "CannotDownload",
    ),
    "the file cannot be read": (
        spoiled(FAILURES["file gone"][0]),
        FILE,
        "ContentFileCannotDownload",
    ),
    "the file holds malware": (spoiled(found(MALWARE)), FILE, "SourceFileMalwareDetected"),
    "the scanner never answers": (
        spoiled(found(replace(MALWARE, status="error"))),
        FILE,
        "SourceFilePendingMalwareAnalysis",
    ),
}


async def failure_of(world: World, start: Callable[[World], Awaitable[str]]) -> Failure:
    identity = await start(world)
    await world.settle()
    operation = await world.operation(identity)
    assert operation.status is OperationStatus.FAILED
    assert operation.failure is not None
    return operation.failure


@pytest.mark.parametrize("situation", SITUATIONS)
async def test_failed_import_has_the_documented_codes(situation: str) -> None:
    start, code, inner = SITUATIONS[situation]

    failure = await failure_of(World(), start)

    assert (failure.code, failure.inner.code if failure.inner else None) == (code, inner)


async def test_dropped_manifest_that_is_too_large_has_the_documented_codes() -> None:
    failure = await failure_of(World(), spoiled(with_huge_dropped_manifest, by_drop))

    assert (failure.code, failure.inner and failure.inner.code) == (MANIFEST, "CannotDownload")


async def test_failure_of_one_manifest_among_several_points_at_its_item() -> None:
    broken = {**the_child(), "compatibility": [], "description": ""}

    failure = await failure_of(World(), of(the_parent(), broken))

    assert failure.target == "/1"
    assert {each.target for each in failure.details} == {"/compatibility", "/description"}


async def test_failed_import_names_its_update() -> None:
    world = World()
    identity = await of_an_update_that_exists(world)
    await world.settle()

    failed = await world.operation(identity)

    assert failed.status is OperationStatus.FAILED
    assert failed.update_id is not None
    assert failed.failure is not None
    assert str(failed.update_id) in failed.failure.message
