"""What has been kept for long enough goes; nothing else does."""

from __future__ import annotations

from datetime import datetime, timedelta

from shared.domain.fleet.compliance import Compliance
from shared.domain.operation import OperationStatus
from shared.domain.retention import LEAST_AUDIT_DAYS, Retention
from shared.services.audit.proof import AuditProof
from shared.services.maintenance.retention import RetentionRuns
from shared.services.operations import operation_id
from tests.builders.audit import a_change
from tests.builders.ports import an_operation
from tests.unit.services.world import INSTANCE, World

DAY = 86_400.0


def runs(world: World, **days: int) -> RetentionRuns:
    return RetentionRuns(
        retention=Retention(**days),
        operations=world.operations,
        audit_log=world.audit_log,
        audit=world.audit,
        trends=world.trends,
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
