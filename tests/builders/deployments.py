"""Builders and looks that tests of deployments share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from shared import messages
from shared.domain.fleet.deployment_edit import DeploymentRequest
from shared.domain.fleet.device_class import device_class_of
from shared.domain.updates.update import Update
from shared.domain.updates.update_id import UpdateId
from tests.unit.domain.builders import (
    FITS_KIOSK,
    V1,
    V2,
    a_change,
    started,
)
from tests.unit.services.world import INSTANCE, World

SOON = "2024-05-01T13:00:00.000000+00:00"


AT_ONCE = "2024-05-01T00:00:00.000000+00:00"


_KIOSK = device_class_of(started()["deviceUpdate"]["agent"])


KIOSK = _KIOSK.class_id


def an_update(update_id: UpdateId = V2, **changes: Any) -> Update:
    given: dict[str, Any] = {
        "update_id": update_id,
        "is_deployable": True,
        "compatibility": FITS_KIOSK,
        "manifest_version": "4.0",
        "steps": (),
        "files": (),
        "created_at": AT_ONCE,
        "imported_at": AT_ONCE,
        "operation_id": "op",
        "manifest": f"manifest of {update_id}",
        "signature": f"signature of {update_id}",
        "content": {f"f{update_id.version}": "00ff"},
        "file_names": {f"f{update_id.version}": "apply.sh"},
    }
    return Update(**{**given, **changes})


async def a_world(*devices: str) -> World:
    world = World()
    for update_id in (V1, V2):
        await world.updates.add(INSTANCE, an_update(update_id))
    await world.tell(*(a_change(2, started(), device_id=device) for device in devices or ["d1"]))
    await world.drain()
    return world


def a_request(**changes: Any) -> DeploymentRequest:
    return replace(DeploymentRequest("roll-1", "$default", V2, AT_ONCE), **changes)


async def deploy(world: World, **changes: Any) -> None:
    await world.deploy.create(INSTANCE, a_request(**changes))
    await world.drain()


def desired(world: World, device_id: str = "d1") -> dict[str, Any]:
    return dict(world.hub.twins[device_id, None].desired["deviceUpdate"]["service"])


def fan_out(deployment_id: str) -> messages.FanOut:
    return messages.FanOut(instance=INSTANCE, group="$default", deployment=deployment_id)


async def status(world: World, deployment_id: str = "roll-1") -> Any:
    _, statuses = await world.reports.status(INSTANCE, "$default", deployment_id)
    (only,) = statuses
    return only
