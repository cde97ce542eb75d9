"""Builders and looks that tests of delete update share."""

from __future__ import annotations

from shared.domain.updates.update_id import UpdateId
from tests.unit.services.world import INSTANCE, World, a_source_manifest, offer


async def publish(world: World, update_id: UpdateId, files: dict[str, bytes]) -> None:
    document = a_source_manifest(files, updateId=update_id.to_wire())
    await world.imports.start(INSTANCE, [offer(world, document, files)], "trace")
    await world.drain()
    assert update_id in await world.published()
