"""The unmodified public SDK, sync and async, drives the service over TLS."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
    ResourceNotModifiedError,
)

from tests.conformance.sdk import VERSIONS, Sdk, deployment, sdk
from tests.packages import MANUFACTURER, PROVIDER, make_package, sha256, unique
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from local.stack.running import Stack
    from tests.packages import Package
    from tests.product import Product

KINDS = [
    pytest.param((is_async, version), id=f"{'async' if is_async else 'sync'} {version}")
    for is_async in (False, True)
    for version in VERSIONS
]
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00")


@pytest.fixture(params=KINDS)
async def client(request: pytest.FixtureRequest, stack: Stack) -> AsyncIterator[Sdk]:
    is_async, version = request.param
    async with sdk(stack, is_async=is_async, api_version=version) as made:
        yield made


acting = pytest.mark.parametrize(
    ("client", "product"),
    [
        pytest.param((False, VERSIONS[0]), "odu", id="sync"),
        pytest.param((True, VERSIONS[-1]), "odu", id="async"),
        pytest.param((False, VERSIONS[-1]), "c", id="C agent"),
    ],
    indirect=True,
)
"""With devices that act: of both kinds of agents."""
either = pytest.mark.parametrize("client", [KINDS[0], KINDS[-1]], indirect=True)
"""Once sync and once async, for what takes long; with one version each."""


def address(package: Package) -> tuple[str, str, str]:
    identity = package.update_id
    return identity["provider"], identity["name"], identity["version"]


# Updates.


async def test_sdk_imports_and_reads_everything_back(client: Sdk, product: Product) -> None:
    content = b"#!/bin/sh\necho " + unique("file").encode()
    package = make_package(unique("model"), files={"run.sh": content}, description="What it is for")
    where = address(package)
    item = product.sources.offer(package) | {"friendlyName": "A friendly name"}

    assert await client.finish("begin_import_update", [item]) is None

    update = await client.call("get_update", *where)
    assert update["updateId"] == package.update_id
    assert update["description"] == "What it is for"
    assert update["friendlyName"] == "A friendly name"
    assert update["isDeployable"] is True
    assert update["compatibility"] == package.document["compatibility"]
    assert update["instructions"] == package.document["instructions"]
    assert update["manifestVersion"] == "5.0"
    assert update["createdDateTime"] == package.document["createdDateTime"]
    assert update["scanResult"] == "Success"
    assert TIME.fullmatch(update["importedDateTime"])

    found = [one for one in await client.items("list_updates") if one == update]
    assert found == [update]
    assert PROVIDER in await client.items("list_providers")
    assert where[1] in await client.items("list_names", PROVIDER)
    assert await client.items("list_versions", *where[:2]) == ["1.0"]
    (file_id,) = await client.items("list_files", *where)
    file = await client.call("get_file", *where, file_id)
    assert file["fileId"] == file_id
    assert file["fileName"] == "run.sh"
    assert file["sizeInBytes"] == len(content)
    assert file["hashes"] == {"sha256": sha256(content)}


async def test_sdk_reads_the_operation_of_an_import(client: Sdk, product: Product) -> None:
    package = make_package(unique("model"))
    await client.finish("begin_import_update", [product.sources.offer(package)])

    listed = await client.items("list_operation_statuses_of_updates")
    info = {"updateId": package.update_id}
    (one,) = [item for item in listed if item.get("update") == info]
    operation = await client.call("get_operation_status_of_updates", one["operationId"])

    assert operation == one
    assert operation["status"] == "Succeeded"
    assert operation["resourceLocation"].startswith("/deviceUpdate/")
    assert re.fullmatch("[0-9a-f]{32}", operation["traceId"])
    assert TIME.fullmatch(operation["createdDateTime"])
    assert TIME.fullmatch(operation["lastActionDateTime"])


async def test_sdk_gets_304_for_what_it_has_already(client: Sdk, product: Product) -> None:
    package = make_package(unique("model"))
    ended = await product.publish(package)
    where = address(package)
    (file_id,) = await client.items("list_files", *where)
    reads = (
        ("get_update", where),
        ("get_file", (*where, file_id)),
        ("get_operation_status_of_updates", (ended["operationId"],)),
    )

    for operation, arguments in reads:
        etag = (await client.call(operation, *arguments))["etag"]
        assert re.fullmatch('"[^"]+"', etag)
        with pytest.raises(ResourceNotModifiedError):
            await client.call(
                operation,
                *arguments,
                etag=etag.strip('"'),
                match_condition=MatchConditions.IfModified,
            )
        assert await client.call(
            operation, *arguments, etag="other", match_condition=MatchConditions.IfModified
        )


async def test_sdk_raises_the_error_of_the_operation_when_an_import_fails(
    client: Sdk, product: Product
) -> None:
    package = make_package(unique("model"))
    item = product.sources.offer_bytes(package.manifest, {"install.sh": b"other"})

    with pytest.raises(HttpResponseError) as raised:
        await client.finish("begin_import_update", [item])

    error = raised.value.error
    assert error.code == "CannotProcessUpdateFile"
    assert "install.sh" in error.message
    assert error.innererror["code"] == "SizeMismatch"


async def test_sdk_imports_a_parent_with_the_child_it_refers_to(
    client: Sdk, product: Product
) -> None:
    model = unique("model")
    child = make_package(unique("part"), isDeployable=False)
    step = {"type": "reference", "updateId": child.update_id}
    parent = make_package(model, instructions={"steps": [step]}, files=None)
    parent.document["files"] = []
    parent.files.clear()

    await client.finish(
        "begin_import_update", [product.sources.offer(parent), product.sources.offer(child)]
    )

    update = await client.call("get_update", *address(parent))
    assert update["instructions"]["steps"] == [step]
    assert (await client.call("get_update", *address(child)))["isDeployable"] is False


# Devices and deployments.


@either
async def test_sdk_reads_devices_classes_and_groups(client: Sdk, product: Product) -> None:
    group, model = unique("group"), unique("model")
    package = make_package(model)
    await product.publish(package)
    async with product.fleet(group, model, 2):
        await product.seen(group, 2)

        device = await client.call("get_device", f"{model}-0")
        class_id = device["deviceClassId"]
        assert device["deviceId"] == f"{model}-0"
        assert device["groupId"] == group
        assert device["onLatestUpdate"] is False
        assert "installedUpdate" not in device

        async def best_is_known() -> dict[str, Any]:
            known: dict[str, Any] = await client.call("get_device_class", class_id)
            assert known["bestCompatibleUpdate"]["updateId"] == package.update_id
            return known

        device_class = await eventually(best_is_known)
        assert device_class["deviceClassId"] == class_id
        assert device_class["deviceClassProperties"]["compatProperties"] == {
            "manufacturer": MANUFACTURER,
            "model": model,
        }
        assert class_id in [
            one["deviceClassId"] for one in await client.items("list_device_classes")
        ]
        (installable,) = await client.items("list_installable_updates_for_device_class", class_id)
        assert installable["updateId"] == package.update_id

        assert group in [one["groupId"] for one in await client.items("list_groups")]
        found = await client.call("get_group", group)
        assert (found["groupType"], found["deviceCount"]) == ("IoTHubTag", 2)
        assert found["deployments"] == []

        compliance = await client.call("get_update_compliance_for_group", group)
        assert datetime.fromisoformat(compliance.pop("countedDateTime")) <= datetime.now(UTC)
        assert compliance == {
            "totalDeviceCount": 2,
            "onLatestUpdateDeviceCount": 0,
            "newUpdatesAvailableDeviceCount": 2,
            "updatesInProgressDeviceCount": 0,
        }
        assert (await client.call("get_update_compliance"))["totalDeviceCount"] >= 2

        (subgroup,) = await client.items("list_device_class_subgroups_for_group", group)
        assert (subgroup["deviceClassId"], subgroup["deviceCount"]) == (class_id, 2)
        assert await client.call("get_device_class_subgroup", group, class_id) == subgroup
        of_class = await client.call("get_device_class_subgroup_update_compliance", group, class_id)
        assert of_class == {"countedDateTime": of_class["countedDateTime"], **compliance}
        (best,) = await client.items("list_best_updates_for_group", group)
        assert best["update"]["updateId"] == package.update_id
        assert best["deviceCount"] == 2
        assert (
            await client.call("get_best_updates_for_device_class_subgroup", group, class_id) == best
        )


@acting
async def test_sdk_deploys_watches_and_deletes(client: Sdk, product: Product) -> None:
    group, model, identity = unique("group"), unique("model"), unique("deployment")
    package = make_package(model)
    await product.publish(package)
    async with product.fleet(group, model, 2):
        await product.seen(group, 2)
        class_id = await product.class_of(f"{model}-0")

        made = await client.call(
            "create_or_update_deployment", group, identity, deployment(group, identity, package)
        )
        assert made["deviceClassSubgroups"] == [class_id]
        assert made["update"]["updateId"] == package.update_id
        assert {"isCanceled", "isRetried"}.isdisjoint(made)
        assert await client.call("get_deployment", group, identity) == made
        assert await client.items("list_deployments_for_group", group) == [made]
        await product.until_counts(group, identity, succeeded=2)

        status = await client.call("get_deployment_status", group, identity)
        assert (status["groupId"], status["deploymentState"]) == (group, "Active")
        (subgroup,) = status["subgroupStatus"]
        assert subgroup == {
            "groupId": group,
            "deviceClassId": class_id,
            "deploymentState": "Active",
            "totalDevices": 2,
            "devicesInProgressCount": 0,
            "devicesCompletedFailedCount": 0,
            "devicesCompletedSucceededCount": 2,
            "devicesCanceledCount": 0,
        }
        where = (group, class_id, identity)
        assert await client.call("get_device_class_subgroup_deployment_status", *where) == subgroup
        states = await client.items(
            "list_device_states_for_device_class_subgroup_deployment", *where
        )
        assert sorted((one["deviceId"], one["deviceState"]) for one in states) == [
            (f"{model}-0", "Succeeded"),
            (f"{model}-1", "Succeeded"),
        ]
        device = await client.call("get_device", f"{model}-0")
        assert device["installedUpdate"]["updateId"] == package.update_id
        assert device["lastDeploymentId"] == identity
        assert device["deploymentStatus"] == "Succeeded"
        assert device["onLatestUpdate"] is True
        assert device["lastInstallResult"]["resultCode"] == 700

        assert await client.call("delete_deployment", group, identity) is None
        with pytest.raises(ResourceNotFoundError):
            await client.call("get_deployment", group, identity)


@acting
async def test_sdk_cancels_what_devices_are_working_on(client: Sdk, product: Product) -> None:
    group, model, identity = unique("group"), unique("model"), unique("deployment")
    package = make_package(model)
    await product.publish(package)
    slow = {"install": 300}
    async with product.fleet(group, model, 1, delaySeconds=slow) as fleet:
        await product.seen(group, 1)
        class_id = await product.class_of(f"{model}-0")
        await product.rest.deploy(group, package.update_id, identity)
        await product.until_counts(group, identity, in_progress=1)

        cancelled = await client.call("stop_deployment", group, class_id, identity)

        assert cancelled["isCanceled"] is True
        if product.agent == "c":  # a step that runs is not ended, and what it did is not told
            await product.cancel_is_heard(f"{model}-0")
            assert await product.counts(group, identity) == {"in progress": 1}
            fleet.simulate(f"{model}-0", {})
        await product.until_counts(group, identity, canceled=1)
        status = await client.call("get_deployment_status", group, identity)
        assert status["deploymentState"] == "Canceled"
        with pytest.raises(ResourceExistsError):
            await client.call("retry_deployment", group, class_id, identity)


@acting
async def test_sdk_retries_what_failed_on_devices(client: Sdk, product: Product) -> None:
    group, model, identity = unique("group"), unique("model"), unique("deployment")
    package = make_package(model)
    await product.publish(package)
    async with product.fleet(group, model, 1, install={"resultCode": 0}) as fleet:
        await product.seen(group, 1)
        class_id = await product.class_of(f"{model}-0")
        await product.rest.deploy(group, package.update_id, identity)
        await product.until_counts(group, identity, failed=1)
        status = await client.call("get_deployment_status", group, identity)
        assert status["deploymentState"] == "ActiveWithSubgroupFailures"
        fleet.simulate(f"{model}-0", {})

        retried = await client.call("retry_deployment", group, class_id, identity)

        assert retried["isRetried"] is True
        await product.until_counts(group, identity, succeeded=1)


# Refusals, as the SDK's exceptions.


async def test_sdk_raises_not_found_when_things_do_not_exist(client: Sdk) -> None:
    for operation, arguments in (
        ("get_update", (PROVIDER, unique("absent"), "1.0")),
        ("get_operation_status_of_updates", (unique("absent"),)),
        ("get_device", (unique("absent"),)),
        ("get_device_class", ("0" * 40,)),
        ("get_group", (unique("absent"),)),
        ("get_update_compliance_for_group", (unique("absent"),)),
        ("get_deployment", (unique("absent"), "d")),
        ("delete_deployment", (unique("absent"), "d")),
    ):
        with pytest.raises(ResourceNotFoundError) as raised:
            await client.call(operation, *arguments)
        assert raised.value.error.code == "NotFound", operation


@either
async def test_sdk_raises_exists_error_when_a_deployment_id_is_taken(
    client: Sdk, product: Product
) -> None:
    group, model, identity = unique("group"), unique("model"), unique("deployment")
    first, second = make_package(model), make_package(model, version="2.0")
    await product.publish(first)
    await product.publish(second)
    async with product.fleet(group, model, 1):
        await product.seen(group, 1)
        await product.rest.deploy(group, first.update_id, identity)

        with pytest.raises(ResourceExistsError) as raised:
            await client.call(
                "create_or_update_deployment", group, identity, deployment(group, identity, second)
            )

    assert raised.value.error.target == "/update/updateId"
    kept = await client.call("get_deployment", group, identity)
    assert kept["update"]["updateId"] == first.update_id
