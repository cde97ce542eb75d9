"""Lists by time over tables: updates by their import, log collections by their begin."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from shared.adapters.table import Table, key, pack
from shared.adapters.table_log_collections import TableLogCollections
from shared.adapters.table_updates import TableUpdates
from shared.domain.fleet.log_collection import DeviceLog, LogCollection
from shared.domain.updates.update import Recall
from shared.domain.updates.update_filter import UpdateFilter
from shared.domain.updates.update_id import UpdateId
from shared.services.devices.log_collections import CollectLogs
from shared.services.updates.lists import UpdateLists
from tests.builders.deployments import an_update
from tests.fakes.clock import FixedClock

if TYPE_CHECKING:
    from shared.adapters.storage import StorageAccounts


async def test_updates_are_listed_by_their_import_with_a_filter(
    accounts: StorageAccounts, instance: str
) -> None:
    table = Table(accounts, "Updates")
    updates = TableUpdates(table)
    days = {"1.0": 3, "1.1": 1, "2.0": 2, "2.1": 4}
    for version, day in days.items():
        item = an_update(UpdateId("acme", "kiosk", version), imported_at=f"2024-05-0{day}")
        if version == "2.0":
            item = replace(item, recall=Recall("bricks", "t"))
        await updates.add(instance, item)
    old = an_update(UpdateId("zeta", "kiosk", "1.0"), imported_at="2024-04-01")
    await table.insert(  # as release 0.1 wrote it
        key(instance, "zeta", "kiosk"),
        "0000000001.0000000000",
        {"isDeployable": True, **pack(old)},
    )
    lists = UpdateLists(updates)

    async def listed(wanted: UpdateFilter, *, is_newest_first: bool) -> list[str]:
        found: list[str] = []
        token: str | None = None
        while True:
            page = await lists.page(
                instance, wanted, is_newest_first=is_newest_first, token=token, size=2
            )
            found += [str(each.value.update_id) for each in page.items]
            if (token := page.token) is None:
                return found

    everything = await listed(UpdateFilter(), is_newest_first=True)
    assert [name.split("/", 1)[1] for name in everything] == [
        f"kiosk/{version}" for version in ("2.1", "1.0", "2.0", "1.1", "1.0")
    ]
    assert await listed(UpdateFilter(), is_newest_first=False) == everything[::-1]
    assert await listed(UpdateFilter(provider="zeta"), is_newest_first=True) == everything[-1:]
    assert await listed(UpdateFilter(is_recalled=True), is_newest_first=True) == [everything[2]]
    plain = await lists.page(
        instance, UpdateFilter(name="kiosk", is_deployable=False), token=None, size=9
    )
    assert [str(each.value.update_id) for each in plain.items] == [everything[2]]


async def test_log_collections_are_listed_by_their_begin(
    accounts: StorageAccounts, instance: str
) -> None:
    collections = TableLogCollections(Table(accounts, "LogCollections"))
    for identity, day in (("a", 2), ("b", 3), ("c", 1)):
        at = f"2024-05-0{day}T00:00:00.000000+00:00"
        await collections.add(
            instance,
            LogCollection(
                collection_id=identity,
                created_at=at,
                changed_at=at,
                expires_at=at,
                devices=(DeviceLog("d1"), DeviceLog("d2")),
            ),
        )
    unused: Any = None
    service = CollectLogs(
        collections=collections,
        devices=unused,
        hub=unused,
        blobs=unused,
        queues=unused,
        clock=FixedClock(),
        pacer=unused,
        containers={},
    )

    first = await service.page(instance, is_newest_first=True, token=None, size=2)
    second = await service.page(instance, is_newest_first=True, token=first.token, size=2)

    assert [each.collection_id for each in (*first.items, *second.items)] == ["b", "a", "c"]
    assert second.token is None
    by_id = await service.page(instance, is_newest_first=None, token=None, size=9)
    assert [each.collection_id for each in by_id.items] == ["a", "b", "c"]
