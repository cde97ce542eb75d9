"""What has been kept for long enough goes; nothing else does."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.domain.fleet.compliance import Compliance, StateCounts
from shared.domain.fleet.device import bucket_of
from shared.domain.fleet.trend import ProgressPoint
from shared.domain.operation import OperationStatus
from shared.domain.retention import LEAST_AUDIT_DAYS, Retention
from shared.services.audit.proof import AuditProof
from shared.services.maintenance.old_deployments import OldDeployments
from shared.services.maintenance.retention import RetentionRuns
from shared.services.operations import operation_id
from tests.builders.audit import a_change
from tests.builders.deployments import KIOSK, a_world, deploy, desired
from tests.builders.ports import an_operation
from tests.unit.domain.builders import V1, V2
from tests.unit.services.world import INSTANCE, World

DAY = 86_400.0


def runs(world: World, **days: int) -> RetentionRuns:
    return RetentionRuns(
        retention=Retention(**days),
        operations=world.operations,
        audit_log=world.audit_log,
        audit=world.audit,
        trends=world.trends,
        devices=world.devices,
        old_deployments=OldDeployments(
            deployments=world.deployments,
            fleet=world.fleet,
            deploy=world.deploy,
            audit=world.audit,
            clock=world.clock,
        ),
        blobs=world.blobs,
        clock=world.clock,
    )


async def test_ended_operations_go_when_they_are_old() -> None:
    world = World()
    now = datetime.fromisoformat(world.clock.now())
    for age in (1, 30, 31):
        for status in (OperationStatus.SUCCEEDED, OperationStatus.RUNNING):
            identity = operation_id((now - timedelta(days=age)).isoformat(), f"{age}{status}")
            await world.operations.add(INSTANCE, an_operation(identity, status=status))

    await runs(world, operation_days=30).run(INSTANCE)
    page = await world.operations.list(INSTANCE, None)

    assert sorted(item.value.status for item in page.items) == ["Running"] * 3 + ["Succeeded"]


async def test_deployments_that_decide_nothing_go_when_they_are_old_and_this_is_written_down() -> (
    None
):
    world = await a_world("d1")
    for number in range(3):
        await deploy(world, deployment_id=f"roll-{number}", starts_at=world.clock.now())
        world.clock.advance(10 * DAY)
    await world.rollup.group(INSTANCE, "$default")

    await runs(world, deployment_days=31).run(INSTANCE)
    early = await world.deployments.of_instance(INSTANCE)
    await runs(world, deployment_days=15).run(INSTANCE)
    await world.drain()

    assert len(early) == 3
    left = [each.value.deployment_id for each in await world.deployments.of_instance(INSTANCE)]
    assert left == ["roll-1", "roll-2"]  # the first was replaced 20 days ago, the second 10
    (entry,) = [each for each in world.audited() if each[1] == "drop_deployment"]
    assert entry[0] == "Automatic"
    assert desired(world)["workflow"]["id"] == ((await world.deployment("roll-2")).workflow_id)


async def test_deployment_that_somebody_touched_of_late_stays() -> None:
    world = await a_world("d1")
    await deploy(world, deployment_id="roll-0", starts_at=world.clock.now())
    world.clock.advance(10 * DAY)
    await world.deploy.cancel(INSTANCE, "$default", KIOSK, "roll-0")
    await world.drain()
    await world.rollup.group(INSTANCE, "$default")

    world.clock.advance(DAY)
    await runs(world, deployment_days=5).run(INSTANCE)
    assert len(await world.deployments.of_instance(INSTANCE)) == 1
    world.clock.advance(5 * DAY)
    await runs(world, deployment_days=5).run(INSTANCE)

    assert await world.deployments.of_instance(INSTANCE) == []


async def test_points_and_installations_go_when_they_are_old_and_no_sooner() -> None:
    world = await a_world("d1")
    bucket = bucket_of("d1")
    for version in (V1, V2):
        await deploy(
            world,
            deployment_id=f"roll-{version.version}",
            update_id=version,
            starts_at=world.clock.now(),
        )
        await world.trends.save_point(
            INSTANCE, "w", ProgressPoint(at=world.clock.now(), counts=StateCounts())
        )
        world.clock.advance(10 * DAY)
    known = await world.devices.installations(INSTANCE, bucket, "d1", size=9)
    assert len(known) == 1  # the present one is in the row of the device

    await runs(world, progress_days=21, history_days=21).run(INSTANCE)
    assert await world.devices.installations(INSTANCE, bucket, "d1", size=9) == known
    assert len(world.trends.moved) == 2
    await runs(world, progress_days=15, history_days=15).run(INSTANCE)

    assert await world.devices.installations(INSTANCE, bucket, "d1", size=9) == []
    assert len(world.trends.moved) == 1


async def test_files_of_exports_go_when_they_are_old() -> None:
    world = World()
    now = datetime.fromisoformat(world.clock.now())
    for age in (1, 6, 8):
        identity = operation_id((now - timedelta(days=age)).isoformat(), f"{age}")
        world.blobs.put("uploads", f"{INSTANCE}/exports/{identity}.csv", b"x")
    world.blobs.put("uploads", f"{INSTANCE}/0123/manifest.json", b"x")

    await runs(world).run(INSTANCE)

    left = [name.rpartition("-")[2] for name in world.blobs.names("uploads")]
    assert sorted(left) == ["1.csv", "6.csv", f"{INSTANCE}/0123/manifest.json"]


async def test_days_of_compliance_go_when_they_are_old() -> None:
    world = World()
    for day in ("2022-04-30", "2022-05-02", "2024-05-01"):
        await world.trends.save_day(INSTANCE, day, {None: Compliance(total=1)})

    await runs(world).run(INSTANCE)

    left = await world.trends.days(INSTANCE, None, "2000-01-01", "2100-01-01")
    assert [item.day for item in left] == ["2022-05-02", "2024-05-01"]


async def test_the_audit_log_stays_provable_and_says_what_was_dropped() -> None:
    world = World()
    for number in range(6):
        async with world.audit.change(INSTANCE, a_change(f"r{number}")):
            pass
        world.clock.advance(100 * DAY)

    for _ in range(2):
        await runs(world, audit_days=1).run(INSTANCE)
    proof = await AuditProof(world.audit_log, world.blobs, world.clock).check(INSTANCE, None, None)

    days = sorted(key[1] for key in world.audit_log.rows)
    oldest = datetime.fromisoformat(world.clock.now()) - timedelta(days=LEAST_AUDIT_DAYS)
    assert days[0] >= str(oldest.date())
    assert len(days) == 4  # three of the six, and that the others were dropped
    assert world.audited()[-1][:2] == ("Automatic", "drop_audit_entries")
    assert proof.first is None
