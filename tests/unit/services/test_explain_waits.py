"""What `explain` says of a device that has to end what it was asked before."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from shared.contract.codes import Action, AgentState
from shared.contract.twin import result_report, startup_report, workflow_member
from shared.domain.errors import DeviceUpdateError
from shared.domain.fleet.asking import CANCEL_DEADLINE
from shared.domain.fleet.explain import Verdict
from shared.domain.instant import later
from tests.builders.deployments import KIOSK, a_world, deploy
from tests.builders.devices import record
from tests.builders.explained import explained, verdict
from tests.unit.domain.builders import V1, V2, a_change, at_second, busy, reported
from tests.unit.services.test_c_agent import DEEDS, a_story
from tests.unit.services.world import INSTANCE, World


async def tell(world: World, version: int, report: dict[str, Any], at: str | None = None) -> None:
    await world.tell(a_change(version, report, at=at))
    await world.drain()


async def workflow(world: World, deployment_id: str) -> str:
    return (await world.deployment(deployment_id)).workflow_id


async def test_device_that_was_told_to_stop_is_shown_as_cancelling_until_the_deadline() -> None:
    world = await a_world("d1")
    await deploy(world, deployment_id="old")
    await tell(world, 5, busy(await workflow(world, "old")))
    await world.deploy.cancel(INSTANCE, "$default", KIOSK, "old")
    await world.drain()

    found = [each for each in (await explained(world, V2)).reasons if each.code == "Canceling"]

    command = (await record(world)).commanded
    assert command is not None
    assert [each.until for each in found] == [later(command.canceled_at, CANCEL_DEADLINE)]
    await tell(world, 6, reported(AgentState.IDLE, -1, await workflow(world, "old")))
    codes = {each.code for each in (await explained(world, V2)).reasons}
    assert "Canceling" not in codes
    assert "CanceledForClass" in codes


async def test_device_that_works_on_another_update_is_shown_as_waiting_for_its_end() -> None:
    world = await a_world("d1")
    await deploy(world, deployment_id="old", update_id=V1)
    await tell(world, 5, busy(await workflow(world, "old")))

    await deploy(world, deployment_id="new", update_id=V2)

    assert await verdict(world, V2) == (Verdict.WAITS, "WorksOnAnother")
    (why,) = [each for each in (await explained(world, V2)).reasons if each.decides]
    assert f"'{V1}'" in why.message
    await tell(world, 6, reported(AgentState.IDLE, -1, await workflow(world, "old")))
    assert await verdict(world, V2) == (Verdict.IN_PROGRESS, "AskedNoSign")


async def test_agent_that_would_run_old_steps_is_shown_as_waiting_for_its_start() -> None:
    world = await a_world("d1")
    open_agent = startup_report("acme", "kiosk", agent_version="DU;agent/1.1.0")
    await tell(world, 3, open_agent)
    await deploy(world, deployment_id="old", update_id=V1)
    member = workflow_member(Action.PROCESS_DEPLOYMENT, await workflow(world, "old"), None)
    codes = (0x40000005,)
    failed = result_report(AgentState.FAILED, 0, extended_result_codes=codes, workflow=member)
    await tell(world, 5, failed, at_second(50))

    await deploy(world, deployment_id="new", update_id=V2)

    assert await verdict(world, V2) == (Verdict.WAITS, "HoldsFailedUpdate")
    (why,) = [each for each in (await explained(world, V2)).reasons if each.decides]
    assert f"'{V1}'" in why.message
    assert "once the agent has started again" in why.message
    await tell(world, 6, open_agent, at_second(60))
    assert await verdict(world, V2) == (Verdict.IN_PROGRESS, "AskedNoSign")


@given(st.lists(st.sampled_from(sorted(DEEDS)), min_size=2, max_size=10))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_explain_always_has_a_reason_that_decides(deeds: list[str]) -> None:
    async def run() -> None:
        story = await a_story()
        for deed in deeds:
            try:
                await DEEDS[deed](story)
            except DeviceUpdateError:
                continue  # an operator is refused
            for update_id in (V1, V2, None):
                found = await explained(story.world, update_id)
                note(
                    f"{deed}, {update_id}: {found.verdict} {[each.code for each in found.reasons]}"
                )
                assert [each for each in found.reasons if each.decides], f"of {update_id}"

    asyncio.run(run())
