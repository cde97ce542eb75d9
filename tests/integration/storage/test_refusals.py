"""Refusals that storage decides and those that it counts, in memory and in Table Storage."""

from __future__ import annotations

import asyncio

import pytest

from shared.adapters.storage import StorageAccounts
from shared.adapters.table import MAX_KEY
from shared.adapters.table_device_rows import listed_key
from shared.domain.errors import InvalidInput
from shared.domain.fleet.device import DeviceRecord
from shared.domain.refused_events import Refusal
from shared.ports import DeviceWrite
from shared.services.retrying import retry_on_conflict
from tests.integration.storage.conftest import Ports, tables_of
from tests.unit.domain.builders import a_change, a_record, started


async def test_counts_add_up_among_processes(ports: Ports, instance: str) -> None:
    known = {item.reason: item.count for item in await ports.refusals.list()}

    await asyncio.gather(
        *(
            retry_on_conflict(
                lambda: ports.refusals.add({Refusal.FOREIGN: 2, Refusal.MALFORMED: 1}, "t1")
            )
            for _ in range(3)
        )
    )

    found = {item.reason: item for item in await ports.refusals.list()}
    assert found[Refusal.FOREIGN].count == known.get(Refusal.FOREIGN, 0) + 6
    assert found[Refusal.MALFORMED].count == known.get(Refusal.MALFORMED, 0) + 3
    assert found[Refusal.FOREIGN].last_at == "t1"
    assert await ports.recounts.list(instance) == []


async def test_a_device_that_no_row_can_hold_is_named_and_nothing_is_written(
    ports: Ports, instance: str
) -> None:
    fits = a_record(a_change(2, started()))
    large = DeviceRecord("d2", registers={"x" * 500_000: (1, None)})

    writes = [DeviceWrite(None, fits), DeviceWrite(None, large)]
    with pytest.raises(InvalidInput) as raised:
        await ports.devices.commit(instance, 1, writes)

    assert raised.value.target == "d2"
    assert await ports.devices.load(instance, 1, ["d1", "d2"]) == {}


async def test_names_fill_a_key_to_its_last_character_and_no_further(
    accounts: StorageAccounts, instance: str
) -> None:
    devices = tables_of(accounts).devices
    group = "é" * 50

    def of_length(length: int) -> DeviceRecord:
        names = {"device_id": "d" * 128, "module_id": "m" * length}
        return a_record(a_change(2, started(), **names, group=group))

    longest = MAX_KEY - len(listed_key(group, "d" * 128 + "/"))
    await devices.commit(instance, 1, [DeviceWrite(None, of_length(longest))])

    with pytest.raises(InvalidInput) as raised:
        await devices.commit(instance, 1, [DeviceWrite(None, of_length(longest + 1))])
    assert raised.value.target == of_length(longest + 1).key
    assert list(await devices.load(instance, 1, [of_length(longest).key]))
