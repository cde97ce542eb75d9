"""Roll-outs in the situations that go wrong elsewhere, each as one story."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared.domain.fleet.deployment import Deployment, RollbackPolicy
from shared.domain.fleet.device import bucket_of
from shared.domain.fleet.rollout_controls import abort, advance, pause, resume
from shared.domain.rollouts.progress import ReasonCode, Status
from shared.domain.rollouts.selection import place_of
from shared.domain.rollouts.specification import (
    Deadlines,
    FailureRule,
    Gate,
    Window,
)
from shared.domain.updates.update import Recall
from tests.builders.scenario_fleets import a_fleet, by_percent, everybody, status
from tests.fakes.faults import Crash
from tests.fakes.rollouts import Device, Fleet
from tests.fakes.timed import START
from tests.settings import INSTANCE
from tests.unit.domain.builders import V1, V2


def placed(fleet: Fleet, deployment: Deployment) -> list[str]:
    """Devices in the order of their places."""
    return sorted(fleet.simulated, key=lambda name: place_of(name, deployment.seed))


async def test_01_operator_pauses_while_an_evaluator_is_about_to_advance() -> None:
    fleet = await a_fleet(20)
    await fleet.roll_out(by_percent(50, 100, gate=Gate(minimum_sample=1, bake_time="PT10M")), V2)
    await fleet.run(minutes=5)
    transitions = fleet.evaluator.transitions
    save = transitions.save

    async def racing(*args: Any) -> None:
        fleet.evaluator.transitions.save = save  # type: ignore[method-assign]
        await fleet.operate(pause, "wait")
        await save(*args)

    fleet.evaluator.transitions = type("Racing", (), {"save": staticmethod(racing)})()  # type: ignore[assignment]
    await fleet.run(minutes=15)

    assert await status(fleet) == (Status.PAUSED, 0)
    assert (await fleet.steps()).count("Paused") == 1
    assert "PhaseOpened" not in await fleet.steps()


async def test_02_advance_twice_and_by_the_evaluator_at_once_opens_a_phase_once() -> None:
    fleet = await a_fleet(20)
    await fleet.roll_out(by_percent(30, 60, 100), V2)
    await fleet.run(seconds=20)

    for _ in range(2):
        await fleet.operate(advance, 1, {})
    await fleet.run(minutes=10)
    for _ in range(2):
        await fleet.operate(advance, 2, {})
    await fleet.run(minutes=10)

    assert await status(fleet) == (Status.COMPLETED, 2)
    assert (await fleet.steps()).count("PhaseOpened") == 2


@pytest.mark.parametrize("step", range(1, 60, 2))
async def test_03_death_between_claim_and_patch_never_exceeds_the_cap(step: int) -> None:
    fleet = await a_fleet(60, works=300.0)
    deployment = await fleet.roll_out(everybody(maximum_in_flight=5), V2)
    most = 0

    def look(_: str) -> None:
        nonlocal most
        most = max(most, len(fleet.in_twins(deployment)) - done())

    def done() -> int:
        return sum(device.installed == V2 for device in fleet.simulated.values())

    patched = fleet.hub.on_patch
    fleet.hub.on_patch = lambda name: (patched(name) if patched else None, look(name))[1]
    fleet.faults.crash_at(step + 40)
    for _ in range(90):
        try:
            await fleet.run(minutes=2)
        except Crash:
            fleet.redelivered += 1
        if done() == 60:
            break

    assert done() == 60
    assert most <= 5


async def test_04_success_between_patch_and_confirm_is_kept() -> None:
    fleet = await a_fleet(1, begins_after=0.0, works=0.0)
    commit = fleet.devices.commit
    confirmed = 0

    async def racing(*args: Any) -> Any:
        nonlocal confirmed
        writes = args[2]
        if writes[0].before is not None and writes[0].before.value.is_pending:
            confirmed += 1
            if confirmed == 1:
                device = fleet.simulated["d0"]
                await fleet._look(device)
                name = device.running
                workflow = {"id": name.partition("/")[0], "action": 3}
                await fleet._end(device, name, workflow, f"manifest of {V2}")
        return await commit(*args)

    fleet.devices.commit = racing  # type: ignore[method-assign]
    fleet.rebuild()
    await fleet.roll_out(everybody(), V2)
    await fleet.run(minutes=10)

    assert not fleet.row("d0").is_pending
    assert (await fleet.figures()).as_mapping() == {"succeeded": 1}


async def test_05_phase_whose_passes_are_all_lost_is_covered_without_an_operator() -> None:
    fleet = await a_fleet(30)
    fleet.queues.lose = lambda message: message.queue == "reconcile"
    await fleet.roll_out(everybody(), V2)
    await fleet.run(minutes=1)
    fleet.queues.lose = lambda _: False

    await fleet.run(minutes=10)

    assert await status(fleet) == (Status.COMPLETED, 0)


@pytest.mark.parametrize(("offline", "passes"), [(0.2, True), (0.6, False)])
async def test_06_offline_devices_leave_the_gate_after_the_start_deadline(
    offline: float, passes: bool
) -> None:
    fleet = await a_fleet(30)
    for number, device in enumerate(fleet.simulated.values()):
        device.is_online = number >= 30 * offline
    await fleet.roll_out(everybody(deadlines=Deadlines(start="PT2H")), V2)
    await fleet.run(hours=1)
    assert (await status(fleet))[0] is Status.RUNNING

    await fleet.run(hours=3)

    found = await fleet.figures()
    assert (await status(fleet))[0] is (Status.COMPLETED if passes else Status.RUNNING)
    assert (found.withdrawn, found.failed) == (30 * offline, 0)


async def test_07_offline_twins_do_not_install_during_a_failure_pause_but_after_it() -> None:
    fleet = await a_fleet(40, ends=lambda _: "fails")
    for number, device in enumerate(fleet.simulated.values()):
        device.is_online = number >= 20
    rule = FailureRule(minimum_sample=10)
    deployment = await fleet.roll_out(everybody(failure=rule), V2)
    await fleet.run(minutes=10)
    assert (await fleet.progress()).reason.code is ReasonCode.FAILURE_PERCENT  # type: ignore[union-attr]
    assert fleet.in_twins(deployment) == set()

    for device in fleet.simulated.values():
        device.ends = lambda _: "succeeds"
        if not device.is_online:
            await fleet.go_online(device)
    await fleet.run(minutes=30)
    assert all(not fleet.simulated[f"d{number}"].ran for number in range(20))
    await fleet.operate(resume, await fleet.forgiven())
    await fleet.run(minutes=30)

    for number in range(20):
        assert fleet.simulated[f"d{number}"].ran == [f"{deployment.workflow_id}.0.1"]


async def a_withdrawn_device(fleet: Fleet, **more: Any) -> tuple[Device, Deployment]:
    """A device that was away while its command was withdrawn, in a roll-out that goes on."""
    away = fleet.simulated["d0"]
    away.is_online = False
    deployment = await fleet.roll_out(everybody(**more), V2)
    await fleet.run(minutes=5)
    await fleet.operate(lambda *args: pause(*args, withdraw=True), "wait")
    await fleet.run(minutes=5)
    await fleet.operate(resume, {})
    await fleet.run(minutes=5)
    assert (await fleet.figures()).withdrawn == 1
    return away, deployment


async def test_withdrawn_device_that_is_heard_without_room_is_asked_once_there_is() -> None:
    fleet = await a_fleet(3)
    away, deployment = await a_withdrawn_device(fleet, maximum_in_flight=3)

    away.begins_after = 600.0  # what it reports later is not what has it asked
    await fleet.go_online(away)
    await fleet.run(minutes=5)
    assert (await fleet.figures()).withdrawn == 0
    await fleet.run(minutes=30)

    assert away.ran == [f"{deployment.workflow_id}.0.1"]
    assert await status(fleet) == (Status.COMPLETED, 0)


async def test_withdrawn_device_whose_sign_of_life_was_lost_is_found_by_the_recount() -> None:
    fleet = await a_fleet(3)
    away, deployment = await a_withdrawn_device(fleet)

    fleet.queues.lose = lambda message: message.queue == "reconcile"
    await fleet.go_online(away)
    await fleet.run(minutes=5)
    fleet.queues.lose = lambda _: False
    assert not away.ran
    await fleet.recount.bucket(INSTANCE, bucket_of("d0"))
    await fleet.run(minutes=5)

    assert away.ran == [f"{deployment.workflow_id}.0.1"]


async def test_08_rule_does_not_trip_on_a_handful_but_on_a_covered_canary_of_three() -> None:
    fleet = await a_fleet(20)
    bad = iter(["fails", "fails", "succeeds"])
    for device in fleet.simulated.values():
        device.ends = lambda _: next(bad, "succeeds")
    await fleet.roll_out(everybody(maximum_in_flight=1), V2)
    await fleet.run(minutes=3)
    assert (await fleet.figures()).failed == 2
    assert (await status(fleet))[0] is Status.RUNNING

    canary = await a_fleet(3, ends=lambda _: "fails")
    await canary.roll_out(everybody(), V2)
    await canary.run(minutes=5)

    assert (await canary.progress()).reason.code is ReasonCode.FAILURE_PERCENT  # type: ignore[union-attr]


async def test_09_class_that_fails_wholly_trips_and_a_single_failure_of_two_does_not() -> None:
    fleet = await a_fleet(300, model=lambda number: "old" if number < 40 else "new")
    for number, device in enumerate(fleet.simulated.values()):
        device.ends = (lambda _: "fails") if number < 40 else (lambda _: "succeeds")
    await fleet.roll_out(everybody(failure=FailureRule(percent=30, minimum_sample=20)), V2)
    await fleet.run(minutes=10)
    reason = (await fleet.progress()).reason
    assert reason is not None
    assert "of device class" in reason.message

    other = await a_fleet(60, model=lambda number: "old" if number < 2 else "new")
    other.simulated["d0"].ends = lambda _: "fails"
    await other.roll_out(everybody(gate=Gate()), V2)
    await other.run(minutes=10)

    assert (await status(other))[0] is Status.COMPLETED


async def test_10_windows_are_read_in_the_zone_that_a_device_reports_or_is_tagged_with() -> None:
    fleet = await a_fleet(3)
    tokyo = {"timeZone": "Asia/Tokyo"}
    await fleet.report(fleet.simulated["d0"], {"deviceInformation": tokyo})
    window = Window(cron="0 18 * * *", duration="PT2H", zone="device")
    await fleet.roll_out(everybody(windows=(window,)), V2)
    await fleet.run(minutes=70)
    assert [device.installed for device in fleet.simulated.values()] == [V2, None, None]

    await fleet.tag("d1", tokyo)
    await fleet.run(minutes=5)

    assert [device.installed for device in fleet.simulated.values()] == [V2, V2, None]
    await fleet.run(hours=10)  # in UTC it opens at 18:00
    assert fleet.simulated["d2"].installed == V2


def joining(deployment: Deployment, *, is_low: bool) -> Device:
    """A device among the first 5 % of a roll-out, or not."""
    names, limit = (f"joins{number}" for number in range(10_000)), (1 << 64) // 20
    return Device(
        next(name for name in names if (place_of(name, deployment.seed) < limit) is is_low)
    )


async def test_11_newer_roll_out_takes_only_what_it_reaches_and_gives_nothing_back() -> None:
    fleet = await a_fleet(40)
    older = await fleet.roll_out(None, V1, "older")
    await fleet.run(minutes=5)
    newer = await fleet.roll_out(by_percent(5, 100, gate=Gate(advance="Manual")), V2, "newer")
    await fleet.run(minutes=5)

    low, high = joining(newer, is_low=True), joining(newer, is_low=False)
    await fleet.add([low, high])
    await fleet.run(minutes=5)
    assert (low.ran, high.ran) == ([newer.workflow_id], [older.workflow_id])

    before = {name: list(device.ran) for name, device in fleet.simulated.items()}
    await fleet.operate(abort, "bad", name="newer")
    await fleet.run(minutes=30)

    assert {name: device.ran for name, device in fleet.simulated.items()} == before


async def test_11_joiner_beyond_the_open_phase_gets_the_older_and_later_the_newer() -> None:
    fleet = await a_fleet(40)
    older = await fleet.roll_out(None, V1, "older")
    await fleet.run(minutes=5)
    newer = await fleet.roll_out(by_percent(5, 100, gate=Gate(advance="Manual")), V2, "newer")
    await fleet.run(minutes=5)
    high = joining(newer, is_low=False)
    await fleet.add([high])
    await fleet.run(minutes=5)
    assert high.ran == [older.workflow_id]

    await fleet.operate(advance, 1, {}, name="newer")
    await fleet.run(minutes=15)

    assert high.ran == [older.workflow_id, newer.workflow_id]
    assert high.installed == V2


async def test_12_rollback_takes_back_only_devices_that_got_the_bad_update() -> None:
    fleet = await a_fleet(60)
    await fleet.roll_out(None, V1, "older")
    await fleet.run(minutes=5)
    for device in fleet.simulated.values():
        device.ends = lambda update: "fails" if update == str(V2) else "succeeds"
    policy = RollbackPolicy(V1, failed_percentage=100, failed_count=1000)
    rule = FailureRule(minimum_sample=1, action="Rollback")
    newer = await fleet.roll_out(
        by_percent(20, 100, failure=rule), V2, "newer", rollback_policy=policy
    )
    await fleet.run(minutes=30)

    reached = {name for name, device in fleet.simulated.items() if newer.workflow_id in device.ran}
    assert 0 < len(reached) < 60
    assert (await status(fleet, "newer"))[0] is Status.ROLLED_BACK
    (rollback,) = [
        row.value
        for row in await fleet.deployments.of_group(INSTANCE, "$default")
        if row.value.is_rollback
    ]
    taken = {name for name, item in fleet.simulated.items() if rollback.workflow_id in item.ran}
    assert taken == reached
    assert all(device.installed == V1 for device in fleet.simulated.values())


async def test_rollback_to_a_recalled_update_leaves_the_roll_out_paused_and_says_so() -> None:
    fleet = await a_fleet(60, ends=lambda _: "fails")
    policy = RollbackPolicy(V1, failed_percentage=100, failed_count=1000)
    rule = FailureRule(minimum_sample=1, action="Rollback")
    await fleet.roll_out(by_percent(20, 100, failure=rule), V2, rollback_policy=policy)
    stored = await fleet.updates.get(INSTANCE, V1)
    assert stored is not None
    await fleet.updates.save(
        INSTANCE, replace(stored.value, recall=Recall("bricks", START)), stored.etag
    )

    await fleet.run(minutes=30)

    progress = await fleet.progress()
    assert progress.status is Status.PAUSED
    assert progress.reason is not None
    assert progress.reason.code is ReasonCode.ROLLBACK_TARGET_UNUSABLE
    assert "recalled: bricks" in progress.reason.message
    assert (await fleet.steps()).count("Paused") == 2  # by the rule, then for want of a way back
    assert len(await fleet.deployments.of_group(INSTANCE, "$default")) == 1
