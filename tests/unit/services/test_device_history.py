from __future__ import annotations

import pytest

from shared.domain.errors import NotFound
from shared.domain.fleet.device import DeviceState
from shared.domain.updates.update_id import UpdateId
from shared.services.devices.history import DeviceHistory
from tests.builders.deployments import KIOSK, a_request, a_world, deploy, desired
from tests.builders.late_reports import NEWER, workflow_of
from tests.unit.domain.builders import V1, V2, a_change, failed, succeeded
from tests.unit.services.world import INSTANCE, World

SIDELOADED = {"installedUpdateId": '{"provider":"acme","name":"kiosk","version":"1.5"}'}


async def a_device_with_a_past() -> World:
    """Deployment of 2.0, an update put on the device by hand, and the next deployment of 2.0."""
    world = await a_world("d1")
    await world.deploy.create(INSTANCE, a_request())
    await world.settle()
    await world.tell(a_change(10, succeeded(V2, await workflow_of(world, "roll-1"))))
    await world.tell(a_change(11, {"deviceUpdate": {"agent": SIDELOADED}}))
    await world.deploy.create(
        INSTANCE, a_request(deployment_id="roll-2", update_id=V1, starts_at=NEWER)
    )
    await world.settle()
    return world


async def test_history_names_every_update_and_the_present_one_first() -> None:
    world = await a_device_with_a_past()
    history = DeviceHistory(world.devices)

    page = await history.page(INSTANCE, "d1", None, token=None, size=10)

    seen = [(item.update_id, item.deployment_id, item.state) for item in page.items]
    assert seen[0] == (V1, "roll-2", DeviceState.IN_PROGRESS)
    assert sorted(seen[1:], key=str) == [
        (UpdateId("acme", "kiosk", "1.5"), None, DeviceState.SUCCEEDED),
        (V2, "roll-1", DeviceState.SUCCEEDED),
    ]
    assert page.token is None


async def test_history_is_paged() -> None:
    world = await a_device_with_a_past()
    history = DeviceHistory(world.devices)
    whole = (await history.page(INSTANCE, "d1", None, token=None, size=10)).items

    first = await history.page(INSTANCE, "d1", None, token=None, size=1)
    second = await history.page(INSTANCE, "d1", None, token=first.token, size=1)

    assert [*first.items, *second.items] == whole
    assert second.token is None


async def test_history_of_an_unknown_device_is_not_found() -> None:
    with pytest.raises(NotFound):
        await DeviceHistory(World().devices).page(INSTANCE, "d9", None, token=None, size=1)


async def test_history_keeps_failed_attempts_after_a_success() -> None:
    """Of the deployment before, and of the same one, whose retries are counted."""
    world = await a_world("d1")
    await deploy(world, deployment_id="first")
    await world.tell(a_change(5, failed(await workflow_of(world, "first"))))
    await world.deploy.retry(INSTANCE, "$default", KIOSK, "first")
    await world.settle()
    again = desired(world)["workflow"]["retryTimestamp"]
    await world.tell(a_change(6, failed(await workflow_of(world, "first"), again)))
    await deploy(world, deployment_id="second", starts_at=world.clock.now())
    await world.tell(a_change(7, failed(await workflow_of(world, "second"))))
    world.clock.advance(1)
    await world.deploy.retry(INSTANCE, "$default", KIOSK, "second")
    await world.settle()
    again = desired(world)["workflow"]["retryTimestamp"]
    await world.tell(a_change(8, succeeded(V2, await workflow_of(world, "second"), again)))

    page = await DeviceHistory(world.devices).page(INSTANCE, "d1", None, token=None, size=10)

    seen = [(item.deployment_id, item.state, item.retry_count) for item in page.items]
    assert seen == [("second", DeviceState.SUCCEEDED, 1), ("first", DeviceState.FAILED, 1)]
