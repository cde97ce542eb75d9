"""A byte order mark before an import manifest is no content, whichever way the manifest comes."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import replace
from pathlib import Path

from shared.domain.operation import OperationStatus
from shared.domain.updates.import_item import ImportItem
from shared.domain.updates.update_id import UpdateId
from tests.unit.services.world import INSTANCE, World, a_source_manifest, offer

CASES = Path(__file__).parents[2] / "data" / "cases"
MANIFEST = (CASES / "bom.importmanifest.json").read_bytes()
PAYLOAD = (CASES / "payload.bin").read_bytes()
BOM = UpdateId("fabrikam", "bom", "1.0")


def an_item(world: World) -> ImportItem:
    """The offer of the manifest; size and hash are over all its bytes."""
    manifest, file = "https://src.example/bom.json", "https://src.example/payload.bin"
    world.fetcher.sources[manifest], world.fetcher.sources[file] = MANIFEST, PAYLOAD
    return ImportItem(
        manifest_url=manifest,
        manifest_size_bytes=len(MANIFEST),
        manifest_sha256=base64.b64encode(hashlib.sha256(MANIFEST).digest()).decode(),
        friendly_name=None,
        files=(("payload.bin", file),),
    )


async def test_manifest_with_a_byte_order_mark_is_imported_by_url() -> None:
    world = World()

    await world.imports.start(INSTANCE, [an_item(world)], "trace")
    await world.drain()

    assert await world.published() == [BOM]


async def test_manifest_with_a_byte_order_mark_is_imported_in_a_set() -> None:
    world = World()
    parent = a_source_manifest(
        {},
        updateId={"provider": "fabrikam", "name": "whole", "version": "1.0"},
        compatibility=[{"model": "whole"}],
        instructions={"steps": [{"type": "reference", "updateId": BOM.to_wire()}]},
    )
    del parent["files"]

    items = [replace(offer(world, parent, {}), friendly_name=None), an_item(world)]
    await world.imports.start(INSTANCE, items, "trace")
    await world.drain()

    assert set(await world.published()) == {BOM, UpdateId("fabrikam", "whole", "1.0")}


async def test_manifest_with_a_byte_order_mark_is_imported_by_drop() -> None:
    world = World()
    world.blobs.put("imports", "factory/payload.bin", PAYLOAD)
    name = "factory/bom.importmanifest.json"
    world.blobs.put("imports", name, MANIFEST)
    etag = world.blobs.contents["imports", name][1]["etag"]

    identity = await world.imports.start_from_drop(INSTANCE, name, etag, world.clock.now())
    await world.drain()

    assert (await world.operation(identity)).status is OperationStatus.SUCCEEDED
    assert await world.published() == [BOM]
