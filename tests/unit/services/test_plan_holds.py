"""What a plan says is what then happens, with a fleet that stands still."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta
from math import sqrt
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.fleet.deployment_edit import Actor, DeploymentRequest
from shared.domain.fleet.orders import EVERYTHING, OrderKind
from shared.domain.rollouts.progress import Status
from shared.domain.rollouts.specification import Gate, Phase, Rollout, Select, Window
from shared.services.reporting.rollouts import Plan
from tests.builders.deployments import an_update
from tests.builders.scenario_fleets import GATE, a_fleet, everybody
from tests.fakes.rollouts import Device, Fleet
from tests.fakes.timed import InstantLoop
from tests.settings import INSTANCE
from tests.unit.domain.builders import V2

MODELS = ("kiosk", "tower", "stranger")


@dataclass
class Found:
    """Devices of each phase as planned, and as asked."""

    planned: list[tuple[int, int, int]]
    asked: list[int]
    targeted: int
    left_out: int


async def plan_of(fleet: Fleet, rollout: Rollout) -> Plan:
    """What a roll-out that nobody has made would do from now on."""
    now = fleet.clock.now()
    request = DeploymentRequest("roll-1", "$default", V2, starts_at=now, rollout=rollout)
    draft = await fleet.deploy.draft(INSTANCE, request, Actor("operator", now))
    return await fleet.services.reporting.rollouts.plan(INSTANCE, draft)


async def planned_and_run(models: list[str], selects: list[dict[str, Any]]) -> Found:
    fleet = Fleet()
    fits = tuple({"manufacturer": "acme", "model": model} for model in MODELS[:2])
    await fleet.updates.add(INSTANCE, an_update(V2, compatibility=fits))
    await fleet.add(Device(f"d{number}", model) for number, model in enumerate(models))
    await fleet.run(minutes=1)
    classes = {
        known.device_class.properties["model"]: known.device_class.class_id
        for known in await fleet.fleet.classes(INSTANCE)
    }
    phases = tuple(
        Phase(
            select=Select(**{**each, "class_id": classes.get(each["class_id"], "none")})
            if "class_id" in each
            else Select(**each),
            gate=Gate(minimum_sample=1),
            if_empty="Continue",
        )
        for each in selects
    )
    rollout = Rollout(
        phases=(*phases, Phase(select=Select(percent=100), gate=GATE, if_empty="Continue"))
    )
    plan = await plan_of(fleet, rollout)
    await fleet.roll_out(rollout, V2)
    await fleet.run(minutes=60)

    progress = await fleet.progress()
    assert progress.status is Status.COMPLETED, progress
    seen = await fleet.services.reporting.rollouts.seen(INSTANCE, await fleet.deployment("roll-1"))
    assert seen is not None
    return Found(
        [(each.least, each.devices, each.most) for each in plan.phases],
        [phase.figures.total for phase in seen.view.phases],
        plan.targeted,
        sum(each.devices for each in plan.not_targeted),
    )


SELECTS = st.lists(
    st.one_of(
        st.builds(lambda count: {"count": count}, st.integers(1, 12)),
        st.builds(lambda name: {"class_id": name}, st.sampled_from(MODELS[:2])),
    ),
    max_size=3,
)


@given(st.lists(st.sampled_from(MODELS), max_size=30).map(lambda more: ["kiosk", *more]), SELECTS)
@settings(max_examples=40, deadline=None)
def test_counts_that_a_plan_calls_exact_are_those_that_are_asked(
    models: list[str], selects: list[dict[str, Any]]
) -> None:
    with asyncio.Runner(loop_factory=InstantLoop) as runner:
        found = runner.run(planned_and_run(models, selects))

    fitting = sum(model in MODELS[:2] for model in models)
    assert (found.targeted, found.left_out) == (fitting, len(models) - fitting)
    assert sum(found.asked) == fitting
    for (least, devices, most), asked in zip(found.planned, found.asked, strict=True):
        if least == devices == most:
            assert asked == devices, found
        else:  # devices of a class that phases by count take in are chosen by hash
            assert abs(asked - devices) <= 4 * sqrt(fitting) + 1, found


async def test_times_that_a_plan_gives_are_those_of_the_zones_of_the_devices() -> None:
    fleet = await a_fleet(6)
    zones = ["Asia/Tokyo"] * 3 + ["Europe/Berlin"] * 3
    for device, zone in zip(fleet.simulated.values(), zones, strict=True):
        await fleet.report(device, {"deviceInformation": {"timeZone": zone}})
    await fleet.run(minutes=2)
    rollout = everybody(windows=(Window(cron="0 18 * * *", duration="PT2H", zone="device"),))
    (planned,) = (await plan_of(fleet, rollout)).phases
    await fleet.roll_out(rollout, V2)
    assert planned.opens_at is not None
    ends_at = planned.opens_at + planned.asking

    async def installed(until: timedelta) -> int:
        await fleet.run(seconds=until.total_seconds())
        return sum(device.installed == V2 for device in fleet.simulated.values())

    near = timedelta(minutes=5)
    assert await installed(planned.opens_at - near - fleet.clock.moment) == 0
    assert await installed(2 * near) == 3
    assert await installed(ends_at - near - fleet.clock.moment) == 3
    assert await installed(2 * near) == 6


async def test_plan_says_how_many_devices_are_kept_from_it_by_what_they_are_given() -> None:
    fleet = await a_fleet(5)
    orders = fleet.services.deployments.device_orders
    await fleet.tag("d0", {"updateWindow": "0 1 * * * for 4h"})
    await orders.order(
        (INSTANCE, "d1", None), EVERYTHING, OrderKind.EXCLUDE, group="", by="anna", reason="demo"
    )
    await fleet.tag("d2", {"timeZone": "Mars/Olympus"})
    await fleet.run(minutes=2)
    window = Window(cron="0 18 * * *", duration="PT2H", zone="device", fallback_zone="Asia/Dubai")

    plan = await plan_of(fleet, everybody(windows=(window,)))
    said = {each.code: each.message for each in plan.warnings}

    assert said["OwnWindows"].startswith("1 devices have a window of their own")
    assert said["ExcludedDevices"].startswith("1 devices are excluded")
    assert said["FallbackZone"].startswith("5 devices name no time zone that is known")
    ignoring = await plan_of(fleet, everybody(ignore_device_window=True))
    assert "OwnWindows" not in {each.code for each in ignoring.warnings}
