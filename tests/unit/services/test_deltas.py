"""Deltas between two versions, from the request to the signed update."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared.contract.manifest import parse_detached, parse_update_manifest
from shared.domain.errors import Conflict, NotFound
from shared.domain.operation import Operation, OperationStatus
from shared.domain.scanning.scan import Verdict
from shared.domain.updates.update import MAX_TWIN_STRING_BYTES, Recall, Update, hex_of
from shared.domain.updates.update_id import UpdateId
from shared.ports import MadeDelta
from shared.services.scanning.defender import DefenderScanner
from shared.services.scanning.evidence import Evidence
from tests.builders.imports import OWN, update
from tests.fakes.deltas import MemoryDeltaMaker, delta_of
from tests.unit.services.world import INSTANCE, World, a_source_manifest, offer, sha256

BEFORE = replace(OWN, version="1.1")
OLD = random.Random(1).randbytes(70_000)
NEW = OLD[:60_000] + random.Random(2).randbytes(10_000)
DELTA = delta_of(OLD, NEW)
SCRIPT = b"#!/bin/sh\necho done\n"
MALWARE = Verdict("malicious", "memory", "1", "1", names=("Eicar",))


async def with_versions(
    old: bytes = OLD, new: bytes = NEW, arguments: str = "-", **changes: Any
) -> World:
    """A world with two versions, whose image bears the version in its name."""
    world = World()
    for update_id, content in ((BEFORE, old), (OWN, new)):
        files = {"apply.sh": SCRIPT, f"image-{update_id.version}.img": content}
        given = {"manifestVersion": "5.0", "updateId": update_id.to_wire(), **changes}
        manifest = a_source_manifest(files, **given)
        manifest["instructions"]["steps"][0]["handlerProperties"]["arguments"] = arguments
        await world.imports.start(INSTANCE, [offer(world, manifest, files)], "trace")
    await world.drain()
    assert sorted(await world.published()) == [BEFORE, OWN]
    return world


async def make(world: World, version: str = "1.1", of: UpdateId = OWN) -> Operation:
    identity = await world.deltas.start(INSTANCE, of, version, "trace")
    await world.settle()
    return await world.operation(identity)


def image_of(item: Update) -> Any:
    """The image, as the signed manifest has it."""
    text = item.detached_manifest or item.manifest
    files = parse_update_manifest(text).files.values()
    return next(file for file in files if file.file_name.startswith("image"))


async def assert_attached(world: World, operation: Operation) -> None:
    assert (operation.status, operation.failure) == (OperationStatus.SUCCEEDED, None)
    item = await update(world)
    image = image_of(item)
    assert image.download_handler == "opendu/zstd-delta:1"
    ((file_id, delta),) = image.related_files.items()
    assert delta.properties == {
        "microsoft.sourceFileHash": sha256(OLD),
        "microsoft.sourceFileHashAlgorithm": "sha256",
    }
    assert delta.hashes == {"sha256": sha256(DELTA)}
    assert delta.size_in_bytes == len(DELTA)
    blob = f"{INSTANCE}/{hex_of(sha256(DELTA))}"
    assert f"{INSTANCE}/{item.content[file_id]}" == blob
    assert world.blobs.contents["content", blob][0] == DELTA
    assert item.signature == f"signature of {sha256(item.manifest.encode())}"
    (related,) = item.files[1].related_files
    assert [verdict.status for verdict in related.verdicts] == ["clean"]
    assert world.blobs.names("quarantine") == []


async def test_delta_is_made_scanned_attached_and_signed() -> None:
    world = await with_versions()
    before = await update(world)

    operation = await make(world)

    await assert_attached(world, operation)
    after = await update(world)
    assert image_of(after).hashes == image_of(before).hashes
    assert operation.bytes_done == operation.bytes_total == len(NEW)
    (other, made) = operation.deltas
    assert (other.filename, other.delta_bytes) == ("apply.sh", None)
    assert other.reason == "it is the same in both versions"
    assert (made.filename, made.size_bytes) == ("image-1.2.img", len(NEW))
    assert (made.delta_bytes, made.reason) == (len(DELTA), None)


async def test_operation_shows_how_far_a_delta_has_come_within_its_file() -> None:
    world = await with_versions()
    identity = await world.deltas.start(INSTANCE, OWN, "1.1", "trace")
    seen: list[int] = []

    class Watched(MemoryDeltaMaker):
        async def make(self, *paths: Path, most_bytes: int, on_progress: Any = None) -> MadeDelta:
            await on_progress(30_000)
            seen.append((await world.operation(identity)).bytes_done)
            return await super().make(*paths, most_bytes=most_bytes)

    world.deltas.maker = Watched()
    await world.settle()

    assert seen == [30_000]
    assert (await world.operation(identity)).bytes_done == len(NEW)


async def test_delta_that_saves_too_little_is_not_kept() -> None:
    world = await with_versions(new=random.Random(3).randbytes(70_000))
    before = await update(world)

    operation = await make(world)

    assert operation.failure is not None
    assert operation.failure.code == "NoDeltaMade"
    assert "saves less than 40 %" in operation.failure.message
    assert operation.deltas[-1].delta_bytes == 70_005
    assert await update(world) == before
    assert world.blobs.names("quarantine") == []


async def test_delta_that_is_malicious_is_not_attached() -> None:
    world = await with_versions()
    before = await update(world)
    world.scanner.verdicts[DELTA] = MALWARE

    operation = await make(world)

    assert operation.failure is not None
    assert operation.failure.inner is not None
    assert operation.failure.inner.code == "SourceFileMalwareDetected"
    assert await update(world) == before
    assert f"{INSTANCE}/{hex_of(sha256(DELTA))}" not in world.blobs.names("content")


class DefenderWorld(World):
    """A world with Microsoft Defender as a second engine."""

    def ports(self) -> Any:
        ports = super().ports()
        ports.scanners = [*ports.scanners, DefenderScanner(Evidence(ports.blobs, ports.sealer))]
        return ports


async def test_delta_waits_for_the_verdict_of_defender() -> None:
    world = await with_versions()
    second = DefenderWorld.__new__(DefenderWorld)
    second.__dict__.update(world.__dict__)
    second.rebuild()

    identity = await second.deltas.start(INSTANCE, OWN, "1.1", "trace")
    for _ in range(2):
        for message in [*second.queues.take(), *second._scan_requests()]:
            await second._deliver(message)
    waiting = await second.operation(identity)
    name = f"{INSTANCE}/{identity}/0/0"
    event = {
        "blobUri": second.blobs.address("quarantine", name),
        "eTag": second.blobs.contents["quarantine", name][1]["etag"],
        "scanResultType": "No threats found",
        "scanResultDetails": {"sha256": hex_of(sha256(DELTA)).upper()},
    }
    await second.results.receive(event)
    await second.drain()

    assert waiting.awaited == ("image-1.2.img.from-1.1.zst",)
    assert (await second.operation(identity)).status is OperationStatus.SUCCEEDED


@pytest.mark.parametrize("call", range(1, 75))
async def test_delta_is_attached_once_whatever_call_crashes(call: int) -> None:
    world = await with_versions()
    identity = await world.deltas.start(INSTANCE, OWN, "1.1", "trace")
    world.faults.crash_at(call)

    await world.settle()
    await world.settle()

    await assert_attached(world, await world.operation(identity))


async def test_delta_is_made_from_several_versions_but_once_from_each() -> None:
    world = await with_versions()
    oldest = replace(OWN, version="1.0")
    files = {"apply.sh": SCRIPT, "image-1.0.img": NEW[:55_000] + OLD[:20_000]}
    given = {"manifestVersion": "5.0", "updateId": oldest.to_wire()}
    await world.imports.start(
        INSTANCE, [offer(world, a_source_manifest(files, **given), files)], "trace"
    )
    await world.drain()

    await make(world)
    await make(world, "1.0")

    assert len(image_of(await update(world)).related_files) == 2
    with pytest.raises(Conflict, match="has this delta already"):
        await world.deltas.start(INSTANCE, OWN, "1.1", "trace")


async def test_update_that_is_recalled_meanwhile_gets_no_delta() -> None:
    world = await with_versions()
    identity = await world.deltas.start(INSTANCE, OWN, "1.1", "trace")
    stored = await world.updates.get(INSTANCE, OWN)
    assert stored is not None
    recalled = replace(stored.value, recall=Recall("bad", "2024-05-01T00:00:00+00:00"))
    await world.updates.save(INSTANCE, recalled, stored.etag)

    await world.settle()

    operation = await world.operation(identity)
    assert operation.status is OperationStatus.FAILED
    assert await update(world) == recalled


async def test_request_for_what_cannot_have_a_delta_is_refused() -> None:
    world = await with_versions()

    with pytest.raises(NotFound, match=r"1\.0.* does not exist"):
        await world.deltas.start(INSTANCE, OWN, "1.0", "trace")
    with pytest.raises(NotFound) as refused:
        await world.deltas.start(INSTANCE, replace(OWN, version="9.9"), "1.1", "trace")
    assert refused.value.target == "version"
    with pytest.raises(Conflict, match="two versions"):
        await world.deltas.start(INSTANCE, OWN, "1.2", "trace")
    old = await with_versions(manifestVersion="4.0")
    with pytest.raises(Conflict, match=r"version 4\.0"):
        await old.deltas.start(INSTANCE, OWN, "1.1", "trace")
    small = await with_versions(old=OLD[:1000], new=OLD[:900] + b"?")
    with pytest.raises(Conflict, match="64 KiB"):
        await small.deltas.start(INSTANCE, OWN, "1.1", "trace")


async def test_manifest_that_is_detached_stays_so_and_one_that_is_not_too() -> None:
    world = await with_versions(arguments="x" * 4000)
    detached = await update(world)
    assert detached.detached_manifest is not None

    operation = await make(world)

    after = await update(world)
    assert operation.failure is None
    assert image_of(after).related_files
    assert after.content.items() > detached.content.items(), "devices may be on their way"
    short = parse_update_manifest(after.manifest)
    assert short.detached_manifest_file_id is not None
    blob = f"{INSTANCE}/{after.content[short.detached_manifest_file_id]}"
    document = world.blobs.contents["content", blob][0]
    assert parse_detached(document.decode()) == after.detached_manifest

    room = MAX_TWIN_STRING_BYTES - len((await update(await with_versions())).manifest.encode())
    edge = await with_versions(arguments="x" * (room - 100))
    assert (await update(edge)).detached_manifest is None
    operation = await make(edge)
    assert operation.failure is not None
    assert operation.failure.code == "ManifestTooLong"


async def test_customers_are_told_nothing_of_a_delta() -> None:
    world = await with_versions()
    told = len(world.topic.published)

    await make(world)

    assert len(world.topic.published) == told
