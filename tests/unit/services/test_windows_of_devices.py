"""Windows hold for everything that asks a device, and a device may have one of its own."""

from __future__ import annotations

from typing import Any

import pytest

from shared.domain.errors import InvalidInput
from shared.domain.fleet.explain import Explanation
from shared.domain.fleet.rollout_controls import pause, resume
from shared.domain.instant import seconds_between
from shared.domain.rollouts.ledger import ledger_of
from shared.domain.rollouts.progress import Status
from shared.domain.rollouts.specification import Deadlines, FailureRule, Rollout, Window
from shared.services.deployments.device_orders import OwnRequest
from tests.builders.scenario_fleets import a_fleet, everybody
from tests.fakes.rollouts import Fleet
from tests.settings import INSTANCE
from tests.unit.domain.builders import V1, V2

# the fleet's time begins at 08:00 UTC
AT_TEN = Window(cron="0 10 * * *", duration="PT1H")


async def give(fleet: Fleet, device: str, **more: Any) -> None:
    """A deployment of the device's own."""
    request = OwnRequest("mine", V2, more.pop("starts_at", fleet.clock.now()), **more)
    await fleet.services.deployments.device_orders.deploy((INSTANCE, device, None), request, "anna")


async def because(fleet: Fleet, device: str) -> Explanation:
    service = fleet.services.reporting.explanations
    return (await service.of_device(INSTANCE, device, None, V2)).explanation


def asked(fleet: Fleet, device: str) -> bool:
    command = fleet.row(device).commanded
    return command is not None and not command.is_cancel


async def test_device_with_a_window_of_its_own_is_asked_by_a_plain_deployment_when_it_opens() -> (
    None
):
    fleet = await a_fleet(2)
    await fleet.tag("d1", {"updateWindow": "0 10 * * * for 1h in UTC"})
    await fleet.roll_out(None, V2)
    await fleet.run(minutes=100)
    found = await because(fleet, "d1")
    assert (fleet.simulated["d0"].installed, fleet.simulated["d1"].installed) == (V2, None)
    assert [each.code for each in found.reasons if each.decides] == ["WindowClosed"]
    assert "2026-03-02 10:00" in found.reasons[0].message

    await fleet.run(minutes=30)

    assert fleet.simulated["d1"].installed == V2


async def test_command_that_an_offline_device_has_not_begun_goes_when_its_own_window_closes() -> (
    None
):
    fleet = await a_fleet(1)
    await fleet.tag("d0", {"updateWindow": "0 10 * * * for 1h in UTC"})
    device = fleet.simulated["d0"]
    device.is_online = False
    deployment = await fleet.roll_out(None, V2)
    await fleet.run(minutes=130)
    assert fleet.in_twins(deployment) == {"d0"}
    await fleet.run(minutes=60)
    assert fleet.in_twins(deployment) == set()

    await fleet.go_online(device)
    await fleet.run(hours=1)
    assert device.installed is None
    await fleet.run(hours=24)

    assert device.installed == V2


async def test_own_deployment_waits_for_its_start_and_its_window() -> None:
    fleet = await a_fleet(2)
    await give(fleet, "d0", starts_at="2026-03-02T09:00:00.000000+00:00")
    await give(fleet, "d1", windows=(AT_TEN,))
    await fleet.run(minutes=50)
    assert not asked(fleet, "d0")
    await fleet.run(minutes=20)
    assert asked(fleet, "d0")
    assert not asked(fleet, "d1")

    await fleet.run(minutes=60)

    assert [device.installed for device in fleet.simulated.values()] == [V2, V2]


async def test_own_deployment_that_is_not_begun_in_its_window_waits_for_the_next() -> None:
    fleet = await a_fleet(1)
    device = fleet.simulated["d0"]
    device.is_online = False
    await give(fleet, "d0", windows=(AT_TEN,))
    await fleet.run(hours=2, minutes=30)
    assert asked(fleet, "d0")
    await fleet.run(hours=1)
    assert not asked(fleet, "d0")

    await fleet.go_online(device)
    await fleet.run(hours=24)

    assert device.installed == V2


@pytest.mark.parametrize("ignores", [True, False])
async def test_roll_out_asks_in_the_windows_that_it_shares_with_the_device(ignores: bool) -> None:
    fleet = await a_fleet(1)
    await fleet.tag("d0", {"updateWindow": "30 10 * * * for 4h in UTC"})
    rollout = everybody(
        windows=(Window(cron="0 9 * * *", duration="PT3H"),), ignore_device_window=ignores
    )
    await fleet.roll_out(rollout, V2)

    await fleet.run(hours=2)
    assert fleet.simulated["d0"].installed == (V2 if ignores else None)
    await fleet.run(hours=1)

    assert fleet.simulated["d0"].installed == V2


async def test_windows_alone_are_a_roll_out_of_one_phase() -> None:
    fleet = await a_fleet(3)
    await fleet.roll_out(Rollout(windows=(AT_TEN,)), V2)
    await fleet.run(minutes=110)
    assert not any(device.installed for device in fleet.simulated.values())

    await fleet.run(minutes=20)

    assert all(device.installed == V2 for device in fleet.simulated.values())
    assert (await fleet.progress()).status == "Completed"


@pytest.mark.parametrize("text", ["at night", "0 1 * * * for 5m", "0 1 30 2 * for 4h", "x" * 300])
async def test_tag_that_is_no_window_counts_as_none_and_is_told(text: str) -> None:
    fleet = await a_fleet(1)
    await fleet.tag("d0", {"updateWindow": text})
    await fleet.roll_out(None, V2)
    await fleet.run(minutes=10)

    assert fleet.simulated["d0"].installed == V2
    codes = {each.code for each in (await because(fleet, "d0")).reasons}
    assert ("UnreadableWindow" in codes) == (len(text) < 200)


async def test_window_of_an_own_deployment_that_breaks_a_rule_is_refused_with_its_place() -> None:
    fleet = await a_fleet(1)
    with pytest.raises(InvalidInput) as refused:
        await give(fleet, "d0", windows=(AT_TEN, Window(cron="0 0 0 * * *", duration="PT1H")))

    assert refused.value.target == "/windows/1/cron"


async def test_pause_that_takes_nothing_back_looks_at_no_device_and_a_resume_looks_at_all() -> None:
    fleet = await a_fleet(5)
    await fleet.roll_out(everybody(maximum_in_flight=1), V2)
    await fleet.run(minutes=3)
    await fleet.operate(pause, "")
    assert (await fleet.deployment("roll-1")).is_fanned_out
    await fleet.run(minutes=3)

    await fleet.operate(resume, {})
    assert not (await fleet.deployment("roll-1")).is_fanned_out
    await fleet.run(minutes=30)

    assert all(device.installed == V2 for device in fleet.simulated.values())


async def test_ledger_of_a_deleted_roll_out_goes_with_the_recount() -> None:
    fleet = await a_fleet(1)
    gone = await fleet.roll_out(everybody(), V1, "gone")
    await fleet.run(minutes=5)
    kept = await fleet.roll_out(everybody(), V2)
    await fleet.run(minutes=10)
    await fleet.deploy.delete(INSTANCE, "$default", "gone")
    ((_, bucket, _),) = [place for place, _ in fleet.devices.rows.items()]
    assert ledger_of((await _ledger(fleet, bucket)), gone.workflow_id).phase == 0

    await fleet.recount.bucket(INSTANCE, bucket)

    ledger = await _ledger(fleet, bucket)
    assert ledger_of(ledger, gone.workflow_id).phase == -1
    assert ledger_of(ledger, kept.workflow_id).phase == 0


async def test_group_in_which_nothing_changes_is_summed_up_less_often() -> None:
    fleet = await a_fleet(2)
    fleet.simulated["d0"].is_online = False
    await fleet.roll_out(everybody(), V2)
    await fleet.run(minutes=5)
    sums = []
    summed = fleet.fleet.save_rollup

    async def counted(*args: Any) -> None:
        sums.append(args)
        await summed(*args)

    fleet.fleet.save_rollup = counted  # type: ignore[method-assign]
    await fleet.run(hours=2)

    assert 5 < len(sums) < 15


async def test_edit_is_judged_within_minutes_although_the_group_rests() -> None:
    fleet = await a_fleet(2)
    fleet.simulated["d0"].is_online = False
    fleet.simulated["d1"].ends = lambda _: "fails"
    known = await fleet.roll_out(everybody(), V2)
    await fleet.run(hours=5)

    strict = everybody(failure=FailureRule(percent=1, minimum_sample=1))
    await fleet.put(known, strict)
    await fleet.run(minutes=2)
    assert (await fleet.progress()).status is Status.PAUSED


async def test_what_time_brings_is_noticed_within_minutes_although_the_group_rests() -> None:
    fleet = await a_fleet(2)
    fleet.simulated["d0"].is_online = False
    await fleet.roll_out(everybody(deadlines=Deadlines(start="PT6H", progress="PT6H")), V2)
    await fleet.run(hours=5, minutes=30)

    last = await fleet.fleet.last_rollup(INSTANCE, "$default")
    assert last is not None
    await fleet.run(seconds=seconds_between(fleet.clock.now(), last.wake_at) - 1)
    assert (await fleet.figures()).withdrawn == 0
    await fleet.run(minutes=2)
    assert (await fleet.figures()).withdrawn == 1


async def _ledger(fleet: Fleet, bucket: int) -> Any:
    return (await fleet.devices.ledger(INSTANCE, bucket, "$default")).value
