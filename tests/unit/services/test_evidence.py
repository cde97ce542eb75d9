"""Whoever can write to the quarantine container cannot forge what the service goes by."""

from __future__ import annotations

import json

import pytest

from shared.domain.operation import OperationStatus
from shared.services.imports.scan import VERDICTS
from shared.services.scanning.evidence import Evidence
from shared.topology import SCAN_REQUEST
from tests.builders.scan_world import OWN, SCRIPT, ScanWorld
from tests.fakes.updates import MemorySealer
from tests.unit.services.world import INSTANCE, World, a_source_manifest, sha256

EVIL = b"#!/bin/evil"


def blob(identity: str, name: str) -> tuple[str, str]:
    return "quarantine", f"{INSTANCE}/{identity}/{name}"


def overwrite(world: World, identity: str, name: str, content: bytes) -> str:
    """Write as somebody with access to the container does, all metadata kept; the new ETag."""
    place = blob(identity, name)
    _, facts = world.blobs.contents[place]  # type: ignore[index]
    world.blobs.put("quarantine", place[1], content, facts)
    kept = world.blobs.contents[place][1]  # type: ignore[index]
    world.blobs.created.remove(place)  # type: ignore[arg-type]
    return str(kept["etag"])


async def failed(world: World, identity: str) -> str:
    operation = await world.operation(identity)
    assert operation.status is OperationStatus.FAILED
    assert operation.failure is not None
    assert await world.published() == []
    return operation.failure.message


async def test_verdicts_that_were_forged_in_quarantine_publish_nothing() -> None:
    world = ScanWorld(has_defender=True)
    identity = await world.waiting()
    await world.results.receive(world.event(identity))
    await world.step()  # scanned; publication waits
    assert (await world.operation(identity)).stage == "publish"
    etag = overwrite(world, identity, "0/0", EVIL)
    clean = {"status": "clean", "engine": "memory", "engine_version": "", "rules_version": ""}
    forged = {blob(identity, "0/0")[1]: {"etag": etag, "verdicts": [clean]}}
    overwrite(world, identity, VERDICTS, json.dumps(forged).encode())

    await world.drain()

    assert "verdicts on the quarantined content are gone" in await failed(world, identity)


async def test_verdicts_of_another_import_are_none_of_this_one() -> None:
    world = World()
    evidence = Evidence(world.blobs, MemorySealer())
    await evidence.write("factory/one/verdicts.json", {"a": 1})
    content, _ = world.blobs.contents["quarantine", "factory/one/verdicts.json"]

    await world.blobs.write("quarantine", "factory/two/verdicts.json", content)

    assert await evidence.read("factory/one/verdicts.json", dict[str, int]) == {"a": 1}
    assert await evidence.read("factory/two/verdicts.json", dict[str, int]) is None
    assert await evidence.read("factory/three/verdicts.json", dict[str, int]) is None


async def test_a_list_of_files_that_was_forged_in_quarantine_scans_and_publishes_nothing() -> None:
    world = World()
    identity = await world.imports.start(INSTANCE, [_offer(world)], "trace")
    (fetch,) = world.queues.take()
    await world._deliver(fetch)
    overwrite(world, identity, SCAN_REQUEST, b"[]")

    await world.drain()

    assert "quarantined content is gone" in await failed(world, identity)


async def test_a_clean_result_of_defender_that_was_forged_is_no_verdict() -> None:
    world = ScanWorld(has_defender=True)
    identity = await world.waiting()
    name = f"{INSTANCE}/{identity}/0/0"
    etag = world.blobs.contents["quarantine", name][1]["etag"].strip('"')
    clean = {"status": "clean", "engine": "defender", "engine_version": "", "rules_version": ""}
    forged = json.dumps({"sha256": None, "verdict": clean}).encode()
    place = f"{INSTANCE}/{identity}/defender/0/0/{etag}/clean.json"
    await world.blobs.write("quarantine", place, forged)

    await world.drain()

    assert "no scanner's verdict came" in await failed(world, identity)


async def test_a_dropped_manifest_that_was_changed_in_quarantine_is_not_published() -> None:
    world = World()
    document = a_source_manifest({"apply.sh": SCRIPT})
    name = f"{INSTANCE}/releases/a.importmanifest.json"
    await world.blobs.write("imports", f"{INSTANCE}/releases/apply.sh", SCRIPT)
    await world.blobs.write("imports", name, json.dumps(document).encode())
    facts = await world.blobs.metadata("imports", name)
    assert facts is not None
    now = world.clock.now()
    identity = await world.imports.start_from_drop(INSTANCE, name, facts["etag"], now)
    for _ in range(2):
        for message in [*world.queues.take(), *world._scan_requests()]:
            await world._deliver(message)
    assert (await world.operation(identity)).stage == "publish"
    changed = {**document, "isDeployable": False}
    overwrite(world, identity, "0/manifest.json", json.dumps(changed).encode())

    await world.drain()

    assert "import manifest was changed" in await failed(world, identity)


async def test_a_clean_look_at_other_bytes_is_not_remembered_for_the_hash() -> None:
    """Bytes are swapped for clean ones while they are scanned, and back again."""
    world = ScanWorld()
    world.scanner.malware = EVIL  # type: ignore[attr-defined]
    files = {"apply.sh": EVIL}
    identity = await world.imports.start(INSTANCE, [_offer(world, files)], "trace")
    (fetch,) = world.queues.take()
    await world._deliver(fetch)
    overwrite(world, identity, "0/0", SCRIPT)

    await world.drain()

    assert "was changed in quarantine" in await failed(world, identity)
    assert await world.verdicts.on(INSTANCE, sha256(EVIL), may_be_delta=False) == []


@pytest.mark.parametrize("number", [1, 2])
async def test_honest_imports_pass(number: int) -> None:
    world = World()
    for _ in range(number):
        await world.imports.start(INSTANCE, [_offer(world)], "trace")
        await world.drain()

    assert await world.published() == [OWN]


def _offer(world: World, files: dict[str, bytes] | None = None) -> object:
    from tests.unit.services.world import offer

    given = files or {"apply.sh": SCRIPT}
    return offer(world, a_source_manifest(given), given)
