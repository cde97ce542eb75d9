"""Uploads, checks of manifests, cancelled imports."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest

from shared.domain.errors import Conflict, InvalidInput, NotFound
from shared.domain.limits import Limits
from shared.domain.operation import OperationStatus
from shared.services.imports.uploads import UploadedManifest, Uploads
from shared.services.imports.validation import ManifestValidation
from tests.builders.deployments import an_update
from tests.builders.imports import FILES, OWN, begin
from tests.unit.services.world import INSTANCE, World, a_source_manifest


def uploads(world: World) -> Uploads:
    return Uploads(world.blobs, world.imports, world.clock)


def put(world: World, upload_id: str, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        world.blobs.put("uploads", f"{INSTANCE}/{upload_id}/{name}", content, {})


MANIFEST = json.dumps(a_source_manifest(FILES)).encode()


async def test_every_file_gets_an_address_of_its_own_folder() -> None:
    found = await uploads(World()).start(INSTANCE, ["m.json", "apply.sh"])

    assert [item.name for item in found.targets] == ["m.json", "apply.sh"]
    assert all(f"/uploads/{INSTANCE}/{found.upload_id}/" in item.url for item in found.targets)


@pytest.mark.parametrize(
    ("names", "target"),
    [
        ([], "/files"),
        (["f"] * 62, "/files"),
        (["ok", "../up"], "/files/1/name"),
        (["a", "A"], "/files/1/name"),
        (["-rf"], "/files/0/name"),
    ],
)
async def test_names_that_no_update_could_have_are_refused(names: list[str], target: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await uploads(World()).start(INSTANCE, names)

    assert refused.value.target == target


async def test_what_was_uploaded_is_imported() -> None:
    world = World()
    service = uploads(world)
    started = await service.start(INSTANCE, ["m.json", *FILES])
    put(world, started.upload_id, {"m.json": MANIFEST, **FILES})

    identity = await service.import_uploaded(
        INSTANCE, started.upload_id, [UploadedManifest("m.json", "Kiosk")], "trace"
    )

    operation = await world.operation(identity)
    (source,) = operation.sources
    assert (source.kind, source.friendly_name) == ("url", "Kiosk")
    assert source.manifest_size_bytes == len(MANIFEST)
    assert set(source.files) == set(FILES)


@pytest.mark.parametrize("lacking", ["m.json", *FILES])
async def test_an_incomplete_upload_is_not_imported(lacking: str) -> None:
    world = World()
    service = uploads(world)
    started = await service.start(INSTANCE, ["m.json", *FILES])
    files = {"m.json": MANIFEST, **FILES}
    del files[lacking]
    put(world, started.upload_id, files)

    with pytest.raises(NotFound) as refused:
        await service.import_uploaded(
            INSTANCE, started.upload_id, [UploadedManifest("m.json")], "trace"
        )

    assert (refused.value.code, refused.value.target) == ("FileMissing", lacking)


@pytest.mark.parametrize("identity", ["", "../other", "0" * 31, "F" * 32])
async def test_an_upload_that_nobody_began_does_not_exist(identity: str) -> None:
    with pytest.raises(NotFound):
        await uploads(World()).import_uploaded(
            INSTANCE, identity, [UploadedManifest("m.json")], "trace"
        )


def validation(world: World) -> ManifestValidation:
    return ManifestValidation(world.updates, world.fleet, Limits())


@pytest.mark.parametrize(
    ("content", "targets"),
    [
        (b"", {""}),
        (b"[]", {""}),
        (json.dumps({**a_source_manifest(FILES), "manifestVersion": "9.0"}).encode(), None),
        (
            json.dumps({**a_source_manifest(FILES), "compatibility": [], "files": "x"}).encode(),
            {"/compatibility", "/files"},
        ),
    ],
)
async def test_every_violation_is_named(content: bytes, targets: set[str] | None) -> None:
    found = await validation(World()).check(INSTANCE, content)

    assert found.violations
    if targets is not None:
        assert targets <= {item.target for item in found.violations}


async def test_a_valid_manifest_is_told_what_it_means_here() -> None:
    world = World()
    child = {"provider": "contoso", "name": "part", "version": "1.0"}
    document: dict[str, Any] = a_source_manifest(FILES)
    steps = [*document["instructions"]["steps"], {"type": "reference", "updateId": child}]
    content = json.dumps({**document, "instructions": {"steps": steps}}).encode()

    before = await validation(world).check(INSTANCE, content)
    await world.updates.add(INSTANCE, an_update(OWN))
    after = await validation(world).check(INSTANCE, content)

    assert (list(before.violations), before.update_id) == ([], OWN)
    assert not before.is_published
    assert [item.to_wire() for item in before.missing] == [child]
    assert after.is_published


async def test_an_import_is_cancelled_while_it_waits() -> None:
    world = World()
    identity = await begin(world, a_source_manifest(FILES))

    ended = await world.imports.cancel(INSTANCE, identity)
    await world.drain()

    assert ended.value.status is OperationStatus.FAILED
    assert ended.value.failure is not None
    assert ended.value.failure.code == "ImportCanceled"
    assert await world.published() == []
    assert world.blobs.names("quarantine") == []
    with pytest.raises(Conflict, match="failed"):
        await world.imports.cancel(INSTANCE, identity)


async def test_an_import_that_has_succeeded_is_not_cancelled() -> None:
    world = World()
    identity = await begin(world, a_source_manifest(FILES))
    await world.drain()

    with pytest.raises(Conflict, match="succeeded"):
        await world.imports.cancel(INSTANCE, identity)
    with pytest.raises(NotFound):
        await world.imports.cancel(INSTANCE, "nothing")


@pytest.mark.parametrize("step", range(1, 25))
async def test_a_cancelled_import_publishes_nothing_wherever_it_stands(step: int) -> None:
    """Cancelled between any two port calls, it ends whole: published or cancelled, never both."""
    world = World()
    identity = await begin(world, a_source_manifest(FILES))
    world.faults.crash_at(step)
    try:
        await world.drain()
    finally:
        world.faults.crash_at(None)

    with suppress(Conflict):
        await world.imports.cancel(INSTANCE, identity)
    await world.settle()

    operation = await world.operation(identity)
    is_canceled = operation.failure is not None and operation.failure.code == "ImportCanceled"
    assert (await world.published() == []) is is_canceled
