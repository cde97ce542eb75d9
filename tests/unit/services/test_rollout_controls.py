"""Operators steer roll-outs: each action is one revision, one row of history and one event."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from shared.domain.errors import Conflict, Forbidden, InvalidInput, NotFound
from shared.domain.fleet.deployment import Deployment, RollbackPolicy
from shared.domain.fleet.device import DeviceCommand
from shared.domain.rollouts.progress import Status
from shared.domain.rollouts.specification import Rollout
from shared.domain.rollouts.transition import Step
from shared.domain.updates.update_id import UpdateId
from shared.services.deployments.controls import RolloutControls
from shared.services.deployments.rollback import Rollbacks
from shared.services.reporting.rollouts import RolloutReports
from tests.builders.deployments import AT_ONCE, a_request, a_world, an_update, desired
from tests.builders.devices import record
from tests.unit.domain.builders import V1, V2, a_change, failed, started
from tests.unit.services.world import INSTANCE, World

ROLL = (INSTANCE, "$default", "roll-1")


def controls_of(world: World) -> RolloutControls:
    rollbacks = Rollbacks(
        world.deployments, world.updates, world.fleet, world.queues, world.clock, world.audit
    )
    return RolloutControls(
        deployments=world.deployments,
        fleet=world.fleet,
        fan_outs=world.fan_outs,
        rollbacks=rollbacks,
        clock=world.clock,
        announcer=world.announcer,
    )


def reports_of(world: World) -> RolloutReports:
    return RolloutReports(
        deployments=world.deployments,
        updates=world.updates,
        fleet=world.fleet,
        clock=world.clock,
        limits=world.deploy.limits,
        commands_per_second=5.0,
    )


def a_rollout(*percents: float, **members: Any) -> Rollout:
    phases = [{"select": {"percent": each}} for each in percents or (100,)]
    return msgspec.convert({"phases": phases, **members}, Rollout)


async def roll_out(world: World, rollout: Rollout, **changes: Any) -> Deployment:
    made = await world.deploy.create(INSTANCE, a_request(rollout=rollout, **changes), author="anna")
    await world.drain()
    return made


async def steps(world: World) -> list[tuple[Step, str]]:
    history = await world.deployments.history(
        INSTANCE, await world.deployment("roll-1"), token=None, size=99
    )
    return [(item.step, item.actor) for item in history.items]


async def status_of(world: World) -> Status:
    progress = (await world.deployment("roll-1")).progress
    assert progress is not None
    return progress.shown


async def test_a_roll_out_waits_for_a_second_person() -> None:
    world = await a_world()
    await roll_out(world, a_rollout(approval="Required"))
    controls = controls_of(world)

    assert (world.hub.patches, await status_of(world)) == ([], Status.AWAITING_APPROVAL)
    with pytest.raises(Forbidden):
        await controls.approve(ROLL, "anna", 1, "")
    await controls.approve(ROLL, "ben", 1, "fine")
    await world.drain()

    assert len(world.hub.patches) == 1
    assert (await steps(world))[:3] == [
        (Step.CREATED, "anna"),
        (Step.APPROVED, "ben"),
        (Step.STARTED, "service"),
    ]


async def test_a_pause_withdraws_what_no_device_has_begun_and_a_resume_asks_again() -> None:
    world = await a_world("d1", "d2")
    await roll_out(world, a_rollout())
    controls = controls_of(world)

    await controls.pause(ROLL, "ben", "looks odd", withdraw=True)
    await world.drain()

    assert {desired(world, each)["workflow"]["action"] for each in ("d1", "d2")} == {255}
    assert await status_of(world) is Status.PAUSED

    await world.tell(a_change(9, started(), device_id="d1", at=world.clock.now()))
    await controls.resume(ROLL, "ben", None)
    await world.drain()

    assert desired(world, "d1")["workflow"]["action"] == 3
    assert (Step.PAUSED, "ben") in await steps(world)


async def test_an_abort_with_rollback_sends_back_whom_it_has_asked() -> None:
    world = await a_world("d1")
    await roll_out(world, a_rollout(), rollback_policy=RollbackPolicy(V1, 100, 100))
    await world.tell(a_change(3, failed(_commanded(await record(world)).workflow_on_device)))
    await world.drain()

    await controls_of(world).abort(ROLL, "ben", "bricks kiosks", rollback=True)
    await world.drain()

    assert await status_of(world) is Status.ABORTED
    assert _commanded(await record(world)).update_id == V1


async def test_an_abort_without_a_way_back_is_refused_when_one_is_wanted() -> None:
    world = await a_world()
    await roll_out(world, a_rollout())

    with pytest.raises(Conflict) as refused:
        await controls_of(world).abort(ROLL, "ben", "", rollback=True)

    assert refused.value.code == "RollbackPolicyMissing"
    assert await status_of(world) is not Status.ABORTED


async def test_an_abort_is_refused_when_its_way_back_is_gone() -> None:
    world = await a_world("d1")
    await roll_out(world, a_rollout(), rollback_policy=RollbackPolicy(V1, 100, 100))
    await world.updates.delete(INSTANCE, V1)

    with pytest.raises(Conflict) as refused:
        await controls_of(world).abort(ROLL, "ben", "", rollback=True)

    assert refused.value.code == "RollbackTargetUnusable"
    assert await status_of(world) is not Status.ABORTED


async def test_a_roll_out_that_devices_run_is_not_deleted_before_it_is_aborted() -> None:
    world = await a_world()
    await roll_out(world, a_rollout())

    with pytest.raises(Conflict) as refused:
        await world.deploy.delete(*ROLL)
    assert refused.value.code == "DeploymentActive"

    await controls_of(world).abort(ROLL, "ben", "", rollback=False)
    await world.deploy.delete(*ROLL)
    assert await world.deployments.of_instance(INSTANCE) == []


async def test_an_action_on_what_does_not_exist_is_refused() -> None:
    world = await a_world()

    with pytest.raises(NotFound):
        await controls_of(world).pause(ROLL, "ben", "", withdraw=False)


async def test_every_transition_is_told_to_customers() -> None:
    world = await a_world()
    await roll_out(world, a_rollout(approval="Required"))
    await controls_of(world).approve(ROLL, "ben", 1, "fine")
    await world.drain()

    told = [
        (event.data["step"], event.data["actor"])
        for _, event in world.topic.published
        if event.kind == "OpenDeviceUpdate.RolloutChanged"
    ]
    assert told[:3] == [("Created", "anna"), ("Approved", "ben"), ("Started", "service")]


async def test_a_roll_out_that_breaks_a_rule_is_refused_with_its_place() -> None:
    world = await a_world()

    with pytest.raises(InvalidInput) as refused:
        await roll_out(world, a_rollout(10, 5))

    assert (refused.value.code, refused.value.target) == (
        "PercentNotRising",
        "/rollout/phases/1/select/percent",
    )


async def test_a_plan_counts_who_is_asked_and_who_is_not() -> None:
    world = await a_world("d1", "d2", "d3")
    await world.tell(a_change(3, started("gate"), device_id="d4"))
    await world.drain()
    await roll_out(world, a_rollout(50, 100))

    plan = await reports_of(world).plan(INSTANCE, await world.deployment("roll-1"))

    assert plan.targeted == 3
    assert sum(phase.devices for phase in plan.phases) in (3, 4)  # halves are rounded
    assert [(each.code, each.devices) for each in plan.not_targeted] == [("NotCompatible", 1)]


async def test_a_plan_warns_of_what_would_be_replaced_and_of_no_way_back() -> None:
    world = await a_world()
    newer = UpdateId(V2.provider, V2.name, "9.0")
    await world.updates.add(INSTANCE, an_update(newer))
    await world.tell(a_change(3, {"deviceUpdate": {"agent": {"installedUpdateId": _wire(newer)}}}))
    await world.drain()
    made = await world.deploy.draft(INSTANCE, a_request(starts_at=AT_ONCE), _actor(world))
    made = msgspec.convert(msgspec.to_builtins(made), Deployment)

    plan = await reports_of(world).plan(INSTANCE, made)

    assert "NewerInstalled" in {each.code for each in plan.warnings}
    assert await world.deployments.of_instance(INSTANCE) == []


def _actor(world: World) -> Any:
    from shared.domain.fleet.deployment_edit import Actor

    return Actor("anna", world.clock.now())


def _wire(update_id: UpdateId) -> str:
    import json

    return json.dumps(update_id.to_wire())


def _commanded(known: Any) -> DeviceCommand:
    assert known.commanded is not None
    return known.commanded  # type: ignore[no-any-return]
