"""Builders and looks that tests of imports share."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from shared.domain.operation import Operation, OperationStatus
from shared.domain.scanning.scan import Verdict
from shared.domain.updates.update import Update
from shared.domain.updates.update_id import UpdateId
from tests.unit.services.world import INSTANCE, World, a_source_manifest, offer

SCRIPT = b"#!/bin/sh\necho done\n"


FILES = {"apply.sh": SCRIPT}


TWO = {"apply.sh": SCRIPT, "data.bin": bytes(range(200))}


DROPPED = "factory/kiosk.importmanifest.json"


OWN = UpdateId("acme", "kiosk-config", "1.2")


CHILD = UpdateId("acme", "sensor", "1.0")


MALWARE = Verdict("malicious", "memory", "1", "1", names=("Eicar",), member_path="blob!inner.exe")


type Begin = Callable[[World], Awaitable[str]]


async def begin(world: World, *documents: dict[str, Any], files: dict[str, bytes] = FILES) -> str:
    items = [offer(world, document, files) for document in documents]
    return await world.imports.start(INSTANCE, items, "trace")


async def of_one(world: World) -> str:
    return await begin(world, a_source_manifest(TWO), files=TWO)


def the_parent() -> dict[str, Any]:
    reference = {"type": "reference", "updateId": CHILD.to_wire()}
    inline = a_source_manifest()["instructions"]["steps"]
    return a_source_manifest(instructions={"steps": [*inline, reference]})


def the_child(**changes: Any) -> dict[str, Any]:
    fits = [{"group": "sensors"}]
    return a_source_manifest(
        updateId=CHILD.to_wire(), isDeployable=False, compatibility=fits, **changes
    )


async def by_drop(world: World) -> str:
    etag = drop(world, a_source_manifest(TWO), TWO)
    return await world.imports.start_from_drop(INSTANCE, DROPPED, etag, world.clock.now())


def drop(world: World, document: dict[str, Any], files: dict[str, bytes]) -> str:
    """The ETag of the manifest."""
    for name, content in files.items():
        world.blobs.put("imports", f"factory/{name}", content)
    world.blobs.put("imports", DROPPED, json.dumps(document).encode())
    return world.blobs.contents["imports", DROPPED][1]["etag"]


async def update(world: World, update_id: UpdateId = OWN) -> Update:
    stored = await world.updates.get(INSTANCE, update_id)
    assert stored is not None
    return stored.value


async def assert_complete(world: World, identity: str, *expected: UpdateId) -> None:
    operation = await world.operation(identity)
    assert (operation.status, operation.failure) == (OperationStatus.SUCCEEDED, None)
    assert operation.update_id == expected[0]
    assert sorted(await world.published()) == sorted(expected)
    for update_id in expected:
        item = await update(world, update_id)
        present = world.blobs.names("content")
        assert {f"{INSTANCE}/{digest}" for digest in item.content.values()} <= set(present)
        assert item.content.keys() == item.file_names.keys()
    assert_clean(world, operation)


def assert_clean(world: World, operation: Operation) -> None:
    assert world.blobs.names("quarantine") == []
    assert world.queues.messages == []
    assert "CANARY" not in repr(operation)
    assert all(source.files == {} for source in operation.sources)


def served(**files: bytes) -> Callable[[World], None]:
    def change(world: World) -> None:
        for url in world.fetcher.sources:
            for name, content in files.items():
                if f"/{name}.sh?" in url:
                    world.fetcher.sources[url] = content

    return change


def gone(part: str) -> Callable[[World], None]:
    def change(world: World) -> None:
        for url in [url for url in world.fetcher.sources if part in url]:
            del world.fetcher.sources[url]

    return change


def replaced_manifest(content: bytes) -> Callable[[World], None]:
    def change(world: World) -> None:
        for url in world.fetcher.sources:
            if ".json?" in url:
                world.fetcher.sources[url] = content

    return change


def found(verdict: Verdict) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.scanner.verdicts[SCRIPT] = verdict

    return change


FILE, MANIFEST = "CannotProcessUpdateFile", "CannotProcessImportManifest"


FAILURES = {
    "shorter": (served(apply=SCRIPT[:-1]), FILE, "SizeMismatch"),
    "longer": (served(apply=SCRIPT + b"x"), FILE, "SizeMismatch"),
    "much longer": (served(apply=SCRIPT * 50), FILE, "SizeMismatch"),
    "empty": (served(apply=b""), FILE, "SizeMismatch"),
    "changed": (served(apply=b"X" + SCRIPT[1:]), FILE, "HashMismatch"),
    "file gone": (gone("apply.sh"), FILE, "ContentFileCannotDownload"),
    "manifest gone": (gone(".json?"), MANIFEST, "CannotDownload"),
    "manifest longer": (replaced_manifest(b"{}" * 999), MANIFEST, "SizeMismatch"),
    "malware": (found(MALWARE), FILE, "SourceFileMalwareDetected"),
    "unscannable": (found(replace(MALWARE, status="unscannable")), FILE, "SourceFileUnscannable"),
}


def drop_status(world: World) -> dict[str, Any]:
    content, _ = world.blobs.contents["imports", "factory/kiosk.importstatus.json"]
    return dict(json.loads(content))


async def assert_failed(world: World, identity: str, code: str, inner: str | None) -> Operation:
    operation = await world.operation(identity)
    assert operation.status is OperationStatus.FAILED
    assert operation.failure is not None
    assert operation.failure.code == code
    assert (operation.failure.inner.code if operation.failure.inner else None) == inner
    assert await world.published() == []
    assert_clean(world, operation)
    return operation
