"""Rows that a process remembers are a guess: the ETag alone decides."""

from __future__ import annotations

import pytest

from shared.domain.errors import ConcurrentUpdate
from shared.domain.fleet.device import bucket_of, fold
from shared.ports import Devices, DeviceWrite
from tests.integration.storage.conftest import Ports
from tests.unit.domain.builders import a_change, a_record, busy, started

BUCKET = bucket_of("d1")
RECORD = a_record(a_change(2, started()))


async def write(devices: Devices, instance: str, version: int) -> None:
    """Fold a change into the row as it is read."""
    row = (await devices.load(instance, BUCKET, ["d1"]))["d1"]
    after = fold(row.value, a_change(version, busy()))
    await devices.commit(instance, BUCKET, [DeviceWrite(row, after)])


async def test_row_that_was_written_or_read_is_at_hand_for_a_write(
    ports: Ports, instance: str
) -> None:
    assert ports.devices.remembered(instance, BUCKET, ["d1"]) == {}
    await ports.devices.commit(instance, BUCKET, [DeviceWrite(None, RECORD)])

    for version in (3, 4):
        row = ports.devices.remembered(instance, BUCKET, ["d1", "unknown"])["d1"]
        after = fold(row.value, a_change(version, busy()))
        await ports.devices.commit(instance, BUCKET, [DeviceWrite(row, after)])

    stored = await ports.other_devices.load(instance, BUCKET, ["d1"])
    assert stored["d1"].value.twin_version == 4
    assert ports.other_devices.remembered(instance, BUCKET, ["d1"]) == stored
    assert ports.devices.remembered(instance + "x", BUCKET, ["d1"]) == {}


async def test_write_over_a_stale_row_is_refused_and_the_row_is_forgotten(
    ports: Ports, instance: str
) -> None:
    await ports.devices.commit(instance, BUCKET, [DeviceWrite(None, RECORD)])
    await write(ports.other_devices, instance, 3)
    stale = ports.devices.remembered(instance, BUCKET, ["d1"])["d1"]
    assert stale.value == RECORD

    late = DeviceWrite(stale, fold(stale.value, a_change(4, busy())))
    with pytest.raises(ConcurrentUpdate):
        await ports.devices.commit(instance, BUCKET, [late])

    assert ports.devices.remembered(instance, BUCKET, ["d1"]) == {}
    await write(ports.devices, instance, 4)
    (cells,) = (await ports.devices.counts(instance, BUCKET, "$default")).values()
    assert cells["total"] == 1
