"""The unmodified SDK collects logs from devices and looks at their health."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobServiceClient

from tests.conformance.sdk import Sdk, sdk
from tests.packages import make_package, unique
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from local.stack.running import Stack
    from tests.product import Product

KINDS = [
    pytest.param((False, "2022-10-01"), id="sync 2022-10-01"),
    pytest.param((True, "2026-06-01"), id="async 2026-06-01"),
]
CHECKS = [
    "contract model known",
    "device class known",
    "last deployment not failed",
]


@pytest.fixture(params=KINDS)
async def client(request: pytest.FixtureRequest, stack: Stack) -> AsyncIterator[Sdk]:
    is_async, version = request.param
    async with sdk(stack, is_async=is_async, api_version=version) as made:
        yield made


def _body(*device_ids: str, **members: Any) -> dict[str, Any]:
    return {"deviceList": [{"deviceId": one} for one in device_ids], **members}


def _read(product: Product, name: str) -> bytes:
    connection = product.stack.storage_connection_string
    with BlobServiceClient.from_connection_string(connection) as service:
        return service.get_blob_client("diagnostics", name).download_blob().readall()


async def test_devices_upload_their_logs_and_report_it(
    product: Product, client: Sdk, stack: Stack
) -> None:
    group, model, identity = unique("group"), unique("model"), unique("logs")
    devices = [f"{model}-{number}" for number in range(2)]
    async with product.fleet(group, model, 2):
        await product.seen(group, 2)

        started = await client.call(
            "start_log_collection", identity, _body(*devices, description="why?")
        )
        assert started["operationId"] == identity
        assert started["description"] == "why?"
        assert [one["deviceId"] for one in started["deviceList"]] == devices

        async def succeeded() -> dict[str, Any]:
            found: dict[str, Any] = await client.call("get_log_collection", identity)
            assert found["status"] == "Succeeded", found
            return found

        ended = await eventually(succeeded)

    assert ended["lastActionDateTime"] > ended["createdDateTime"]
    assert ended in await client.items("list_log_collections")
    details = await client.call("get_log_collection_detailed_status", identity)
    assert details["status"] == "Succeeded"
    for device, status in zip(devices, details["deviceStatus"], strict=True):
        assert status["deviceId"] == device
        assert status["status"] == "Succeeded"
        assert status["resultCode"] == "200"
        place = f"{device}/{identity}"
        assert status["logLocation"].endswith(f"/diagnostics/{place}")
        names = await product.storage.blobs("diagnostics", place)
        assert names == [f"{place}/agent/agent.log"]
        content = await asyncio.to_thread(_read, product, names[0])
        assert content.decode().startswith(f"{device}: ")
    files = [
        item
        async for item in product.rest.items(
            f"management/deviceDiagnostics/logCollections/{identity}/files"
        )
    ]
    assert [(item["deviceId"], item["fileName"]) for item in files] == [
        (device, "agent/agent.log") for device in devices
    ]
    async with aiohttp.ClientSession() as session, session.get(files[0]["link"]) as response:
        assert response.status == 200
        assert (await response.text()).startswith(f"{devices[0]}: ")
    stored = [str(row) for row in await product.storage.rows("LogCollections")]
    assert stored
    assert not any("sig=" in row for row in stored)
    assert not any(
        "diagnosticInformation" in str(row) or "sig=" in str(row)
        for row in await product.storage.rows("Devices")
    )


async def test_starting_a_collection_again_changes_nothing(product: Product, client: Sdk) -> None:
    group, model, identity = unique("group"), unique("model"), unique("logs")
    async with product.fleet(group, model, 2):
        await product.seen(group, 2)
        first = await client.call("start_log_collection", identity, _body(f"{model}-0"))
        again = await client.call("start_log_collection", identity, _body(f"{model}-0"))
        assert again["createdDateTime"] == first["createdDateTime"]

        with pytest.raises(ResourceExistsError, match="use another id"):
            await client.call("start_log_collection", identity, _body(f"{model}-1"))


async def test_collections_of_unknown_devices_and_unfit_ids_are_refused(client: Sdk) -> None:
    with pytest.raises(ResourceNotFoundError):
        await client.call("start_log_collection", unique("logs"), _body(unique("nobody")))
    for identity, body in (
        ("a/b", _body("d")),
        ("..", _body("d")),
        ("é'%", _body("d")),
        (unique("logs"), _body()),
        (unique("logs"), _body("d", "d")),
        (unique("logs"), _body("d", operationId="another")),
    ):
        with pytest.raises(HttpResponseError) as refused:
            await client.call("start_log_collection", identity, body)
        assert refused.value.status_code in (400, 404), (identity, body)
    for operation in ("get_log_collection", "get_log_collection_detailed_status"):
        with pytest.raises(ResourceNotFoundError):
            await client.call(operation, unique("logs"))


async def _health(client: Sdk, device_id: str) -> dict[str, Any]:
    found = await client.items("list_health_of_devices", filter=f"deviceId eq '{device_id}'")
    assert len(found) == 1, found
    health: dict[str, Any] = found[0]
    return health


async def test_health_says_what_is_wrong_with_a_device(product: Product, client: Sdk) -> None:
    group, model, identity = unique("group"), unique("model"), unique("d")
    device, package = f"{model}-0", make_package(model)
    failing = {"install": {"resultCode": 0, "extendedResultCode": 1}}
    async with product.fleet(group, model) as fleet:
        await product.seen(group, 1)
        health = await _health(client, device)
        assert health["state"] == "healthy"
        assert [one["name"] for one in health["healthChecks"]] == CHECKS
        assert health["digitalTwinModelId"] == "dtmi:azure:iot:deviceUpdateModel;3"
        fleet.simulate(device, failing)
        await product.publish(package)
        await product.rest.deploy(group, package.update_id, identity)
        await product.until_counts(group, identity, failed=1)

        health = await _health(client, device)
        assert health["state"] == "unhealthy"
        results = {one["name"]: one["result"] for one in health["healthChecks"]}
        assert results == {**dict.fromkeys(CHECKS, "success"), CHECKS[-1]: "userError"}
    found = await client.items("list_health_of_devices", filter="state eq 'unhealthy'")
    assert all(one["state"] == "unhealthy" for one in found)
    assert [one for one in found if one["deviceId"] == device] == [health]


async def test_health_needs_a_filter_that_it_knows(client: Sdk) -> None:
    for text in ("state eq 'healthy'", "moduleId eq 'm'", "model eq 'x'", ""):
        with pytest.raises(HttpResponseError) as refused:
            await client.items("list_health_of_devices", filter=text)
        assert refused.value.status_code == 400, text
    unknown = f"deviceId eq '{unique('nobody')}' and moduleId eq 'm'"
    assert await client.items("list_health_of_devices", filter=unknown) == []
