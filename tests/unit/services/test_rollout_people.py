"""Roll-outs between people: clients that repeat themselves, approvals that come too late."""

from __future__ import annotations

import msgspec
import pytest

from shared.domain.errors import Conflict, Forbidden, PreconditionFailed
from shared.domain.fleet.rollout_controls import advance
from shared.domain.rollouts.progress import Status
from shared.domain.rollouts.specification import Gate
from tests.builders.scenario_fleets import a_fleet, by_percent, status
from tests.settings import INSTANCE
from tests.unit.domain.builders import V2

PLACE = (INSTANCE, "$default", "roll-1")


async def test_13_put_without_rollout_on_phase_2_of_5_changes_nothing() -> None:
    fleet = await a_fleet(40)
    gate = Gate(minimum_sample=1, advance="Manual")
    await fleet.roll_out(by_percent(10, 30, 50, 70, 100, gate=gate), V2)
    await fleet.run(minutes=5)
    await fleet.operate(advance, 1, {})
    await fleet.run(minutes=5)
    before = await fleet.deployments.get(*PLACE)
    asked = {name: list(device.ran) for name, device in fleet.simulated.items()}
    assert before is not None
    assert before.value.progress is not None
    assert before.value.progress.phase == 1

    answered = await fleet.put(before.value, None)
    await fleet.run(minutes=30)

    after = await fleet.deployments.get(*PLACE)
    assert after is not None
    assert answered.revision == after.value.revision == before.value.revision
    assert after.value.rollout == before.value.rollout
    assert (await status(fleet))[1] == 1
    assert {name: device.ran for name, device in fleet.simulated.items()} == asked


async def test_14_only_somebody_else_approves_and_only_what_was_seen() -> None:
    fleet = await a_fleet(20)
    given = by_percent(30, 100, gate=Gate(minimum_sample=1, advance="Manual"), approval="Required")
    made = await fleet.roll_out(given, V2)
    controls = fleet.services.deployments.controls
    with pytest.raises(Forbidden):
        await controls.approve(PLACE, "operator", made.revision, "mine is good")
    wider = msgspec.structs.replace(given, maximum_in_flight=5)
    edited = await fleet.put(made, wider)
    with pytest.raises(PreconditionFailed):
        await controls.approve(PLACE, "second", made.revision, "too late")
    await fleet.run(minutes=10)
    assert not any(device.ran for device in fleet.simulated.values())

    await controls.approve(PLACE, "second", edited.revision, "now")
    await fleet.run(minutes=10)
    asked = sum(bool(device.ran) for device in fleet.simulated.values())
    assert 0 < asked < 20

    again = msgspec.structs.replace(wider, maximum_in_flight=None)  # more at a time: wider
    known = await fleet.put(await fleet.deployment("roll-1"), again)
    progress = await fleet.progress()
    assert progress.shown is Status.AWAITING_APPROVAL
    assert progress.unapproved_since == known.revision
    with pytest.raises(Conflict):
        await fleet.operate(advance, 1, {})
    await fleet.run(minutes=10)
    assert sum(bool(device.ran) for device in fleet.simulated.values()) == asked

    await controls.approve(PLACE, "third", (await fleet.deployment("roll-1")).revision, "fine")
    await fleet.operate(advance, 1, {})
    await fleet.run(minutes=10)
    assert all(device.installed == V2 for device in fleet.simulated.values())
