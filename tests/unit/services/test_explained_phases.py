"""A device whose phase has not come is told what the open phase still lacks."""

from __future__ import annotations

from shared.domain.fleet.rollout_controls import pause
from shared.domain.rollouts.specification import Gate
from tests.builders.scenario_fleets import a_fleet, by_percent
from tests.fakes.rollouts import Fleet
from tests.settings import INSTANCE
from tests.unit.domain.builders import V2


async def said_of_the_last(fleet: Fleet) -> str:
    """What decides about a device that no phase has reached."""
    deployment = await fleet.deployment("roll-1")
    waiting = next(name for name in fleet.simulated if name not in fleet.in_twins(deployment))
    service = fleet.services.reporting.explanations
    explained = (await service.of_device(INSTANCE, waiting, None, V2)).explanation
    return next(each.message for each in explained.reasons if each.decides)


async def test_explanation_follows_the_gate() -> None:
    fleet = await a_fleet(40)
    for number, device in enumerate(fleet.simulated.values()):
        device.works = 30.0 if number % 2 else 1800.0
    gate = Gate(minimum_sample=15, bake_time="PT5H")
    await fleet.roll_out(by_percent(50, 100, gate=gate), V2)
    await fleet.run(minutes=10)

    figures = await fleet.figures()
    needed = min(15, figures.total)
    assert f"phase 1 needs {needed} answers, has {figures.succeeded}." in await said_of_the_last(
        fleet
    )

    await fleet.run(hours=1)
    assert "phase 1 bakes until 2026-03-02 13:3" in await said_of_the_last(fleet)

    await fleet.operate(pause, "looks odd")
    await fleet.run(minutes=10)
    assert "phase 1 is paused: looks odd" in await said_of_the_last(fleet)
