"""Builders and looks that tests of late reports share."""

from __future__ import annotations

from tests.unit.services.world import World

NEWER = "2024-05-01T00:00:01.000000+00:00"


async def workflow_of(world: World, deployment_id: str) -> str:
    return (await world.deployment(deployment_id)).workflow_id
