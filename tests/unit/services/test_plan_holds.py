"""What a plan says is what then happens, with a fleet that stands still."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from math import sqrt
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.fleet.deployment_edit import Actor, DeploymentRequest
from shared.domain.rollouts.progress import Status
from shared.domain.rollouts.specification import Gate, Phase, Rollout, Select
from tests.builders.deployments import an_update
from tests.builders.scenario_fleets import GATE
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
    request = DeploymentRequest(
        "roll-1", "$default", V2, starts_at=fleet.clock.now(), rollout=rollout
    )
    draft = await fleet.deploy.draft(INSTANCE, request, Actor("operator", fleet.clock.now()))
    plan = await fleet.services.reporting.rollouts.plan(INSTANCE, draft)
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
