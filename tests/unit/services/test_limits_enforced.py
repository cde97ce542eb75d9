"""Limits that services enforce, told by name and value."""

from __future__ import annotations

import pytest

from shared.domain.errors import Conflict, LimitExceeded
from shared.domain.fleet.deployment_edit import DeploymentRequest
from shared.domain.limits import Limits, TooManyRequests
from shared.domain.updates.import_item import ImportItem
from shared.domain.updates.update_id import UpdateId
from shared.services.audit.trail import AuditTrail
from shared.services.commands import Commands
from shared.services.deployments.deploy import Deploy
from shared.services.deployments.fan_out import FanOuts
from shared.services.imports.operation import Imports
from tests.fakes.audit import MemoryAudit
from tests.fakes.clock import FixedClock
from tests.fakes.fleet import MemoryDeployments, MemoryFleet, MemoryHubBudget
from tests.fakes.storage import MemoryBlobs, MemoryQueues
from tests.fakes.updates import MemoryOperations, MemorySealer, MemoryUpdates
from tests.unit.domain.builders import a_deployment

ITEM = ImportItem(
    manifest_url="https://example.com/m.json",
    manifest_size_bytes=10,
    manifest_sha256="",
    friendly_name=None,
    files=(),
)
DAY_SECONDS = 24 * 3600.0


def imports(clock: FixedClock, running: int) -> Imports:
    return Imports(
        operations=MemoryOperations(),
        blobs=MemoryBlobs(),
        queues=MemoryQueues(),
        sealer=MemorySealer(),
        clock=clock,
        limits=Limits(running_operations=running),
        audit=AuditTrail(MemoryAudit(), clock),
    )


async def test_an_import_too_many_is_refused_until_another_has_ended() -> None:
    service = imports(FixedClock(), 2)
    first = await service.start("one", [ITEM], "t")
    await service.start("one", [ITEM], "t")

    with pytest.raises(TooManyRequests) as caught:
        await service.start("one", [ITEM], "t")

    assert "the limit running_operations is 2" in caught.value.message
    await service.start("two", [ITEM], "t")
    await service.fail("one", first, LimitExceeded("gone"))
    await service.start("one", [ITEM], "t")


async def test_an_import_stuck_since_yesterday_takes_no_room() -> None:
    clock = FixedClock()
    service = imports(clock, 1)
    await service.start("one", [ITEM], "t")
    clock.advance(DAY_SECONDS)

    await service.start("one", [ITEM], "t")


async def test_a_deployment_too_many_is_refused_but_one_that_exists_is_not() -> None:
    clock, deployments = FixedClock(), MemoryDeployments()
    service = Deploy(
        deployments=deployments,
        updates=MemoryUpdates(),
        fleet=MemoryFleet(clock),
        fan_outs=FanOuts(
            deployments=deployments,
            fleet=MemoryFleet(clock),
            queues=MemoryQueues(),
            budget=MemoryHubBudget(clock),
            clock=clock,
            commands_per_second=1.0,
        ),
        clock=clock,
        commands=Commands(MemoryUpdates(), MemoryBlobs(), "https://odu.example"),
        limits=Limits(deployments_per_group=2),
    )
    for identity in ("a", "b"):
        await deployments.add("one", a_deployment(deployment_id=identity, group_id="g"))

    def asked(identity: str) -> DeploymentRequest:
        return DeploymentRequest(identity, "g", UpdateId("acme", "kiosk", "1.0"), clock.now())

    with pytest.raises(LimitExceeded, match="the limit deployments_per_group is 2"):
        await service.create("one", asked("c"))
    with pytest.raises(Conflict, match="cannot change"):
        await service.create("one", asked("a"))
