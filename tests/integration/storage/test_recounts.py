"""What a recount needs of storage, in memory and in Table Storage."""

from __future__ import annotations

import pytest

from shared.domain.errors import ConcurrentUpdate
from shared.domain.fleet.counters import moved_on
from shared.domain.fleet.recount import Drift, Recounted
from shared.ports import Correction, DeviceWrite
from tests.integration.storage.conftest import Ports
from tests.unit.domain.builders import a_change, a_command, a_record, started


async def test_counters_are_corrected_only_as_they_were_read(ports: Ports, instance: str) -> None:
    old = a_record(a_change(2, started()), commanded=a_command("w1"))
    await ports.devices.commit(instance, 1, [DeviceWrite(None, old)])
    rows = await ports.counters.counter_rows(instance, 1)
    fixes = [Correction(("$default", "class"), rows["$default", "class"], {"total": 3})]
    (row,) = (await ports.devices.load(instance, 1, ["d1"])).values()
    new = a_record(a_change(2, started()), commanded=a_command("w2"))
    await ports.devices.commit(instance, 1, [DeviceWrite(row, new, moved_on(old, new))])

    with pytest.raises(ConcurrentUpdate):
        await ports.counters.correct(instance, 1, fixes)
    rows = await ports.counters.counter_rows(instance, 1)
    fixes = [
        Correction(("$default", "class"), rows["$default", "class"], {}),
        Correction(("lobby", "x"), None, {"total": 3}),
    ]
    await ports.counters.correct(instance, 1, fixes)

    found = await ports.counters.counter_rows(instance, 1)
    assert ("$default", "class") not in found
    assert found["lobby", "x"].value == {"total": 3}


async def test_histories_go_with_what_they_count_and_devices_go_alone(
    ports: Ports, instance: str
) -> None:
    old = a_record(a_change(2, started()), commanded=a_command("w1"))
    await ports.devices.commit(instance, 1, [DeviceWrite(None, old)])
    (row,) = (await ports.devices.load(instance, 1, ["d1"])).values()
    new = a_record(commanded=None)
    await ports.devices.commit(instance, 1, [DeviceWrite(row, new, moved_on(old, new))])

    page = await ports.counters.histories(instance, 1)
    await ports.counters.forget(instance, 1, page.items)
    (row,) = (await ports.devices.load(instance, 1, ["d1"])).values()
    await ports.counters.drop(instance, 1, [row])

    assert (await ports.counters.histories(instance, 1)).items == []
    assert await ports.devices.load(instance, 1, ["d1"]) == {}
    rows = await ports.counters.counter_rows(instance, 1)
    assert ("$default", "class") not in rows


async def test_last_report_of_a_bucket_is_kept(ports: Ports, instance: str) -> None:
    report = Recounted(
        bucket=7,
        at="t1",
        devices=3,
        drift=(Drift(group_id="g", class_id="c", cell="total", found=1, counted=2),),
        drifted_at="t1",
    )
    for each in (Recounted(7, "t0", 1), report):
        await ports.recounts.save(instance, each)

    assert await ports.recounts.get(instance, 7) == report
    assert await ports.recounts.get(instance, 8) is None
    assert await ports.recounts.list(instance) == [report]
