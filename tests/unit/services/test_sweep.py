from __future__ import annotations

from datetime import datetime, timedelta

from shared.domain.operation import Operation, OperationStatus, Stage
from shared.services.operations import operation_id
from shared.topology import SCAN_REQUEST, quarantine_prefix
from tests.builders.deployments import a_world, an_update
from tests.unit.domain.builders import a_change, a_deployment, started
from tests.unit.services.world import INSTANCE, World


async def stalled(world: World, stage: Stage, *, seconds: float = 600) -> str:
    when = datetime.fromisoformat(world.clock.now()) - timedelta(seconds=seconds)
    then = when.isoformat(timespec="microseconds")
    identity = operation_id(then, stage)
    status = OperationStatus.SUCCEEDED if stage is Stage.END else OperationStatus.RUNNING
    operation = Operation(
        operation_id=identity,
        kind="import",
        status=status,
        stage=stage,
        created_at=then,
        changed_at=then,
        trace_id="trace",
    )
    await world.operations.add(INSTANCE, operation)
    return identity


async def test_stalled_import_is_set_going_again_in_its_stage() -> None:
    world = World()
    fetching = await stalled(world, Stage.FETCH)
    publishing = await stalled(world, Stage.PUBLISH)
    scanning = await stalled(world, Stage.SCAN)
    await stalled(world, Stage.END)
    request = quarantine_prefix(INSTANCE, scanning) + SCAN_REQUEST
    world.blobs.contents["quarantine", request] = (b"[]", {})

    await world.sweep.run()

    assert world.queues.of("import") == [{"instance": INSTANCE, "operation": fetching}]
    assert world.queues.of("publish") == [{"instance": INSTANCE, "operation": publishing}]
    assert world.blobs.created == [("quarantine", request)]


async def test_import_that_moves_is_left_alone() -> None:
    world = World()
    await stalled(world, Stage.FETCH, seconds=100)

    await world.sweep.run()

    assert world.queues.messages == []


async def test_poisoned_re_read_ends_with_its_reason_after_an_hour() -> None:
    world = World()
    identity = await world.import_devices.start(INSTANCE, "All", "trace")
    world.queues.take()

    world.clock.advance(600)
    await world.sweep.run()
    assert [order["operation"] for order in world.queues.of("registry")] == [identity]
    world.queues.take()
    world.clock.advance(3600)
    await world.sweep.run()

    assert world.queues.of("registry") == []
    operation = await world.operation(identity)
    assert operation.status is OperationStatus.FAILED
    assert operation.failure is not None
    assert operation.failure.code == "GivenUp"


async def test_lost_fan_out_is_found_when_its_time_has_come() -> None:
    world = await a_world()
    world.queues.take()
    await world.deployments.add(INSTANCE, a_deployment("w1"))
    await world.deployments.add(INSTANCE, a_deployment("w2", is_fanned_out=True))
    await world.deployments.add(INSTANCE, a_deployment("w3", starts_at="2999-01-01"))

    await world.sweep.run()

    assert [order["deployment"] for order in world.queues.of("fanout")] == ["deployment-w1"]


async def test_derived_figures_are_refreshed() -> None:
    world = World()
    await world.tell(a_change(2, started(), group="lobby"))
    world.queues.take()
    await world.updates.add(INSTANCE, an_update())

    for _ in range(15):
        await world.sweep.run()
        world.clock.advance(60)

    (known,) = await world.fleet.classes(INSTANCE)
    assert known.best_update == an_update().update_id
    assert [order["group"] for order in world.queues.of("rollup")] == ["lobby"]
