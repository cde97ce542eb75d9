"""A recount beside events finds every counter exact, and loses nothing that is told meanwhile."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Any
from unittest import mock

import pytest
from hypothesis import event, given, settings, target
from hypothesis import strategies as st

from shared.services.announce import Announcer
from shared.services.devices.recount import Recount
from shared.services.own_deployments import DevicesOwnDeployments
from shared.services.pacing import Pacer
from shared.services.rollup_scheduler import RollupScheduler
from tests.builders.convergence import WORKERS, a_service
from tests.device_stories import (
    BUCKET,
    MOST_WORKFLOWS,
    Batch,
    Story,
    Telling,
    stories,
    story_of_a_life_that_ends,
    tellings,
)
from tests.fakes.clock import FixedClock
from tests.fakes.fleet import MemoryDeployments, MemoryOwnDeployments
from tests.fakes.pausing import PausingFaults
from tests.fakes.records import MemoryRecounts
from tests.fakes.updates import MemoryUpdates
from tests.story_workers import Service, no_waiting
from tests.unit.domain.builders import a_deployment, at_second

_CLUTTERED = "shared.domain.fleet.recount.MAX_TOMBSTONES"


@dataclass
class HubClock(FixedClock):
    """The clock of a story's hub."""

    service: Service

    def now(self) -> str:
        return at_second(self.service.hub.second)


async def a_recount(
    service: Service,
    clock: FixedClock,
    reports: MemoryRecounts,
    *,
    crash_at: int = 0,
    deleted: str = "",
) -> Recount:
    """The recount of a service; the deployment with the workflow `deleted` is there no more."""
    deployments = MemoryDeployments()
    for number in range(1, MOST_WORKFLOWS + 1):
        if f"w{number}" != deleted:
            await deployments.add(service.instance, a_deployment(f"w{number}"))
    faults = PausingFaults(service.pauses)
    faults.crash_at(crash_at or None)
    counters: Any = faults.around(service.counters)
    return Recount(
        instances=[service.instance],
        devices=counters,  # in memory it is every port of these rows
        counters=counters,
        deployments=faults.around(deployments),
        hub=faults.around(service.hub),
        observe=service.observe(0, faults),
        reads=Pacer(100_000.0),
        rollups=RollupScheduler(service.queues, 0.0, FixedClock()),
        reports=faults.around(reports),
        fleet=service.fleet,
        clock=clock,
        updates=MemoryUpdates(),
        own_deployments=DevicesOwnDeployments(
            own_deployments=MemoryOwnDeployments(),
            devices=counters,
            queues=service.queues,
            clock=clock,
            announcer=Announcer(),
        ),
    )


async def assert_nothing_drifted(
    service: Service, clock: FixedClock, reports: MemoryRecounts
) -> None:
    """A report keeps the last drift that any recount of the bucket has found."""
    recount = await a_recount(service, clock, reports)
    await recount.bucket("factory", BUCKET)
    report = await reports.get("factory", BUCKET)
    assert report is not None
    assert report.drift == ()


async def told_beside_a_recount(
    story: Story, telling: Telling, crash_at: int, deleted: str
) -> tuple[Service, dict[str, Any], dict[str, Any]]:
    """A story told beside recounts, and told in order without: their outcomes."""
    ordered, told = a_service(story), a_service(story, telling.pauses)
    await ordered.tell_in_order(story)
    clock, reports = HubClock(told), MemoryRecounts()
    recount = await a_recount(told, clock, reports, crash_at=crash_at, deleted=deleted)
    told.beside = lambda: recount.bucket("factory", BUCKET)
    await told.tell(story, telling)
    await assert_nothing_drifted(told, clock, reports)
    await told.assert_counters_are_exact()
    return told, await told.outcome(story), await ordered.outcome(story)


def test_recount_beside_any_telling_finds_no_drift_and_loses_nothing() -> None:
    seen = Counter[str]()

    @given(stories(), st.data(), st.integers(0, 20), st.sampled_from(["", "w1"]))
    @settings(max_examples=200, deadline=None)
    def law(story: Story, data: st.DataObject, crash_at: int, deleted: str) -> None:
        telling = data.draw(tellings(story, workers=WORKERS))
        told, outcome, expected = asyncio.run(
            told_beside_a_recount(story, telling, crash_at, deleted)
        )
        for each in (outcome, expected):
            _forget(each, deleted)
        assert outcome == expected
        seen["conflicts"] += bool(told.conflicts)
        seen["crashes"] += bool(told.crashes)

    with no_waiting(), mock.patch(_CLUTTERED, 0):
        law()

    assert min(seen["conflicts"], seen["crashes"]) > 20, seen


def _forget(outcome: dict[str, Any], workflow_id: str) -> None:
    """Leave out what a recount drops, and when a twin that was found gone was deleted."""
    for record in outcome.values():
        if isinstance(record, dict) and "deleted_at" in record:
            record["deleted_at"] = bool(record["deleted_at"])
    if workflow_id:
        outcome.pop("counts", None)
        outcome["histories"] = [row for row in outcome["histories"] if row[1] != workflow_id]
        outcome["installations"] = [
            [item for item in items if item.identity != workflow_id]
            for items in outcome["installations"]
        ]


async def dropped_beside(story: Story, pauses: tuple[int, ...], crash_at: int) -> int:
    """Tell a story with a recount beside each event, long after it; how many rows that dropped."""
    ordered, pruned = a_service(story), a_service(story, pauses)
    await ordered.tell_in_order(story)
    clock, reports = FixedClock("2025-01-01T00:00:00+00:00"), MemoryRecounts()
    recount = await a_recount(pruned, clock, reports)
    pruned.beside = lambda: recount.bucket("factory", BUCKET)
    rounds = tuple(
        (Batch((place,), crash_at=crash_at, start=pauses[0]),) for place in range(len(story.told))
    )
    await pruned.tell(story, Telling(rounds, (0,) * len(story.asked), pauses))
    await assert_nothing_drifted(pruned, clock, reports)
    found, expected = await pruned.outcome(story), await ordered.outcome(story)
    assert _present(found) == _present(expected), (story.told, found, expected)
    return len(await ordered.records()) - len(await pruned.records())


@given(stories(), st.lists(st.integers(0, 6), min_size=1, max_size=6), st.integers(0, 12))
@settings(max_examples=200, deadline=None)
def test_row_that_outlived_its_device_is_dropped_beside_the_events_of_the_next(
    story: Story, pauses: list[int], crash_at: int
) -> None:
    with no_waiting():
        dropped = asyncio.run(dropped_beside(story, tuple(pauses), crash_at))

    assert dropped >= 0
    event(f"dropped: {dropped}")
    target(float(dropped))


@pytest.mark.parametrize("crash_at", range(13))
@pytest.mark.parametrize("pause", range(4))
def test_row_of_a_life_that_ended_is_dropped_whenever_workers_pause_and_die(
    pause: int, crash_at: int
) -> None:
    with no_waiting():
        dropped = asyncio.run(dropped_beside(story_of_a_life_that_ends(), (pause,), crash_at))

    assert dropped == 1


def _present(outcome: dict[str, Any]) -> dict[str, Any]:
    """The devices that are there, without what is known of their former lives."""
    return {
        key: {name: value for name, value in what.items() if name != "deleted_at"}
        if isinstance(what, dict)
        else what
        for key, what in outcome.items()
        if key in ("histories", "installations") or "group" in what
    }


async def damaged_and_recounted(story: Story, telling: Telling) -> None:
    """Damage counters, and recount them beside the story."""
    service = a_service(story, telling.pauses)
    service.check_rounds = False
    rows: Any = service.counters
    for group in ("lobby", "$default"):
        rows.counts_rows.put(("factory", BUCKET, (group, "asked")), {"total": -3, "other": 7})
    recount = await a_recount(service, HubClock(service), MemoryRecounts())
    await recount.bucket("factory", BUCKET)
    service.beside = lambda: recount.bucket("factory", BUCKET)
    await service.tell(story, telling)


@given(stories(), st.data())
@settings(max_examples=60, deadline=None)
def test_damage_is_repaired_before_the_next_event_counts(story: Story, data: st.DataObject) -> None:
    telling = data.draw(tellings(story, workers=WORKERS))
    with no_waiting():
        asyncio.run(damaged_and_recounted(story, telling))
