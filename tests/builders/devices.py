"""Builders and looks that tests of devices share."""

from __future__ import annotations

import itertools
from typing import Any

from shared.domain.fleet.counters import Counts, contribution, history_contribution, total
from shared.domain.fleet.device import DeviceRecord, bucket_of
from shared.ports import DeviceWrite
from tests.unit.domain.builders import (
    a_command,
)
from tests.unit.services.world import INSTANCE, World

BUCKET = bucket_of("d1")


def neighbours(count: int) -> list[str]:
    """Ids of devices that share the bucket of d1."""
    names = (f"d{number}" for number in itertools.count(1))
    return list(itertools.islice((name for name in names if bucket_of(name) == BUCKET), count))


async def record(world: World, device_id: str = "d1") -> DeviceRecord:
    rows = await world.devices.load(INSTANCE, bucket_of(device_id), [device_id])
    return rows[device_id].value


async def command(world: World, device_id: str = "d1", **options: Any) -> None:
    rows = await world.devices.load(INSTANCE, bucket_of(device_id), [device_id])
    before = rows[device_id]
    after = DeviceRecord(
        device_id,
        registers=before.value.registers,
        evidence=before.value.evidence,
        commanded=a_command(**options),
    )
    await world.devices.commit(INSTANCE, bucket_of(device_id), [DeviceWrite(before, after)])


async def recount(world: World) -> Counts:
    rows: list[Counts] = []
    for bucket in range(256):
        page = await world.devices.of_bucket(INSTANCE, bucket)
        rows += [contribution(row.value) for row in page.items]
        for workflow_id in ("w1", "w2"):
            moved = await world.devices.history(INSTANCE, bucket, workflow_id)
            rows += [history_contribution(item) for item in moved]
    return total(rows)


async def counted(world: World, *groups: str) -> Counts:
    rows = [
        await world.devices.counts(INSTANCE, bucket, group)
        for bucket in range(256)
        for group in groups
    ]
    found = total(rows)
    return {
        place: kept
        for place, cells in found.items()
        if (kept := {cell: count for cell, count in cells.items() if count})
    }
