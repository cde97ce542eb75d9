"""Fleets and roll-outs of the scenarios."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from shared.domain.rollouts.progress import Status
from shared.domain.rollouts.specification import (
    Gate,
    Phase,
    Rollout,
    Select,
)
from tests.builders.deployments import an_update
from tests.fakes.rollouts import Device, Fleet
from tests.settings import INSTANCE
from tests.unit.domain.builders import V1, V2

GATE = Gate(minimum_sample=1)


def everybody(*, gate: Gate = GATE, **more: Any) -> Rollout:
    return Rollout(phases=(Phase(select=Select(percent=100), gate=gate),), **more)


def by_percent(*percents: float, gate: Gate = GATE, **more: Any) -> Rollout:
    phases = tuple(Phase(select=Select(percent=each), gate=gate) for each in percents)
    return Rollout(phases=phases, **more)


async def a_fleet(
    count: int, *, model: Callable[[int], str] = lambda _: "kiosk", **more: Any
) -> Fleet:
    fleet = Fleet()
    for update_id in (V1, V2):
        await fleet.updates.add(INSTANCE, an_update(update_id, compatibility=ANY))
    await fleet.add(Device(f"d{number}", model(number), **more) for number in range(count))
    await fleet.run(minutes=1)
    return fleet


async def status(fleet: Fleet, name: str = "roll-1") -> tuple[Status, int]:
    progress = await fleet.progress(name)
    return progress.status, progress.phase


ANY = ({"manufacturer": "acme"},)
