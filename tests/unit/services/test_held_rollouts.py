"""Roll-outs that wait for somebody are among what needs attention."""

from __future__ import annotations

from shared.services.reporting.attention import AttentionItem
from shared.services.reporting.held_rollouts import HeldRollouts
from tests.builders.deployments import a_world, deploy
from tests.unit.services.test_rollout_controls import ROLL, a_rollout, controls_of, roll_out
from tests.unit.services.world import INSTANCE, World


async def held(world: World) -> list[AttentionItem]:
    return await HeldRollouts(world.fleet, world.deployments, world.clock).items(INSTANCE)


async def test_a_paused_roll_out_says_why_until_it_is_resumed() -> None:
    world = await a_world("d1", "d2")
    await roll_out(world, a_rollout())
    assert await held(world) == []
    controls = controls_of(world)

    await controls.pause(ROLL, "ben", "looks odd", withdraw=True)
    (item,) = await held(world)
    await controls.resume(ROLL, "ben", None)

    assert item.message == "Roll-out 'roll-1' to group '$default' is paused: looks odd"
    assert (item.code, item.group, item.subject) == ("Paused", "$default", "roll-1")
    assert not item.counts_devices
    assert await held(world) == []


async def test_a_roll_out_that_waits_for_approval_is_named_before_any_device_is_asked() -> None:
    world = await a_world()
    await roll_out(world, a_rollout(approval="Required"))

    (item,) = await held(world)

    assert item.message == "Roll-out 'roll-1' to group '$default' waits for approval."
    await controls_of(world).reject(ROLL, "ben", 1, "no")
    assert await held(world) == []


async def test_a_paused_roll_out_that_a_newer_deployment_has_taken_over_needs_nobody() -> None:
    world = await a_world("d1", "d2")
    await roll_out(world, a_rollout())
    await controls_of(world).pause(ROLL, "ben", "looks odd", withdraw=True)
    assert len(await held(world)) == 1

    await deploy(world, deployment_id="newer")

    assert await held(world) == []
