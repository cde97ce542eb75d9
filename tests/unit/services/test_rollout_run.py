"""A large roll-out from its lab to its end, with all that goes wrong on the way.

The number of devices is `ODU_ROLLOUT_DEVICES`. Outcomes are drawn from a seed, so the end is known.
Devices of thirteen classes and eight time zones have a window of fourteen hours a day. One hub
takes 5.7 commands a second, one process does all work, and time passes as it would: a device works
for 20 to 120 seconds, asking 100,000 takes five hours, all zones' windows a day for each phase.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from shared.domain.fleet.counters import History, contribution, history_contribution, total
from shared.domain.fleet.device import BUCKETS, DeviceRecord, bucket_of, view
from shared.domain.fleet.rollout_controls import advance, pause, resume
from shared.domain.instant import seconds_between
from shared.domain.rollouts.figures import Figures
from shared.domain.rollouts.ledger import asks_of
from shared.domain.rollouts.progress import ReasonCode, Status
from shared.domain.rollouts.specification import (
    Deadlines,
    FailureRule,
    Gate,
    Phase,
    Rollout,
    Select,
    Window,
)
from shared.services.paging import every
from tests.builders.deployments import an_update
from tests.builders.scenario_fleets import ANY
from tests.fakes.faults import Crash
from tests.fakes.metered import MeteredFleet
from tests.fakes.rollouts import Device, Fleet
from tests.settings import INSTANCE
from tests.unit.domain.builders import V2

DEVICES = int(os.environ.get("ODU_ROLLOUT_DEVICES", "300"))
_CLASSES, _KILLS, _LAST, _RETURN = 12, 20, 4, 60
_ZONES = (
    "Pacific/Auckland",
    "Asia/Tokyo",
    "Asia/Kolkata",
    "Asia/Dubai",
    "Europe/Berlin",
    "America/Sao_Paulo",
    "America/New_York",
    "America/Los_Angeles",
)
_GOES_ON = (ReasonCode.GATE_MISSED, ReasonCode.PHASE_EMPTY, ReasonCode.OVERDUE)
"""A phase with a bad class, and offline devices that may yet answer, never passes by itself."""
_SPREAD, _MOST_REQUESTS = 100_000, 4
"""With so many devices, what time costs whatever the fleet is spread thin enough: then each costs
no more requests than that beside its own reports.
"""
_TOLD_FROM = 10_000
"""Devices of a run that says how far it is."""


def class_id_of(fleet: Fleet, model: str) -> str:
    """The class of the devices of a model."""
    name = next(each.device_id for each in fleet.simulated.values() if each.model == model)
    found = view(fleet.row(name)).device_class
    assert found is not None
    return found.class_id


def outcomes(draw: random.Random) -> Callable[[str], str]:
    """How updates end on a device: mostly well."""
    dice = draw.random()
    return lambda _: "fails" if dice < 0.03 else "reverts" if dice < 0.032 else "succeeds"


async def a_large_fleet(draw: random.Random) -> MeteredFleet:
    """A lab, twelve classes and one that always fails; a twentieth is offline."""
    fleet = MeteredFleet()
    await fleet.updates.add(INSTANCE, an_update(V2, compatibility=ANY))
    bad = max(10, DEVICES * 60 // 100_000)
    lab = bad + max(5, DEVICES * 40 // 100_000)
    devices = []
    for number in range(DEVICES):
        model = f"model{number % _CLASSES}" if number >= lab else "lab" if number >= bad else "bad"
        device = Device(f"d{number}", model, outcomes(draw), works=draw.uniform(20, 120))
        device.zone = draw.choice(_ZONES)
        device.is_online = number < lab or draw.random() >= 0.05
        if model == "lab":
            device.ends = lambda _: "succeeds"
        if model == "bad":
            device.ends = lambda _: "fails"
        devices.append(device)
    await fleet.add(devices)
    await fleet.run(minutes=2)
    return fleet


async def go_on(fleet: Fleet) -> bool:
    """What an operator does who has looked at a pause; whether it was the failure rule's."""
    progress = await fleet.progress()
    if progress.status is not Status.PAUSED or progress.reason is None:
        return False
    baselines = await fleet.forgiven()
    if progress.reason.code in _GOES_ON:
        await fleet.operate(advance, progress.phase + 1, baselines)
    else:
        await fleet.operate(resume, baselines)
    return progress.reason.code is ReasonCode.FAILURE_PERCENT


async def rolled_out(
    fleet: MeteredFleet, returning: list[Device], draw: random.Random
) -> tuple[int, int, int]:
    """Let it run to its end, with kills, a pause by hand, and devices that come back."""
    by_rule = most = kills = 0
    is_paused_by_hand = False
    for turn in range(3000):
        if turn % 10 == 5 and kills < _KILLS:
            fleet.faults.crash_at(draw.randrange(1, 400))
        try:
            await fleet.run(minutes=2)
        except Crash:
            fleet.rebuild()  # what the process knew is gone
            kills += 1
        fleet.faults.crash_at(None)
        progress = await fleet.progress()
        if turn % 25 == 0:
            figures = await fleet.figures()
            most = max(most, figures.open)
            if DEVICES >= _TOLD_FROM:
                sys.stderr.write(f"{turn}: {progress.status} {progress.phase} {figures}\n")
        by_rule += await go_on(fleet)
        if progress.phase == _LAST and not is_paused_by_hand:
            is_paused_by_hand = True
            await fleet.operate(pause, "lunch")
        if turn == _RETURN:
            for device in returning:
                await fleet.go_online(device)
        if progress.status is Status.COMPLETED:
            break
    return by_rule, most, kills


@pytest.mark.timeout(14_400)
async def test_large_roll_out_ends_as_its_seed_says() -> None:
    begun, draw = time.monotonic(), random.Random(20261130)
    fleet = await a_large_fleet(draw)
    devices = list(fleet.simulated.values())
    returning = [item for item in devices if not item.is_online][::2]
    luck = random.Random(1)
    fleet.queues.lose = fleet.queues.double = lambda _: luck.random() < 0.01
    gate = Gate(success_percent=80, minimum_sample=5, maximum_wait="P1D")
    end = Gate(success_percent=0)  # nobody could go on from there past the bad class
    lab = class_id_of(fleet, "lab")
    *others, last = (Select(class_id=lab), *(Select(percent=each) for each in (1, 10, 50, 100)))
    rollout = Rollout(
        phases=(*(Phase(select=each, gate=gate) for each in others), Phase(select=last, gate=end)),
        windows=(Window(cron="0 18 * * *", duration="PT14H", zone="device"),),
        failure=FailureRule(percent=6, minimum_sample=max(20, min(200, DEVICES // 10))),
        maximum_in_flight=max(50, DEVICES // 50),
        deadlines=Deadlines(start="PT6H", progress="PT6H"),
    )
    fleet.meter.requests.clear()
    before, starts_at = memory(), fleet.clock.now()
    deployment = await fleet.roll_out(rollout, V2)

    by_rule, most, kills = await rolled_out(fleet, returning, draw)
    fleet.queues.lose = fleet.queues.double = lambda _: False
    for device in returning:
        if not device.is_online:
            await fleet.go_online(device)
    await fleet.run(hours=32)

    found = await fleet.figures()
    told = report(fleet, found, time.monotonic() - begun)
    told |= {"pausesByRule": by_rule, "mostInFlight": most, "kills": kills}
    told |= {"hours": round(seconds_between(starts_at, fleet.clock.now()) / 3600, 1)}
    told |= {"memoryBeforeMiB": before, "memoryMiB": memory()}
    sys.stderr.write(json.dumps(told) + "\n")
    online = [item for item in devices if item.is_online]
    ends = Counter(item.ends(str(V2)) for item in online)
    assert (await fleet.progress()).status is Status.COMPLETED
    assert (found.failed, found.reverted) == (ends["fails"], ends["reverts"])
    assert found.succeeded == ends["succeeds"]
    assert found.unheard == len(devices) - len(online)
    assert found.total == DEVICES
    assert most <= (rollout.maximum_in_flight or 0) + len(returning)
    await _is_exact(fleet, deployment.workflow_id)
    if DEVICES >= _SPREAD:
        assert told["besideReportsPerDevice"] <= _MOST_REQUESTS


def memory() -> int:
    """MiB of this process at most so far: tables, twins and devices are in it as well."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def report(fleet: MeteredFleet, found: Figures, seconds: float) -> dict[str, Any]:
    """What the run has cost."""
    requests, loads = fleet.meter.by_who(), fleet.meter.by_bucket
    beside = sum(count for who, count in requests.items() if who not in ("reports", "announce"))
    most = fleet.meter.requests.most_common(20)
    return {
        "devices": DEVICES,
        "figures": found.as_mapping(),
        "requestsPerDevice": {who: round(n / DEVICES, 2) for who, n in sorted(requests.items())},
        "besideReportsPerDevice": round(beside / DEVICES, 2),
        "partitionMaxToMean": round(max(loads.values()) * len(loads) / sum(loads.values()), 2),
        "wallSeconds": round(seconds),
        "redelivered": fleet.redelivered,
        "mostRequestsPerDevice": {" ".join(of): round(n / DEVICES, 2) for of, n in most},
    }


async def _rows_of(fleet: Fleet, bucket: int) -> tuple[list[DeviceRecord], list[History]]:
    """The devices of a bucket and what is kept of their past, page after page."""
    rows = every(lambda token: fleet.devices.of_bucket(INSTANCE, bucket, token=token))
    past = every(lambda token: fleet.devices.histories(INSTANCE, bucket, token=token))
    return [row.value async for row in rows], [row.value async for row in past]


async def _is_exact(fleet: Fleet, workflow_id: str) -> None:
    """Every counter equals a recount, every ask was booked, nothing is pending."""
    for bucket in range(BUCKETS):
        records, past = await _rows_of(fleet, bucket)
        counted = total([*map(contribution, records), *map(history_contribution, past)])
        counts, ledger = await fleet.devices.tally(INSTANCE, bucket, "$default")
        assert {key: dict(cells) for key, cells in counts.items() if cells} == counted
        asks, _ = asks_of(ledger, workflow_id)
        allowed = (await fleet.progress()).allow_asks.get(bucket, 0)
        assert len({record.key for record in records if record.commanded}) <= asks <= allowed
    assert not any(record.is_pending for record in fleet.records())
    assert all(bucket_of(record.device_id) < BUCKETS for record in fleet.records())
