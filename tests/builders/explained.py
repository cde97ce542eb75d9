"""Why a device has an update or not, as an operator is told."""

from __future__ import annotations

from typing import Any

from shared.domain.fleet.explain import Explanation
from shared.domain.updates.update_id import UpdateId
from shared.services.reporting.explain import Explanations
from tests.unit.domain.builders import V2
from tests.unit.services.world import INSTANCE, World


async def explained(
    world: World, update_id: UpdateId | None = V2, device: str = "d1"
) -> Explanation:
    service = Explanations(
        devices=world.devices,
        deployments=world.deployments,
        updates=world.updates,
        passes=world.devices,
        fleet=world.fleet,
        clock=world.clock,
    )
    return (await service.of_device(INSTANCE, device, None, update_id)).explanation


async def verdict(world: World, update_id: UpdateId | None = V2, device: str = "d1") -> Any:
    """The verdict and the code that decides."""
    found = await explained(world, update_id, device)
    return found.verdict, next(each.code for each in found.reasons if each.decides)
