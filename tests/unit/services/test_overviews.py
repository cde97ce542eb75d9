"""What operators read of an instance as a whole: equal to what a count of its devices says."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from shared.domain.errors import InvalidInput, NotFound
from shared.domain.fleet.compliance import Compliance, StateCounts
from shared.domain.fleet.counters import (
    TOTAL,
    deployment_cell,
    failing_cell,
    heard_cell,
    installed_cell,
)
from shared.domain.fleet.device import DeviceState
from shared.domain.fleet.device_class import make_device_class
from shared.domain.fleet.trend import ProgressPoint, rate_per_minute, thinned
from shared.domain.operation import Failure, OperationStatus
from shared.domain.updates.update import Recall
from shared.ports import Rollup
from shared.services.operations import operation_id
from shared.services.reporting.attention import Attention, Cause
from shared.services.reporting.deployment_overview import (
    Course,
    DeploymentOverviews,
    DeploymentQuery,
)
from shared.services.reporting.installed import InstalledUpdates
from shared.services.reporting.search import Search
from shared.services.reporting.trends import TrendRecords
from tests.builders.deployments import an_update
from tests.builders.ports import an_operation
from tests.fakes.records import MemoryRecounts
from tests.fakes.trends import MemoryTrends
from tests.unit.domain.builders import V1, V2, a_deployment
from tests.unit.services.world import INSTANCE, World

KIOSK = make_device_class("", {"manufacturer": "acme", "model": "kiosk"})
FUTURE = "2099-01-01T00:00:00.000000+00:00"


async def a_world(**groups: dict[str, int]) -> World:
    """Groups with the cells of their one class."""
    world = World()
    for group, cells in groups.items():
        await world.fleet.ensure_known(INSTANCE, group, 0, KIOSK)
        counts = {(group, KIOSK.class_id): cells}
        await world.fleet.save_rollup(INSTANCE, group, Rollup(counts, world.clock.now()))
    return world


def deployed(workflow: str, **states: int) -> dict[str, int]:
    return {deployment_cell(workflow, DeviceState[name.upper()]): n for name, n in states.items()}


def overviews(world: World) -> DeploymentOverviews:
    return DeploymentOverviews(
        fleet=world.fleet,
        deployments=world.deployments,
        reports=world.reports,
        clock=world.clock,
    )


async def test_deployments_of_all_groups_are_listed_with_counts_and_course() -> None:
    world = await a_world(
        one={TOTAL: 10, **deployed("w1", succeeded=3, failed=1, in_progress=2)},
        two={TOTAL: 2, **deployed("w2", succeeded=2)},
        three={TOTAL: 5},
    )
    for group, workflow, start in (
        ("one", "w1", "2024-01-03"),
        ("two", "w2", "2024-01-02"),
        ("three", "w3", "2099-01-01"),
    ):
        await world.deployments.add(
            INSTANCE,
            a_deployment(workflow, group_id=group, starts_at=f"{start}T00:00:00.000000+00:00"),
        )

    async def listed(**query: Any) -> list[tuple[str, str]]:
        page = await overviews(world).page(
            INSTANCE, DeploymentQuery(**query), is_newest_first=True, token=None, size=10
        )
        return [(item.deployment.group_id, item.course.value) for item in page.items]

    assert await listed() == [("three", "Planned"), ("one", "Running"), ("two", "Finished")]
    assert await listed(course=Course.RUNNING) == [("one", "Running")]
    assert await listed(group="two") == [("two", "Finished")]
    assert await listed(update=str(V1)) == []
    assert await listed(state="ActiveWithSubgroupFailures") == [("one", "Running")]
    every = {item.deployment.group_id: item for item in await overviews(world).every(INSTANCE)}
    assert every["one"].total == 10
    assert every["one"].statuses[0].counts == StateCounts(2, 3, 1, 0)


async def test_pages_of_deployments_follow_one_another() -> None:
    world = await a_world(one={TOTAL: 1})
    for at in range(7):
        await world.deployments.add(INSTANCE, a_deployment(f"w{at}", group_id="one"))
    found: list[str] = []
    token: str | None = None
    while True:
        page = await overviews(world).page(
            INSTANCE, DeploymentQuery(), is_newest_first=True, token=token, size=3
        )
        found += [item.deployment.deployment_id for item in page.items]
        token = page.token
        if token is None:
            break

    assert found == [f"deployment-w{at}" for at in range(7)]


async def test_attention_names_causes_with_their_numbers() -> None:
    world = await a_world(
        one={
            TOTAL: 20,
            failing_cell("30101001"): 3,
            heard_cell("2024-01-01T00"): 4,
            installed_cell(str(V1), is_in_progress=False): 5,
        },
        two={TOTAL: 9, failing_cell("30101001"): 2, heard_cell("2024-05-01T00"): 7},
    )
    await world.updates.add(INSTANCE, an_update(V1, recall=Recall("bricks", "t")))
    await world.updates.add(INSTANCE, an_update(V2, recall=Recall("bricks", "t")))
    now = world.clock.now()
    for code in ("TooLarge", "TooLarge", "ImportCanceled"):
        identity = operation_id(now, world.clock.fresh_id())
        failed = an_operation(identity, status=OperationStatus.FAILED, failure=Failure(code, "No."))
        await world.operations.add(INSTANCE, failed)

    found = await Attention(
        fleet=world.fleet,
        updates=world.updates,
        operations=world.operations,
        recounts=MemoryRecounts(),
        clock=world.clock,
        new_classes=world.new_classes,
        most_new_classes=30,
    ).items(INSTANCE)

    assert [(item.cause, item.count, item.code, item.subject) for item in found] == [
        (Cause.FAILED, 5, "30101001", None),
        (Cause.RECALLED, 5, None, str(V1)),
        (Cause.SILENT, 4, None, None),
        (Cause.REFUSED_IMPORT, 2, "TooLarge", None),
    ]
    assert all(item.message and item.next_step for item in found)


async def test_nothing_needs_attention_in_an_instance_without_trouble() -> None:
    world = await a_world(one={TOTAL: 20})

    found = await Attention(
        fleet=world.fleet,
        updates=world.updates,
        operations=world.operations,
        recounts=MemoryRecounts(),
        clock=world.clock,
        new_classes=world.new_classes,
        most_new_classes=30,
    ).items(INSTANCE)

    assert found == []


async def test_installed_updates_are_counted_over_groups_and_states() -> None:
    world = await a_world(
        one={
            installed_cell(str(V1), is_in_progress=False): 2,
            installed_cell(str(V1), is_in_progress=True): 3,
            installed_cell("-", is_in_progress=False): 4,
        },
        two={installed_cell(str(V2), is_in_progress=False): 9},
    )
    await world.fleet.set_best_update(INSTANCE, KIOSK.class_id, V2)
    await world.updates.add(INSTANCE, an_update(V1))
    await world.deployments.add(INSTANCE, a_deployment(update_id=V1, group_id="one"))
    service = InstalledUpdates(
        fleet=world.fleet, updates=world.updates, deployments=world.deployments
    )

    every = await service.counts(INSTANCE)
    usage = await service.usage(INSTANCE, V1)

    assert [(item.update_id, item.device_count, item.is_best) for item in every] == [
        (V2, 9, True),
        (V1, 5, False),
        (None, 4, False),
    ]
    assert [item.device_count for item in await service.counts(INSTANCE, "two")] == [9]
    assert (usage.device_count, len(usage.deployments), usage.parents) == (5, 1, [])
    with pytest.raises(NotFound):
        await service.counts(INSTANCE, "nowhere")
    with pytest.raises(NotFound):
        await service.usage(INSTANCE, V2)


def records(world: World) -> TrendRecords:
    return TrendRecords(
        trends=MemoryTrends(),
        fleet=world.fleet,
        deployments=world.deployments,
        operations=world.operations,
        clock=world.clock,
    )


async def test_the_days_of_the_instance_are_the_sums_of_its_groups() -> None:
    world = await a_world(
        one={TOTAL: 3, installed_cell(str(V2), is_in_progress=False): 3},
        two={TOTAL: 2, installed_cell(str(V1), is_in_progress=False): 2},
    )
    await world.fleet.set_best_update(INSTANCE, KIOSK.class_id, V2)
    published = an_operation(
        operation_id(world.clock.now(), "x"),
        status=OperationStatus.SUCCEEDED,
        update_id=V2,
        changed_at=world.clock.now(),
    )
    await world.operations.add(INSTANCE, published)
    service = records(world)

    await service.record_day(INSTANCE)
    await service.record_day(INSTANCE)
    (whole,), marks = await service.days(INSTANCE, None, None, None)
    (group,), _ = await service.days(INSTANCE, "two", None, None)

    assert whole.compliance == Compliance(total=5, on_latest=3, new_available=2)
    assert group.compliance == Compliance(total=2, new_available=2)
    assert [(mark.kind, mark.update_id) for mark in marks] == [("Published", V2)]
    with pytest.raises(NotFound):
        await service.days(INSTANCE, "nowhere", None, None)
    with pytest.raises(InvalidInput):
        await service.days(INSTANCE, None, "2024-05-02", "2024-05-01")


async def test_progress_is_written_while_a_deployment_moves() -> None:
    world = await a_world(one={TOTAL: 4})
    await world.deployments.add(INSTANCE, a_deployment("w1", group_id="one"))
    service = records(world)
    for states in ({"in_progress": 4}, {"in_progress": 4}, {"succeeded": 4}):
        counts = {("one", KIOSK.class_id): {TOTAL: 4, **deployed("w1", **states)}}
        world.clock.advance(60)
        await world.fleet.save_rollup(INSTANCE, "one", Rollup(counts, world.clock.now()))
        await service.record_progress(INSTANCE, "one")

    found = await service.progress(
        INSTANCE, "w1", first="2024-05-01T12:00:00+00:00", last=None, most=100
    )

    assert [point.counts.succeeded for point in found.points] == [0, 4]
    assert found.rate == pytest.approx(2, rel=0.01)


def test_points_are_thinned_evenly_with_both_ends() -> None:
    points = [ProgressPoint(str(at), StateCounts()) for at in range(101)]

    assert [point.at for point in thinned(points, 5)] == ["0", "25", "50", "75", "100"]
    assert thinned(points, 1) == [points[-1]]
    assert thinned(points, 500) == points
    assert rate_per_minute(points[:1]) is None


async def test_search_finds_things_of_every_kind() -> None:
    world = await a_world(**{"lobby-north": {TOTAL: 1}})
    await world.updates.add(INSTANCE, an_update(V1, friendly_name="Lobby kiosk"))
    await world.deployments.add(INSTANCE, a_deployment(deployment_id="to-the-lobby"))
    await world.fleet.rename_class(INSTANCE, KIOSK.class_id, "Lobby.kiosks")
    service = Search(
        devices=world.devices,
        fleet=world.fleet,
        deployments=world.deployments,
        updates=world.updates,
    )

    managed = await service.managed_like(INSTANCE, "LOBBY")
    updates = await service.updates_like(INSTANCE, "lobby")

    assert Counter(hit.kind for hit in managed) == {
        "group": 1,
        "deviceClass": 1,
        "deployment": 1,
    }
    assert [hit.identity for hit in updates] == [str(V1)]
    assert await service.managed_like(INSTANCE, "nothing") == []
