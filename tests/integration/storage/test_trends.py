"""Compliance and progress over time, and what was written lately, in real tables."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from shared.adapters.table import Table
from shared.adapters.table_changes import TableChanges
from shared.adapters.table_deployments import TableDeployments
from shared.adapters.table_operations import TableOperations
from shared.adapters.table_trends import TableTrends
from shared.adapters.table_updates import TableUpdates
from shared.domain.fleet.compliance import Compliance, StateCounts
from shared.domain.fleet.trend import Mark, ProgressPoint
from shared.ports import Rollup
from shared.services.operations import operation_id
from tests.builders.deployments import an_update
from tests.builders.ports import an_operation
from tests.integration.storage.conftest import tables_of
from tests.unit.domain.builders import V1, V2, a_deployment

if TYPE_CHECKING:
    from shared.adapters.storage import StorageAccounts

ODD = "größe.a/b" * 20


async def test_days_of_each_group_are_apart_and_the_last_word_of_a_day_stands(
    accounts: StorageAccounts, instance: str
) -> None:
    trends = TableTrends(Table(accounts, "Trends"))
    for day, total in (("2024-05-01", 1), ("2024-05-02", 2), ("2024-05-02", 3), ("2024-05-03", 4)):
        await trends.save_day(
            instance, day, {None: Compliance(total=total), ODD: Compliance(total=10 * total)}
        )

    whole = await trends.days(instance, None, "2024-05-02", "2024-05-03")
    group = await trends.days(instance, ODD, "2024-05-01", "2024-05-02")

    assert [(item.day, item.compliance.total) for item in whole] == [
        ("2024-05-02", 3),
        ("2024-05-03", 4),
    ]
    assert [item.compliance.total for item in group] == [10, 30]
    assert await trends.drop_days(instance, "2024-05-03", size=3) == 3
    assert await trends.drop_days(instance, "2024-05-03", size=3) == 1
    assert len(await trends.days(instance, None, "2024-01-01", "2024-12-31")) == 1


async def test_points_of_days_before_go_and_nothing_else(
    accounts: StorageAccounts, instance: str
) -> None:
    trends = TableTrends(Table(accounts, "Trends"))
    times = [f"2024-05-0{day}T23:59:00.000000+00:00" for day in (1, 2, 3)]
    for workflow in ("w1", "w2"):
        for at in times:
            await trends.save_point(instance, workflow, ProgressPoint(at, StateCounts()))
    await trends.save_marks(instance, [Mark(times[0], "Published", V1)])

    assert await trends.drop_points(instance, "2024-05-03", size=3) == 3
    assert await trends.drop_points(instance, "2024-05-03", size=100) == 5
    assert await trends.drop_points(instance, "2024-05-03", size=100) == 0

    for is_hourly in (True, False):
        for workflow in ("w1", "w2"):
            left = await trends.points(
                instance, workflow, "2024-01-01", "2024-12-31", is_hourly=is_hourly
            )
            assert [point.at for point in left] == times[2:]
    assert len(await trends.marks(instance, "2024-05-01", "2024-05-01")) == 1


async def test_marks_are_written_once(accounts: StorageAccounts, instance: str) -> None:
    trends = TableTrends(Table(accounts, "Trends"))
    mark = Mark("2024-05-02T10:00:00.000000+00:00", "Published", V1)

    await trends.save_marks(instance, [mark, mark])
    await trends.save_marks(instance, [mark])

    assert list(await trends.marks(instance, "2024-05-02", "2024-05-02")) == [mark]
    assert list(await trends.marks(instance, "2024-05-03", "2024-05-04")) == []


async def test_points_are_kept_by_minute_and_by_hour(
    accounts: StorageAccounts, instance: str
) -> None:
    trends = TableTrends(Table(accounts, "Trends"))
    for second in range(0, 7200, 30):
        at = datetime(2024, 5, 1, 12, tzinfo=UTC) + timedelta(seconds=second)
        point = ProgressPoint(at.isoformat(timespec="microseconds"), StateCounts(succeeded=second))
        await trends.save_point(instance, "w", point)

    minutes = await trends.points(
        instance, "w", "2024-05-01T12:10", "2024-05-01T12:12", is_hourly=False
    )
    hours = await trends.points(instance, "w", "2024-05-01T12", "2024-05-02T12", is_hourly=True)

    assert [point.counts.succeeded for point in minutes] == [630, 690, 750]
    assert [point.counts.succeeded for point in hours] == [3570, 7170]


async def test_what_was_written_since_is_told(accounts: StorageAccounts, instance: str) -> None:
    feed = TableChanges(
        rollups=Table(accounts, "Rollups"),
        deployments=Table(accounts, "Deployments"),
        updates=Table(accounts, "Updates"),
        operations=Table(accounts, "Operations"),
    )
    now = datetime.now(UTC)
    identity = operation_id(now.isoformat(), "x")
    await TableDeployments(Table(accounts, "Deployments")).add(instance, a_deployment())
    await TableUpdates(Table(accounts, "Updates")).add(instance, an_update(V2))
    await TableOperations(Table(accounts, "Operations")).add(instance, an_operation(identity))
    await tables_of(accounts).fleet.save_rollup(instance, "a/b", Rollup({}, now.isoformat()))

    found = await feed.since(instance, (now - timedelta(minutes=1)).isoformat())
    later = await feed.since(instance, (now + timedelta(hours=1)).isoformat())

    assert {(item.kind, item.identity) for item in found} == {
        ("group", "a/b"),
        ("deployment", "$default/deployment-w1"),
        ("update", str(V2)),
        ("operation", identity),
    }
    assert list(later) == []
    assert list(await feed.since(f"{instance}x", (now - timedelta(minutes=1)).isoformat())) == []
