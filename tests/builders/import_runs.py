"""Builders of imports."""

from __future__ import annotations

import json
from typing import Any

from shared.domain.operation import Operation, OperationStatus
from tests.builders.imports import (
    assert_clean,
)
from tests.unit.services.world import World


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
