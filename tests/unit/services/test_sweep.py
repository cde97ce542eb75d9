from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from functools import wraps
from typing import Any

import pytest

from shared.domain.fleet.device import DeviceRecord, fold, view
from shared.domain.operation import Operation, OperationStatus, Stage
from shared.services.operations import operation_id
from shared.topology import SCAN_REQUEST, quarantine_prefix
from tests.builders.deployments import a_world, an_update
from tests.fakes.updates import MemoryUpdates
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
    await world.sweep.run_through()

    (known,) = await world.fleet.classes(INSTANCE)
    assert known.best_update == an_update().update_id
    assert [order["group"] for order in world.queues.of("rollup")] == ["lobby"]


async def test_class_whose_first_look_for_updates_was_lost_is_found_by_the_next_sweep() -> None:
    world = World()
    await world.updates.add(INSTANCE, an_update())
    record = fold(DeviceRecord("d1", None), a_change(2, started(), group="lobby"))
    seen = view(record).device_class
    assert seen is not None
    await world.fleet.ensure_known(INSTANCE, "lobby", 1, seen)  # and then the worker died

    await world.sweep.run()

    (known,) = await world.fleet.classes(INSTANCE)
    assert known.best_update == an_update().update_id


async def test_sweeps_of_an_hour_read_no_updates_while_nothing_is_pending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    await world.updates.add(INSTANCE, an_update())
    await world.tell(a_change(2, started(), group="lobby"))
    digest = "0" * 64
    world.blobs.put("content", f"{INSTANCE}/{digest}", b"of no update")
    world.clock.advance(2 * 86_400)
    asked = Counter[str]()
    for name in ("list", "get", "names", "versions"):
        monkeypatch.setattr(MemoryUpdates, name, _counted(asked, getattr(MemoryUpdates, name)))

    for _ in range(60):
        await world.sweep.run()
        world.clock.advance(60)
    assert asked == {}
    assert world.blobs.names("content") == [f"{INSTANCE}/{digest}"]

    await world.sweep.run_through()
    assert asked == {"list": 2}
    assert world.blobs.names("content") == []


def _counted(asked: Counter[str], method: Any) -> Any:
    @wraps(method)
    async def counted(*given: Any, **options: Any) -> Any:
        asked[method.__name__] += 1
        return await method(*given, **options)

    return counted
