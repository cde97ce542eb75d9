"""What the service asks of devices that failed, work, or are asked for something else."""

from __future__ import annotations

from typing import Any

import pytest

from shared.contract.codes import Action, AgentState
from shared.contract.twin import result_report, startup_report, workflow_member
from shared.domain.errors import DependencyFailed
from shared.domain.fleet.deployment import RollbackPolicy
from shared.domain.fleet.device import DeviceState, bucket_of, deployment_state
from tests.builders.deployments import KIOSK, a_world, deploy, desired, status
from tests.builders.devices import record
from tests.unit.domain.builders import (
    V1,
    V2,
    a_change,
    a_deployment,
    at_second,
    busy,
    failed,
    reported,
    started,
    succeeded,
)
from tests.unit.services.world import INSTANCE, World

DAY = 24 * 3600.0
C_AGENT = "DU;agent/1.1.0"


def action(world: World, device_id: str = "d1") -> int:
    return int(desired(world, device_id)["workflow"]["action"])


def on_device(world: World, device_id: str = "d1") -> str:
    return str(desired(world, device_id)["workflow"]["id"])


async def workflow(world: World, deployment_id: str = "roll-1") -> str:
    return (await world.deployment(deployment_id)).workflow_id


async def tell(world: World, *changes: Any) -> None:
    await world.tell(*changes)
    await world.drain()


def download_failed(workflow_id: str) -> dict[str, Any]:
    member = workflow_member(Action.PROCESS_DEPLOYMENT, workflow_id, None)
    return result_report(AgentState.FAILED, 0, extended_result_codes=(0x40000005,), workflow=member)


@pytest.mark.parametrize("end", ["cancel", "delete", "recall"])
async def test_failed_device_is_told_to_stop_once_nothing_wants_its_update(end: str) -> None:
    world = await a_world("d1", "d2")
    await deploy(world)
    name = await workflow(world)
    await tell(
        world,
        a_change(5, failed(name)),
        a_change(5, succeeded(V2, name), device_id="d2"),
    )
    assert action(world) == Action.PROCESS_DEPLOYMENT

    if end == "cancel":
        await world.deploy.cancel(INSTANCE, "$default", KIOSK, "roll-1")
    elif end == "delete":
        await world.deploy.delete(INSTANCE, "$default", "roll-1")
    else:
        stored = await world.deployments.get(INSTANCE, "$default", "roll-1")
        assert stored is not None
        recalled = stored.value.recalled("bricks toasters")
        await world.deployments.save(INSTANCE, recalled, stored.etag)
        await world.fan_outs.enqueue(INSTANCE, recalled)
    await world.drain()

    assert action(world) == Action.CANCEL
    assert deployment_state(await record(world)) is DeviceState.FAILED
    # what was recalled stands in no twin, the others keep what they have
    assert action(world, "d2") == (Action.CANCEL if end == "recall" else Action.PROCESS_DEPLOYMENT)
    assert deployment_state(await record(world, "d2")) is DeviceState.SUCCEEDED


async def test_device_that_fails_after_its_deployment_was_deleted_is_told_to_stop() -> None:
    world = await a_world("d1")
    await deploy(world)
    name = await workflow(world)
    await tell(world, a_change(5, busy(name)))
    await world.deploy.delete(INSTANCE, "$default", "roll-1")
    await world.drain()
    assert action(world) == Action.PROCESS_DEPLOYMENT

    await tell(world, a_change(6, failed(name)))

    assert action(world) == Action.CANCEL


async def test_device_that_works_gets_the_next_workflow_only_when_it_has_ended() -> None:
    world = await a_world("d1")
    await deploy(world, deployment_id="old", update_id=V1)
    old = await workflow(world, "old")
    await tell(world, a_change(5, busy(old)))

    await deploy(world, deployment_id="new")

    assert (on_device(world), action(world)) == (old, Action.CANCEL)
    assert (await status(world, "old")).counts.in_progress == 1  # cancelling, not cancelled yet
    await tell(world, a_change(6, reported(AgentState.IDLE, -1, old)))
    assert (on_device(world), action(world)) == (
        await workflow(world, "new"),
        Action.PROCESS_DEPLOYMENT,
    )
    assert (await status(world, "old")).counts.canceled == 1


async def test_device_that_never_says_that_it_has_ended_is_given_up_after_a_day() -> None:
    world = await a_world("d1")
    await deploy(world, deployment_id="old", update_id=V1)
    await tell(world, a_change(5, busy(await workflow(world, "old"))))
    await deploy(world, deployment_id="new")

    world.clock.advance(DAY)
    await world.recount.bucket(INSTANCE, bucket_of("d1"))
    await world.drain()

    assert on_device(world) == await workflow(world, "new")
    assert (await status(world, "old")).counts.canceled == 1


async def test_cancelled_device_that_works_is_shown_in_progress_until_it_ends_or_is_given_up() -> (
    None
):
    world = await a_world("d1", "d2")
    await deploy(world)
    name = await workflow(world)
    await tell(world, *(a_change(5, busy(name), device_id=device) for device in ("d1", "d2")))
    await world.deploy.cancel(INSTANCE, "$default", KIOSK, "roll-1")
    await world.drain()
    assert (await status(world)).counts.in_progress == 2

    await tell(world, a_change(6, reported(AgentState.IDLE, -1, name)))
    assert (await status(world)).counts.canceled == 1
    world.clock.advance(DAY)
    await world.reconcile.devices_of_bucket(INSTANCE, bucket_of("d2"), ["d2"])
    await world.drain()

    assert (await status(world)).counts.canceled == 2


async def test_retry_within_the_life_of_the_links_keeps_the_workflow() -> None:
    world = await a_world("d1")
    await deploy(world)
    name = await workflow(world)
    await tell(world, a_change(5, failed(name)))

    await world.deploy.retry(INSTANCE, "$default", KIOSK, "roll-1")
    await world.drain()

    assert on_device(world) == name
    assert "retryTimestamp" in desired(world)["workflow"]


@pytest.mark.parametrize("reason", ["aged links", "download"])
async def test_retry_that_needs_new_links_is_a_new_workflow_on_the_device(reason: str) -> None:
    world = await a_world("d1")
    await deploy(world)
    name = await workflow(world)
    report = download_failed(name) if reason == "download" else failed(name)
    await tell(world, a_change(5, report))
    if reason == "aged links":
        world.clock.advance(6 * DAY)

    await world.deploy.retry(INSTANCE, "$default", KIOSK, "roll-1")
    await world.drain()

    assert on_device(world) == f"{name}.0.1"
    await tell(
        world,
        a_change(9, succeeded(V2, f"{name}.0.1", desired(world)["workflow"]["retryTimestamp"])),
    )
    assert (await status(world)).counts.succeeded == 1


async def test_device_that_was_asked_again_since_is_not_retried() -> None:
    world = await a_world("d1")
    await deploy(world)
    name = await workflow(world)
    await tell(world, a_change(5, failed(name)))
    await world.deploy.retry(INSTANCE, "$default", KIOSK, "roll-1")
    await world.drain()
    again = desired(world)["workflow"]["retryTimestamp"]
    await tell(world, a_change(6, failed(name, again)))
    asked = len(world.hub.patches)

    for _ in range(3):
        await world.reconcile.group_in_bucket(INSTANCE, bucket_of("d1"), "$default")

    assert len(world.hub.patches) == asked


async def test_agent_that_would_run_old_steps_is_not_given_another_update_until_it_starts() -> None:
    world = await a_world("d1")
    await tell(world, a_change(3, startup_report("acme", "kiosk", agent_version=C_AGENT)))
    await deploy(world, deployment_id="old", update_id=V1)
    old = await workflow(world, "old")
    await tell(world, a_change(5, download_failed(old), at=at_second(50)))

    await deploy(world, deployment_id="new")

    assert (on_device(world), action(world)) == (old, Action.CANCEL)
    introduced = startup_report("acme", "kiosk", agent_version=C_AGENT)
    await tell(world, a_change(6, introduced, at=at_second(60)))
    assert on_device(world) == await workflow(world, "new")


async def test_other_agents_are_given_the_next_update_at_once() -> None:
    world = await a_world("d1")
    await deploy(world, deployment_id="old", update_id=V1)
    await tell(world, a_change(5, download_failed(await workflow(world, "old"))))

    await deploy(world, deployment_id="new")

    assert on_device(world) == await workflow(world, "new")


async def test_command_of_a_device_that_left_its_group_is_taken_back_unless_it_has_begun() -> None:
    world = await a_world("d1", "d2")
    await deploy(world)
    name = await workflow(world)
    await tell(world, a_change(5, busy(name), device_id="d2"))

    await tell(
        world,
        a_change(6, group="lobby"),
        a_change(6, group="lobby", device_id="d2"),
    )

    assert (action(world), action(world, "d2")) == (Action.CANCEL, Action.PROCESS_DEPLOYMENT)
    assert deployment_state(await record(world)) is DeviceState.CANCELED


async def test_rollback_reaches_only_devices_that_were_asked_for_what_it_undoes() -> None:
    world = await a_world("d1", "d2")
    policy = RollbackPolicy(V1, failed_percentage=50, failed_count=1)
    await deploy(world, rollback_policy=policy)
    name = await workflow(world)
    await tell(world, a_change(5, failed(name)), a_change(5, succeeded(V2, name), device_id="d2"))
    (rollback,) = [item for item in await deployments(world) if item.is_rollback]
    assert on_device(world) == on_device(world, "d2") == rollback.workflow_id

    await tell(world, a_change(2, started(), device_id="d3"))

    assert ("d3", None) not in world.hub.twins or not world.hub.twins["d3", None].desired
    assert (await status(world, "roll-1")).state == "Inactive"


async def test_two_deployments_whose_ids_begin_alike_are_both_rolled_back() -> None:
    world = await a_world("d1")
    policy = RollbackPolicy(V1, failed_percentage=1, failed_count=1)
    names = [f"{'x' * 60}-{number}" for number in range(2)]
    version = 5
    for name in names:
        now = world.clock.now()
        await deploy(world, deployment_id=name, rollback_policy=policy, starts_at=now)
        await tell(world, a_change(version, failed(await workflow(world, name))))
        version += 1

    rollbacks = [item for item in await deployments(world) if item.is_rollback]

    assert {item.undoes for item in rollbacks} == {await workflow(world, name) for name in names}
    assert on_device(world) == max(rollbacks, key=lambda item: item.created_at).workflow_id


async def deployments(world: World) -> list[Any]:
    return [item.value for item in await world.deployments.of_group(INSTANCE, "$default")]


async def test_failed_patch_leaves_the_claim_counted_and_pending_until_it_goes_through() -> None:
    world = await a_world("d1")
    world.hub.throttled = {"d1"}
    await world.deployments.add(INSTANCE, a_deployment())
    with pytest.raises(DependencyFailed):
        await world.reconcile.devices_of_bucket(INSTANCE, bucket_of("d1"), ["d1"])
    assert (await record(world)).is_pending
    assert world.queues.of("rollup")

    world.hub.throttled = set()
    await world.reconcile.devices_of_bucket(INSTANCE, bucket_of("d1"), ["d1"])

    assert not (await record(world)).is_pending
    assert on_device(world) == "w1"
