"""Roll-outs beside each other, and their limits."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from shared import messages
from shared.domain.fleet.rollout_controls import resume
from shared.domain.rollouts.progress import ReasonCode, Status
from shared.domain.rollouts.specification import (
    FailureRule,
    Gate,
    Phase,
    Rate,
    Rollout,
    Select,
)
from tests.builders.scenario_fleets import a_fleet, by_percent, everybody, status
from tests.fakes.storage import Message
from tests.settings import INSTANCE
from tests.unit.domain.builders import V1, V2


async def test_15_queries_that_would_send_devices_to_and_fro_do_not() -> None:
    """Own deployments stand in for groups by query: what a device has answered stays answered."""
    fleet = await a_fleet(3)
    first = await fleet.roll_out(None, V2, "up")
    await fleet.run(minutes=5)
    second = await fleet.roll_out(None, V1, "down")
    await fleet.run(minutes=5)

    await fleet.deploy.delete(INSTANCE, "$default", "down")
    await fleet.run(minutes=30)

    for device in fleet.simulated.values():
        assert device.ran == [first.workflow_id, second.workflow_id]


async def test_newer_deployment_for_all_classes_pauses_an_older_roll_out() -> None:
    fleet = await a_fleet(20)
    await fleet.roll_out(by_percent(50, 100, gate=Gate(advance="Manual")), V1, "older")
    await fleet.run(minutes=5)

    await fleet.roll_out(by_percent(50, 100), V2, "newer")
    await fleet.run(minutes=10)

    progress = await fleet.progress("older")
    assert progress.status is Status.PAUSED
    assert progress.reason is not None
    assert progress.reason.code is ReasonCode.SUPERSEDED
    assert await status(fleet, "newer") == (Status.COMPLETED, 1)


async def test_what_a_resume_forgave_stays_forgiven_when_the_last_phase_passes() -> None:
    fleet = await a_fleet(40)
    for number, device in enumerate(fleet.simulated.values()):
        device.ends = (lambda _: "fails") if number < 6 else (lambda _: "succeeds")
    gate = Gate(success_percent=50, minimum_sample=1)
    await fleet.roll_out(everybody(gate=gate, failure=FailureRule(minimum_sample=5)), V2)
    await fleet.run(minutes=10)
    assert (await status(fleet))[0] is Status.PAUSED

    await fleet.operate(resume, await fleet.forgiven())
    await fleet.run(minutes=30)

    assert (await status(fleet))[0] is Status.COMPLETED


async def test_rate_is_kept_over_minutes_and_never_caught_up_in_a_burst() -> None:
    fleet = await a_fleet(100)
    deployment = await fleet.roll_out(everybody(rate=Rate(per_minute=5)), V2)

    counts = []
    for _ in range(10):
        await fleet.run(minutes=1)
        counts.append(len(fleet.asked(deployment)))

    assert all(later - sooner <= 15 for sooner, later in pairwise(counts))
    assert 25 <= counts[-1] <= 55


async def test_count_takes_in_exactly_so_many() -> None:
    fleet = await a_fleet(60)
    phases = (
        Phase(select=Select(count=7), gate=Gate(minimum_sample=1, advance="Manual")),
        Phase(select=Select(percent=100)),
    )
    deployment = await fleet.roll_out(Rollout(phases=phases), V2)

    await fleet.run(hours=1)

    assert len(fleet.asked(deployment)) == 7
    assert await status(fleet) == (Status.AWAITING_ADVANCE, 0)


async def test_explanation_says_of_a_full_phase_by_count_when_the_others_come() -> None:
    fleet = await a_fleet(12)
    phases = (
        Phase(select=Select(count=3), name="canary", gate=Gate(advance="Manual")),
        Phase(select=Select(percent=100), name="all"),
    )
    deployment = await fleet.roll_out(Rollout(phases=phases), V2)
    await fleet.run(minutes=30)
    service = fleet.services.reporting.explanations

    async def said(name: str) -> tuple[str, str, str]:
        found = (await service.of_device(INSTANCE, name, None, V2)).explanation
        (decides,) = [each for each in found.reasons if each.decides]
        return str(found.verdict), decides.code, decides.message

    asked = fleet.asked(deployment)
    assert len(asked) == 3
    for name in fleet.simulated:
        verdict, code, message = await said(name)
        if name in asked:
            assert (verdict, code) == ("Has", "Installed")
        else:
            assert (verdict, code) == ("Waits", "PhaseNotReached")
            assert "It comes in phase 2, 'all'" in message
            assert "phase 1 " in message


async def test_device_that_goes_back_by_itself_in_the_bake_counts_as_failed() -> None:
    fleet = await a_fleet(20, ends=lambda _: "reverts")
    gate = Gate(minimum_sample=1, bake_time="PT1H")
    await fleet.roll_out(everybody(gate=gate, failure=FailureRule(minimum_sample=5)), V2)

    await fleet.run(minutes=30)

    assert (await fleet.figures()).reverted == 20
    assert (await fleet.progress()).reason.code is ReasonCode.FAILURE_PERCENT  # type: ignore[union-attr]


async def test_doubled_and_lost_messages_change_nothing_in_the_end() -> None:
    fleet = await a_fleet(60)
    number = 0

    def every(many: int) -> Callable[[Message], bool]:
        def chosen(_: Message) -> bool:
            nonlocal number
            number += 1
            return number % many == 0

        return chosen

    fleet.queues.lose, fleet.queues.double = every(7), every(5)
    await fleet.roll_out(by_percent(10, 50, 100), V2)

    await fleet.run(hours=3)

    assert await status(fleet) == (Status.COMPLETED, 2)
    assert all(len(device.ran) == 1 for device in fleet.simulated.values())


def test_every_message_has_a_default_for_what_a_later_release_adds() -> None:
    old = messages.decode(messages.Reconcile, '{"instance": "i", "bucket": 1, "group": "g"}')

    assert (old.workflow, old.unasked, old.asked) == (None, True, True)
