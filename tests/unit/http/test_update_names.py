from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from functions.update_names import name_updates
from shared.domain.errors import DependencyFailed
from shared.domain.updates.update_id import UpdateId
from shared.http import models, wire
from shared.http.models.device_orders import DeviceDeployment

ONE, GONE = UpdateId("acme", "kiosk", "1.0"), UpdateId("acme", "kiosk", "0.9")


class Updates:
    """Knows one update, with a friendly name, or fails."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.failure, self.reads = failure, 0

    async def get(self, instance: str, update_id: UpdateId) -> Any:
        self.reads += 1
        if self.failure is not None:
            raise self.failure
        if update_id != ONE:
            return None
        known = SimpleNamespace(update_id=ONE, friendly_name="Kiosk one", description="It opens")
        return SimpleNamespace(value=known)


def a_call(updates: Updates) -> Any:
    app = SimpleNamespace(ports=SimpleNamespace(updates=updates))
    return SimpleNamespace(app=app, instance="local")


async def test_every_reference_to_an_update_has_its_friendly_name() -> None:
    updates = Updates()
    policy = models.RollbackPolicy(
        update=wire.update_info(GONE),
        failure=models.RollbackFailure(devices_failed_percentage=1, devices_failed_count=1),
    )
    page = models.Page(
        [
            models.Deployment(
                deployment_id=name,
                group_id="g",
                start_date_time="2026-01-01T00:00:00Z",
                update=wire.update_info(ONE),
                rollback_policy=policy,
            )
            for name in ("a", "b")
        ]
    )

    await name_updates(a_call(updates), page)

    assert [item.update.friendly_name for item in page.value] == ["Kiosk one", "Kiosk one"]
    assert page.value[0].update.description == "It opens"
    assert policy.update.friendly_name is None
    assert updates.reads == 2, "each update is read once"


def deployments(update_id: UpdateId) -> list[Any]:
    update, at = wire.update_info(update_id), "2026-01-01T00:00:00Z"
    return [
        models.Deployment(deployment_id="a", group_id="g", start_date_time=at, update=update),
        DeviceDeployment(
            deployment_id="a", start_date_time=at, created_date_time=at, update=update
        ),
    ]


async def test_deployment_of_a_deleted_update_is_marked() -> None:
    there, gone = deployments(ONE), deployments(GONE)

    await name_updates(a_call(Updates()), models.Page([*there, *gone]))

    assert [each.is_update_deleted for each in (*there, *gone)] == [None, None, True, True]


async def test_deployment_is_not_marked_when_its_update_could_not_be_read() -> None:
    some = deployments(GONE)

    await name_updates(a_call(Updates(DependencyFailed("The storage is away."))), some)

    assert [each.is_update_deleted for each in some] == [None, None]


async def test_answer_stands_without_names_that_cannot_be_read() -> None:
    info = wire.update_info(ONE)

    await name_updates(a_call(Updates(DependencyFailed("The storage is away."))), [info])

    assert info.friendly_name is None


async def test_answer_without_updates_reads_none() -> None:
    updates = Updates()

    await name_updates(a_call(updates), models.Page(["kiosk"]))

    assert updates.reads == 0
