from __future__ import annotations

from typing import Any

import pytest

from shared.domain.errors import (
    ConcurrentUpdate,
    Conflict,
    DeviceUpdateError,
    InvalidInput,
    NotFound,
    PreconditionFailed,
)
from shared.domain.fleet.deployment import Deployment, DeploymentState, RollbackPolicy
from shared.domain.fleet.device import DeviceState, bucket_of
from shared.domain.fleet.queries import DeviceStateFilter
from shared.domain.limits import Limits
from shared.domain.rollouts.transition import Step
from shared.domain.updates.update_id import UpdateId
from shared.ports import Stored
from tests.builders.deployments import (
    AT_ONCE,
    KIOSK,
    SOON,
    a_request,
    a_world,
    an_update,
    deploy,
    desired,
    fan_out,
    status,
)
from tests.builders.devices import counted, record, recount
from tests.unit.domain.builders import (
    V1,
    V2,
    a_change,
    failed,
    succeeded,
)
from tests.unit.services.world import INSTANCE, World


async def test_deployment_reaches_the_twins_of_its_group() -> None:
    world = await a_world("d1", "d2")
    await world.tell(a_change(3, group="lobby", device_id="d2"))

    await deploy(world)

    deployment = await world.deployment("roll-1")
    assert [device for device, _ in world.hub.patches] == ["d1"]
    assert desired(world) == {
        "workflow": {"action": 3, "id": deployment.workflow_id},
        "rootKeyPackageUrl": f"https://du.example/deviceUpdate/{INSTANCE}/rootKeys/rootkeys.json",
        "updateManifest": f"manifest of {V2}",
        "updateManifestSignature": f"signature of {V2}",
        "fileUrls": {"f2.0": "https://memory.example/content/factory/00ff?filename="},
    }
    assert deployment.is_fanned_out
    assert (await record(world)).commanded is not None


async def test_newer_deployment_takes_over_and_drops_old_links() -> None:
    world = await a_world()
    await deploy(world, deployment_id="old", update_id=V1)

    await deploy(world, deployment_id="new")

    assert list(desired(world)["fileUrls"]) == ["f2.0"]
    assert await counted(world, "$default") == await recount_of(world, "old", "new")
    assert (await status(world, "old")).state is DeploymentState.INACTIVE
    assert (await status(world, "new")).state is DeploymentState.ACTIVE


async def recount_of(world: World, *deployments: str) -> Any:
    from shared.domain.fleet.counters import history_contribution, total

    found = [await recount(world)]
    for deployment_id in deployments:
        workflow_id = (await world.deployment(deployment_id)).workflow_id
        for bucket in range(256):
            moved = await world.devices.history(INSTANCE, bucket, workflow_id)
            found += [history_contribution(item) for item in moved]
    return total(found)


async def test_deployment_is_counted_to_its_end() -> None:
    world = await a_world("d1", "d2", "d3")
    await deploy(world)
    workflow_id = (await world.deployment("roll-1")).workflow_id
    assert (await status(world)).counts.in_progress == 3

    await world.tell(
        a_change(5, succeeded(V2, workflow_id), device_id="d1"),
        a_change(5, failed(workflow_id), device_id="d2"),
    )
    await world.drain()

    found = await status(world)
    counts = found.counts
    assert (counts.succeeded, counts.failed, counts.in_progress, found.total) == (1, 1, 1, 3)
    page = await world.device_lists.states(
        INSTANCE, ("$default", KIOSK, "roll-1"), DeviceStateFilter(), token=None, size=10
    )
    assert {row.device_id: row.state for row in page.items} == {
        "d1": DeviceState.SUCCEEDED,
        "d2": DeviceState.FAILED,
        "d3": DeviceState.IN_PROGRESS,
    }


async def test_deployment_with_the_id_of_a_deleted_one_starts_from_nothing() -> None:
    world = await a_world()
    await deploy(world)
    old = (await world.deployment("roll-1")).workflow_id
    await world.tell(a_change(5, failed(old)))
    await world.drain()
    await world.deploy.delete(INSTANCE, "$default", "roll-1")

    await deploy(world)

    found = await status(world)
    assert (found.counts.in_progress, found.counts.commanded, found.total) == (1, 1, 1)


async def test_cancelled_deployment_is_taken_back_from_devices_in_progress() -> None:
    world = await a_world("d1", "d2")
    await deploy(world)
    workflow_id = (await world.deployment("roll-1")).workflow_id
    await world.tell(a_change(5, succeeded(V2, workflow_id), device_id="d2"))
    world.hub.patches.clear()

    await world.deploy.cancel(INSTANCE, "$default", KIOSK, "roll-1")
    await world.drain()

    assert [device for device, _ in world.hub.patches] == ["d1"]
    assert desired(world)["workflow"] == {"action": 255, "id": workflow_id}
    assert "fileUrls" not in desired(world)
    found = await status(world)
    assert (found.state, found.counts.canceled, found.counts.succeeded) == ("Canceled", 1, 1)


async def test_failed_devices_are_asked_again_on_retry() -> None:
    world = await a_world("d1", "d2")
    await deploy(world)
    workflow_id = (await world.deployment("roll-1")).workflow_id
    await world.tell(a_change(5, failed(workflow_id)))
    await world.drain()
    world.hub.patches.clear()

    await world.deploy.retry(INSTANCE, "$default", KIOSK, "roll-1")
    await world.drain()

    assert [device for device, _ in world.hub.patches] == ["d1"]
    workflow = desired(world)["workflow"]
    assert (workflow["id"], bool(workflow["retryTimestamp"])) == (workflow_id, True)
    assert (await status(world)).counts.in_progress == 2


@pytest.mark.parametrize(
    ("changes", "kind", "target"),
    [
        ({"deployment_id": "Upper"}, InvalidInput, "deploymentId"),
        ({"group_id": "nowhere"}, NotFound, "groupId"),
        ({"update_id": UpdateId("acme", "kiosk", "9.0")}, NotFound, "/update/updateId"),
        ({"update_id": UpdateId("acme", "part", "1.0")}, InvalidInput, "/update/updateId"),
        ({"update_id": UpdateId("acme", "gate", "1.0")}, InvalidInput, "/update"),
    ],
)
async def test_deployment_is_refused_when_it_could_not_work(
    changes: dict[str, Any], kind: type[DeviceUpdateError], target: str
) -> None:
    world = await a_world()
    part, gate = UpdateId("acme", "part", "1.0"), UpdateId("acme", "gate", "1.0")
    await world.updates.add(INSTANCE, an_update(part, is_deployable=False))
    await world.updates.add(INSTANCE, an_update(gate, compatibility=({"model": "gate"},)))

    with pytest.raises(kind) as refused:
        await world.deploy.create(INSTANCE, a_request(**changes))

    assert refused.value.target == target
    assert await world.deployments.of_instance(INSTANCE) == []
    assert world.queues.messages == []


async def test_same_deployment_asked_for_again_changes_nothing() -> None:
    world = await a_world()
    first = await world.deploy.create(INSTANCE, a_request())

    again = await world.deploy.create(INSTANCE, a_request())

    assert again == first
    with pytest.raises(Conflict) as refused:
        await world.deploy.create(INSTANCE, a_request(update_id=V1))
    assert (refused.value.code, refused.value.target) == ("Immutable", "/update/updateId")


async def test_a_differing_request_is_answered_and_never_silently_ignored() -> None:
    world = await a_world()
    first = await world.deploy.create(INSTANCE, a_request(starts_at=SOON), author="anna")
    policy = RollbackPolicy(V1, 20, 10)

    edited = await world.deploy.create(
        INSTANCE, a_request(starts_at=SOON, rollback_policy=policy), author="ben"
    )
    again = await world.deploy.create(INSTANCE, a_request(starts_at=SOON), author="cleo")

    assert (first.revision, edited.revision, edited.rollback_policy) == (1, 2, policy)
    assert again == edited
    history = await world.deployments.history(INSTANCE, edited, token=None, size=9)
    assert [(item.step, item.actor, item.revision) for item in history.items] == [
        (Step.CREATED, "anna", 1),
        (Step.EDITED, "ben", 2),
    ]
    world.clock.advance(7200)
    with pytest.raises(Conflict) as refused:
        await world.deploy.create(INSTANCE, a_request(starts_at=AT_ONCE))
    assert (refused.value.code, refused.value.target) == ("Immutable", "/startDateTime")


async def test_a_condition_that_does_not_hold_changes_nothing() -> None:
    world = await a_world()
    first = await world.deploy.create(INSTANCE, a_request(starts_at=SOON))

    def refuse(known: Deployment | None) -> None:
        assert known == first
        raise PreconditionFailed("another ETag")

    with pytest.raises(PreconditionFailed):
        await world.deploy.create(INSTANCE, a_request(starts_at=AT_ONCE), condition=refuse)
    assert (await world.deployment("roll-1")).starts_at == SOON


async def test_cancelling_a_class_twice_is_one_revision() -> None:
    world = await a_world()
    await deploy(world)

    for _ in range(2):
        await world.deploy.cancel(INSTANCE, "$default", KIOSK, "roll-1", "anna")

    deployment = await world.deployment("roll-1")
    history = await world.deployments.history(INSTANCE, deployment, token=None, size=9)
    assert deployment.revision == 2
    assert [(item.step, item.device_class_id) for item in history.items] == [
        (Step.CREATED, ""),
        (Step.CLASS_CANCELED, KIOSK),
    ]


async def test_a_deployment_to_many_devices_needs_phases_where_somebody_must_approve() -> None:
    world = await a_world("d1", "d2")
    world.deploy.limits = Limits(devices_without_approval=1)

    with pytest.raises(Conflict) as refused:
        await world.deploy.create(INSTANCE, a_request())

    assert (refused.value.code, refused.value.target) == ("ApprovalRequired", "/rollout")


async def test_retry_where_no_device_has_failed_is_noted_and_asks_nobody() -> None:
    world = await a_world("d1")
    await deploy(world)
    world.hub.patches.clear()

    retried = await world.deploy.retry(INSTANCE, "$default", KIOSK, "roll-1")
    await world.drain()

    assert retried.subgroup(KIOSK).retry_timestamp is not None
    assert world.hub.patches == []
    assert (await status(world)).counts.in_progress == 1


async def test_retry_of_a_cancelled_deployment_is_refused() -> None:
    world = await a_world()
    await deploy(world)
    await world.deploy.cancel(INSTANCE, "$default", KIOSK, "roll-1")

    with pytest.raises(Conflict):
        await world.deploy.retry(INSTANCE, "$default", KIOSK, "roll-1")


async def test_unknown_deployment_is_not_found_by_any_operation() -> None:
    world = await a_world()

    for work in (
        world.deploy.get(INSTANCE, "$default", "none"),
        world.deploy.delete(INSTANCE, "$default", "none"),
        world.deploy.cancel(INSTANCE, "$default", KIOSK, "none"),
        world.deploy.retry(INSTANCE, "$default", KIOSK, "none"),
        world.reports.status(INSTANCE, "$default", "none"),
        world.device_lists.states(
            INSTANCE, ("$default", KIOSK, "none"), DeviceStateFilter(), token=None, size=10
        ),
    ):
        with pytest.raises(NotFound):
            await work


async def test_deployment_waits_for_its_start() -> None:
    world = await a_world()
    await world.deploy.create(INSTANCE, a_request(starts_at=SOON))
    (message,) = world.queues.take()

    await world.fan_outs.run(fan_out("roll-1"))

    assert 3000 < message.delay_seconds <= 3600
    assert world.queues.of("reconcile") == []
    assert not (await world.deployment("roll-1")).is_fanned_out
    await world.reconcile.devices_of_bucket(INSTANCE, bucket_of("d1"), ["d1"])
    assert world.hub.patches == []
    await world.drain()
    assert len(world.hub.patches) == 1


async def test_change_is_made_again_when_another_came_in_between() -> None:
    world = await a_world()
    await world.deploy.create(INSTANCE, a_request())

    class Racing(type(world.deployments)):  # type: ignore[misc]
        conflicts = 2

        async def save(self, *args: Any) -> None:
            if self.conflicts:
                self.conflicts -= 1
                raise ConcurrentUpdate("Raced.")
            await super().save(*args)

    racing = Racing()
    racing._rows = world.deployments._rows
    world.deploy.deployments = racing

    changed = await world.deploy.cancel(INSTANCE, "$default", KIOSK, "roll-1")

    assert changed.subgroup(KIOSK).is_canceled
    stored: Stored[Any] | None = await world.deployments.get(INSTANCE, "$default", "roll-1")
    assert stored is not None
    assert stored.value == changed
