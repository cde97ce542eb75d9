"""Several engines, verdicts that come by events, re-scans and recalls."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.operation import OperationStatus
from shared.domain.updates.update import hex_of
from tests.builders.scan_world import OWN, SCRIPT, ScanWorld, published
from tests.unit.services.world import INSTANCE, sha256


async def test_import_waits_for_a_verdict_that_comes_by_an_event() -> None:
    world = ScanWorld(has_defender=True)
    identity = await world.waiting()
    assert await world.published() == []
    shown = await world.shown(identity)
    assert (shown.stage, shown.bytes_done, shown.bytes_total) == ("scan", len(SCRIPT), len(SCRIPT))
    assert (shown.files_scanned, shown.files_total, shown.awaited_files) == (0, 1, ["apply.sh"])

    await world.results.receive(world.event(identity))
    await world.drain()

    shown = await world.shown(identity)
    assert (shown.status, shown.awaited_files) == ("Succeeded", None)
    assert (shown.files_scanned, shown.files_total) == (1, 1)
    (file,) = (await world.update()).files
    assert [(each.engine, each.status) for each in file.verdicts] == [
        ("memory", "clean"),
        ("defender", "clean"),
    ]
    assert world.scanner.scans == 1
    assert world.blobs.names("quarantine") == []


async def test_verdict_may_come_before_the_scan_and_more_than_once() -> None:
    world = ScanWorld(has_defender=True)
    identity = await world.begin()
    await world.step()

    for _ in range(2):
        await world.results.receive(world.event(identity))
    await world.drain()
    await world.results.receive({**world_event_of(identity), "scanResultType": "Malicious"})

    assert (await world.operation(identity)).status is OperationStatus.SUCCEEDED
    assert world.blobs.names("quarantine") == []


def world_event_of(identity: str) -> dict[str, Any]:
    """An event on an import that is over."""
    uri = f"https://memory.example/quarantine/{INSTANCE}/{identity}/0/0"
    return {"blobUri": uri, "eTag": "0x8D"}


FOREIGN: dict[str, dict[str, Any]] = {
    "another version": {"eTag": "0x8DOTHER"},
    "other content": {"scanResultDetails": {"sha256": "00" * 32}},
    "another account": {"blobUri": "https://other.example/quarantine/factory/x/0/0"},
    "another container": {"blobUri": "https://memory.example/content/factory/x/0/0"},
    "unknown import": {"blobUri": "https://memory.example/quarantine/factory/unknown/0/0"},
    "no version": {"eTag": None},
    "a version that is a path": {"eTag": "../../x"},
    "no blob": {"blobUri": None},
}


@pytest.mark.parametrize("changes", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("result", ["No threats found", "Malicious"])
async def test_verdict_on_something_else_changes_nothing_and_the_wait_ends_in_an_error(
    changes: dict[str, Any], result: str
) -> None:
    world = ScanWorld(has_defender=True)
    identity = await world.waiting()
    before = list(world.queues.messages)

    await world.results.receive(world.event(identity, scanResultType=result, **changes))
    looks = [item for item in world.queues.messages if item not in before]
    await world.drain()

    assert looks == [] or "eTag" in changes or "scanResultDetails" in changes
    operation = await world.operation(identity)
    assert operation.status is OperationStatus.FAILED
    assert operation.failure is not None
    assert operation.failure.inner is not None
    is_of_these_bytes = changes in (FOREIGN["another version"], FOREIGN["unknown import"])
    if result == "Malicious" and is_of_these_bytes:
        assert operation.failure.inner.code == "SourceFileMalwareDetected"
    else:
        assert operation.failure.inner.code == "SourceFilePendingMalwareAnalysis"
        assert "Within 600 s" in operation.failure.message
    assert operation.failure.target == "apply.sh"
    assert await world.published() == []
    assert world.blobs.names("quarantine") == []


async def test_malware_that_is_told_of_while_publication_waits_stops_it() -> None:
    world = ScanWorld(has_defender=True)
    identity = await world.waiting()
    await world.results.receive(world.event(identity))
    await world.step()
    assert (await world.operation(identity)).stage == "publish"

    late = {"scanResultType": "Malicious", "scanResultDetails": {}}
    await world.results.receive(world.event(identity, **late))
    await world.drain()

    operation = await world.operation(identity)
    assert operation.failure is not None
    assert operation.failure.inner is not None
    assert operation.failure.inner.code == "SourceFileMalwareDetected"
    assert await world.published() == []


@pytest.mark.parametrize("container", ["quarantine", "content"])
async def test_malware_that_is_told_of_after_publication_recalls_the_update(container: str) -> None:
    world = ScanWorld(has_defender=True)
    identity = await world.waiting()
    event = world.event(identity, scanResultType="Malicious")
    await world.results.receive(world.event(identity))
    await world.drain()
    assert (await world.update()).recall is None
    if container == "content":
        name = f"{INSTANCE}/{hex_of(sha256(SCRIPT))}"
        etag = world.blobs.contents["content", name][1]["etag"]
        uri = world.blobs.address("content", name)
        event |= {"blobUri": uri, "eTag": etag, "scanResultDetails": None}
        await world.results.receive({**event, "eTag": "0x8DOTHER"})
        assert (await world.update()).recall is None

    await world.results.receive(event)

    recall = (await world.update()).recall
    assert recall is not None
    assert recall.reason == "File 'apply.sh' holds malware: unnamed malware (defender)."


async def test_malware_of_other_content_leaves_an_update_alone() -> None:
    world = ScanWorld(has_defender=True)
    identity = await world.waiting()
    other = {"scanResultType": "Malicious", "scanResultDetails": {"sha256": "00" * 32}}
    event = world.event(identity, **other)
    await world.results.receive(world.event(identity))
    await world.drain()

    await world.results.receive({**event, "eTag": "0x8DOTHER"})

    assert (await world.update()).recall is None


async def test_bytes_that_were_changed_in_quarantine_are_not_published_under_a_clean_hash() -> None:
    world = await published()
    identity = await world.begin(updateId={**OWN.to_wire(), "version": "9.9"})
    await world.step()
    name = f"{INSTANCE}/{identity}/0/0"
    _, facts = world.blobs.contents["quarantine", name]
    for blob in [key for key in world.blobs.contents if key[0] == "content"]:
        del world.blobs.contents[blob]
    world.blobs.contents["quarantine", name] = (b"#!/bin/evil", facts)
    await world.drain()

    operation = await world.operation(identity)
    assert operation.failure is not None
    assert operation.failure.inner is not None
    assert operation.failure.inner.code == "HashMismatch"
    assert [each.version for each in await world.published()] == [OWN.version]
    assert world.blobs.names("content") == []


@pytest.mark.parametrize(
    "said",
    [
        {"scanResultType": "No threats found "},
        {"scanResultType": "no threats found"},
        {"scanResultType": ""},
        {"scanResultType": None},
    ],
)
async def test_clean_is_only_what_is_spelt_exactly_so(said: dict[str, Any]) -> None:
    world = ScanWorld(has_defender=True)
    identity = await world.waiting()

    await world.results.receive(world.event(identity, **said))
    await world.drain()

    assert (await world.operation(identity)).status is OperationStatus.FAILED


async def test_clean_is_not_what_comes_without_details() -> None:
    world = ScanWorld(has_defender=True)
    identity = await world.waiting()
    event = world.event(identity)
    del event["scanResultDetails"]

    await world.results.receive(event)
    await world.drain()

    assert (await world.operation(identity)).status is OperationStatus.FAILED


RESULTS = {
    "Malicious": "SourceFileMalwareDetected",
    "Not scanned": "SourceFileUnscannable",
    "Error": "SourceFilePendingMalwareAnalysis",
    "Something new": "SourceFilePendingMalwareAnalysis",
}


@pytest.mark.parametrize("result", RESULTS)
async def test_only_a_known_word_of_defender_lets_content_pass(result: str) -> None:
    world = ScanWorld(has_defender=True)
    identity = await world.waiting()
    details = {"malwareNamesFound": ["Trojan:X"], "notScannedReason": "encrypted"}

    await world.results.receive(world.event(identity, scanResultType=result))
    await world.results.receive(
        world.event(identity, scanResultType=result, scanResultDetails=details)
    )
    await world.drain()

    operation = await world.operation(identity)
    assert operation.status is OperationStatus.FAILED
    assert operation.failure is not None
    codes = {operation.failure.code, operation.failure.inner and operation.failure.inner.code}
    assert RESULTS[result] in codes
    assert await world.published() == []
