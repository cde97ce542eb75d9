"""The unmodified SDK has the registry read again, after events were lost."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceNotFoundError,
    ResourceNotModifiedError,
)
from azure.data.tables import TableServiceClient

from tests.conformance.sdk import Sdk, sdk
from tests.packages import unique

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from local.stack.running import Stack
    from tests.product import Product

KINDS = [
    pytest.param((False, "2022-10-01"), id="sync 2022-10-01"),
    pytest.param((True, "2026-06-01"), id="async 2026-06-01"),
]


@pytest.fixture(params=KINDS)
async def client(request: pytest.FixtureRequest, stack: Stack) -> AsyncIterator[Sdk]:
    is_async, version = request.param
    async with sdk(stack, is_async=is_async, api_version=version) as made:
        yield made


def _forget(product: Product, device_id: str) -> None:
    """Lose what the service knows of a device, as if none of its events had arrived."""
    with TableServiceClient.from_connection_string(
        product.stack.storage_connection_string
    ) as service:
        table = service.get_table_client("Devices")
        for row in list(table.list_entities()):
            if row["RowKey"] == f"d.{device_id}":
                table.delete_entity(row)


async def _exists(client: Sdk, device_id: str) -> bool:
    try:
        return bool(await client.call("get_device", device_id))
    except ResourceNotFoundError:
        return False


@pytest.mark.parametrize("kind", ["Devices", "All"])
async def test_import_brings_in_devices_whose_events_were_lost(
    product: Product, client: Sdk, kind: str
) -> None:
    group, model = unique("group"), unique("model")
    async with product.fleet(group, model, 3):
        await product.seen(group, 3)
    lost = f"{model}-1"
    await asyncio.to_thread(_forget, product, lost)
    assert not await _exists(client, lost)

    assert await client.finish("begin_import_devices", kind) is None

    assert (await client.call("get_device", lost))["groupId"] == group


async def test_import_removes_devices_whose_deletion_was_lost(
    product: Product, client: Sdk
) -> None:
    group, model = unique("group"), unique("model")
    async with product.fleet(group, model, 2):
        await product.seen(group, 2)
    rows = [row for row in await product.storage.rows("Devices") if row["RowKey"] == f"d.{model}-0"]
    await asyncio.to_thread(product.hub().delete_device, f"{model}-0")
    await product.seen(group, 1)
    await asyncio.to_thread(_restore, product, rows)
    assert await _exists(client, f"{model}-0")

    await client.finish("begin_import_devices", "Devices")

    assert not await _exists(client, f"{model}-0")
    assert await _exists(client, f"{model}-1")


def _restore(product: Product, rows: list[object]) -> None:
    with TableServiceClient.from_connection_string(
        product.stack.storage_connection_string
    ) as service:
        for row in rows:
            service.get_table_client("Devices").upsert_entity(row)


async def test_operation_of_an_import_is_read_and_listed_apart_from_those_of_updates(
    product: Product, client: Sdk, stack: Stack
) -> None:
    path = f"/deviceUpdate/{stack.instance}/management/devices:import?api-version=2022-10-01"
    headers, _ = await product.rest.request("POST", path, "Modules")
    location = headers["Operation-Location"]
    assert location.startswith(f"/deviceUpdate/{stack.instance}/management/operations/")
    await product.ended(location)
    identity = location.partition("?")[0].rpartition("/")[2]

    operation = await client.call("get_operation_status", identity)

    assert operation["status"] == "Succeeded"
    assert "update" not in operation
    listed = await client.items("list_operation_statuses")
    assert operation in listed
    running = "status eq 'NotStarted' or status eq 'Running'"
    open_ones = await client.items("list_operation_statuses", filter=running)
    assert identity not in {one["operationId"] for one in open_ones}
    assert identity not in {
        one["operationId"] for one in await client.items("list_operation_statuses_of_updates")
    }
    with pytest.raises(ResourceNotModifiedError):
        await client.call(
            "get_operation_status",
            identity,
            etag=operation["etag"],
            match_condition=MatchConditions.IfModified,
        )
    with pytest.raises(ResourceNotFoundError):
        await client.call("get_operation_status_of_updates", identity)


async def test_import_of_an_unknown_kind_is_refused(client: Sdk) -> None:
    with pytest.raises(HttpResponseError) as refused:
        await client.call("begin_import_devices", "Gadgets")
    assert refused.value.status_code == 400
    with pytest.raises(ResourceNotFoundError):
        await client.call("get_operation_status", "none")
