"""What the unmodified SDK may delete and rename, and what it is refused."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.iot.hub.models import Twin

from tests.conformance.sdk import Sdk, sdk
from tests.packages import PROVIDER, make_package, unique
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from local.stack.running import Stack
    from tests.packages import Package
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


def _address(package: Package) -> tuple[str, str, str]:
    identity = package.update_id
    return identity["provider"], identity["name"], identity["version"]


def _deployment(group: str, identity: str, package: Package) -> dict[str, Any]:
    return {
        "deploymentId": identity,
        "groupId": group,
        "startDateTime": "2020-01-01T00:00:00Z",
        "update": {"updateId": package.update_id},
    }


async def _tag(product: Product, device_id: str, group: str | None) -> None:
    twin = Twin(tags={"ADUGroup": group})
    await asyncio.to_thread(product.hub().update_twin, device_id, twin)


async def test_deleting_an_update_takes_only_the_content_that_no_other_has(
    product: Product, client: Sdk
) -> None:
    model, shared = unique("model"), unique("content").encode()
    first = make_package(model, files={"shared.bin": shared, "own.bin": unique("own").encode()})
    second = make_package(model, version="2.0", files={"shared.bin": shared})
    await product.publish(first)
    before = set(await product.storage.blobs("content"))
    await product.publish(second)
    with_both = set(await product.storage.blobs("content"))

    assert await client.finish("begin_delete_update", *_address(first)) is None

    after = set(await product.storage.blobs("content"))
    assert with_both == before  # the second brought no content of its own
    assert len(before - after) == 1
    with pytest.raises(ResourceNotFoundError):
        await client.call("get_update", *_address(first))
    assert (await client.call("get_update", *_address(second)))["updateId"]["version"] == "2.0"
    await client.finish("begin_delete_update", *_address(second))
    assert len(after - set(await product.storage.blobs("content"))) == 1


async def test_an_update_can_be_imported_again_after_its_deletion(
    product: Product, client: Sdk
) -> None:
    package = make_package(unique("model"))
    await product.publish(package)
    await client.finish("begin_delete_update", *_address(package))
    await product.publish(package)

    (file_id,) = await client.items("list_files", *_address(package))
    assert (await client.call("get_file", *_address(package), file_id))["sizeInBytes"] > 0


async def test_operation_of_a_deletion_is_readable_and_not_listed_among_imports(
    product: Product, client: Sdk, stack: Stack
) -> None:
    package = make_package(unique("model"))
    await product.publish(package)
    path = f"/deviceUpdate/{stack.instance}/{package.path}?api-version=2022-10-01"
    headers, _ = await product.rest.request("DELETE", path)
    identity = headers["Operation-Location"].partition("?")[0].rpartition("/")[2]

    await product.ended(headers["Operation-Location"])
    operation = await client.call("get_operation_status_of_updates", identity)

    assert operation["status"] == "Succeeded"
    assert operation["update"]["updateId"] == package.update_id
    assert "resourceLocation" not in operation
    listed = await client.items("list_operation_statuses_of_updates")
    assert identity not in {one["operationId"] for one in listed}


async def test_deleting_an_update_is_refused_while_another_refers_to_it(
    product: Product, client: Sdk
) -> None:
    model = unique("model")
    child = make_package(unique("part"), isDeployable=False)
    parent = make_package(
        model,
        files={},
        instructions={"steps": [{"type": "reference", "updateId": child.update_id}]},
    )
    await product.publish(parent, child)
    assert (await client.call("get_update", *_address(child)))["referencedBy"] == [parent.update_id]

    with pytest.raises(ResourceExistsError, match="is part of"):
        await client.call("begin_delete_update", *_address(child))
    await client.finish("begin_delete_update", *_address(parent))

    # it came with its parent and can be nothing but a part
    with pytest.raises(ResourceNotFoundError):
        await client.call("get_update", *_address(child))
    with pytest.raises(ResourceNotFoundError):
        await client.call("begin_delete_update", *_address(child))


async def test_deleting_an_update_is_refused_while_a_deployment_uses_it(
    product: Product, client: Sdk
) -> None:
    group, model, identity = unique("group"), unique("model"), unique("d")
    package, newer = make_package(model), make_package(model, version="2.0")
    async with product.fleet(group, model):
        await product.seen(group, 1)
        await product.publish(package)
        await product.publish(newer)
        class_id = await product.class_of(f"{model}-0")
        await client.call(
            "create_or_update_deployment", group, identity, _deployment(group, identity, package)
        )

        with pytest.raises(ResourceExistsError, match=f"{group}/{identity}"):
            await client.call("begin_delete_update", *_address(package))

        later = unique("d")
        await client.call(
            "create_or_update_deployment",
            group,
            later,
            {**_deployment(group, later, newer), "startDateTime": "2021-01-01T00:00:00Z"},
        )
        await client.finish("begin_delete_update", *_address(package))
        known = await client.call("get_device_class", class_id)
        assert known["bestCompatibleUpdate"]["updateId"] == newer.update_id


async def test_deleting_the_best_update_makes_an_older_one_the_best(
    product: Product, client: Sdk
) -> None:
    group, model = unique("group"), unique("model")
    older, newer = make_package(model), make_package(model, version="2.0")
    async with product.fleet(group, model):
        await product.seen(group, 1)
        await product.publish(older)
        await product.publish(newer)
        class_id = await product.class_of(f"{model}-0")

        await client.finish("begin_delete_update", *_address(newer))

        known = await client.call("get_device_class", class_id)
        assert known["bestCompatibleUpdate"]["updateId"] == older.update_id


async def test_device_class_takes_a_friendly_name(product: Product, client: Sdk) -> None:
    group, model = unique("group"), unique("model")
    async with product.fleet(group, model):
        await product.seen(group, 1)
        class_id = await product.class_of(f"{model}-0")

        answer = await client.call("update_device_class", class_id, {"friendlyName": model})

        assert answer["friendlyName"] == model
        assert answer == await client.call("get_device_class", class_id)
        listed = await client.items("list_device_classes", filter=f"friendlyName eq '{model}'")
        assert [one["deviceClassId"] for one in listed] == [class_id]
        with pytest.raises(HttpResponseError) as refused:
            await client.call("update_device_class", class_id, {"friendlyName": "no blanks"})
        assert refused.value.status_code == 400
    with pytest.raises(ResourceNotFoundError):
        await client.call("update_device_class", "0" * 40, {"friendlyName": "x"})


async def test_group_and_class_go_when_empty_and_come_back_without_history(
    product: Product, client: Sdk
) -> None:
    group, other, model = unique("group"), unique("group"), unique("model")
    device = f"{model}-0"
    async with product.fleet(group, model):
        await product.seen(group, 1)
        class_id = await product.class_of(device)
        with pytest.raises(ResourceExistsError, match="still has devices"):
            await client.call("delete_group", group)
        with pytest.raises(ResourceExistsError, match="still has devices"):
            await client.call("delete_device_class_subgroup", group, class_id)
        with pytest.raises(ResourceExistsError, match=f"still has devices in '{group}'"):
            await client.call("delete_device_class", class_id)
        created = (await client.call("get_group", group))["createdDateTime"]

        await _tag(product, device, other)
        await product.seen(other, 1)
        await product.seen(group, 0)
        assert await client.call("delete_device_class_subgroup", group, class_id) is None
        with pytest.raises(ResourceNotFoundError):
            await client.call("get_device_class_subgroup", group, class_id)
        with pytest.raises(ResourceNotFoundError):
            await client.call("delete_device_class_subgroup", group, class_id)
        assert await client.call("delete_group", group) is None
        for operation in ("get_group", "get_update_compliance_for_group", "delete_group"):
            with pytest.raises(ResourceNotFoundError):
                await client.call(operation, group)
        assert group not in {one["groupId"] for one in await client.items("list_groups")}

        await _tag(product, device, group)
        await product.seen(group, 1)
        again = await client.call("get_group", group)
        assert again["createdDateTime"] > created
        assert (await client.call("get_device_class_subgroup", group, class_id))["deviceCount"] == 1


async def test_class_goes_with_its_last_device_and_comes_back_unnamed(
    product: Product, client: Sdk
) -> None:
    group, model = unique("group"), unique("model")
    async with product.fleet(group, model):
        await product.seen(group, 1)
        class_id = await product.class_of(f"{model}-0")
        await client.call("update_device_class", class_id, {"friendlyName": "short-lived"})
    await asyncio.to_thread(product.hub().delete_device, f"{model}-0")
    await product.seen(group, 0)

    assert await client.call("delete_device_class", class_id) is None

    with pytest.raises(ResourceNotFoundError):
        await client.call("get_device_class", class_id)
    with pytest.raises(ResourceNotFoundError):
        await client.call("delete_device_class", class_id)
    async with product.fleet(group, model, 2):
        await product.seen(group, 2)
        assert "friendlyName" not in await client.call("get_device_class", class_id)


async def test_default_group_and_groups_with_deployments_stay(
    product: Product, client: Sdk
) -> None:
    group, model, identity = unique("group"), unique("model"), unique("d")
    package = make_package(model)
    with pytest.raises(ResourceNotFoundError):
        await client.call("delete_group", unique("group"))
    async with product.fleet(None, unique("model")), product.fleet(group, model):
        await product.seen(group, 1)
        await product.publish(package)
        class_id = await product.class_of(f"{model}-0")
        await client.call(
            "create_or_update_deployment", group, identity, _deployment(group, identity, package)
        )
        await product.until_counts(group, identity, succeeded=1)
        await _tag(product, f"{model}-0", unique("group"))
        await product.seen(group, 0)

        with pytest.raises(ResourceExistsError, match=identity):
            await client.call("delete_group", group)
        with pytest.raises(ResourceExistsError, match=identity):
            await client.call("delete_device_class_subgroup", group, class_id)
        await client.call("delete_deployment", group, identity)
        assert await client.call("delete_group", group) is None

        async def default_exists() -> None:
            assert "$default" in {one["groupId"] for one in await client.items("list_groups")}

        await eventually(default_exists)
        with pytest.raises(ResourceExistsError, match="default group"):
            await client.call("delete_group", "$default")


async def test_deployments_of_a_subgroup_are_listed_and_deleted_for_it_alone(
    product: Product, client: Sdk
) -> None:
    group, model, other_model = unique("group"), unique("model"), unique("model")
    package = make_package(
        model,
        compatibility=[
            {"manufacturer": PROVIDER, "model": model},
            {"manufacturer": PROVIDER, "model": other_model},
        ],
    )
    identity = unique("d")
    async with product.fleet(group, model), product.fleet(group, other_model):
        await product.seen(group, 2)
        await product.publish(package)
        class_id = await product.class_of(f"{model}-0")
        other_id = await product.class_of(f"{other_model}-0")
        await client.call(
            "create_or_update_deployment", group, identity, _deployment(group, identity, package)
        )
        await product.until_counts(group, identity, succeeded=2)
        listing = "list_deployments_for_device_class_subgroup"
        deletion = "delete_deployment_for_device_class_subgroup"
        (listed,) = await client.items(listing, group, class_id, order_by="startDateTime desc")
        assert listed["deviceClassSubgroups"] == [class_id]

        assert await client.call(deletion, group, class_id, identity) is None

        assert await client.items(listing, group, class_id) == []
        assert len(await client.items(listing, group, other_id)) == 1
        status = await client.call("get_deployment_status", group, identity)
        assert [one["deviceClassId"] for one in status["subgroupStatus"]] == [other_id]
        with pytest.raises(ResourceNotFoundError):
            await client.call(deletion, group, class_id, identity)
        with pytest.raises(ResourceNotFoundError):
            await client.items(listing, group, "0" * 40)
        assert await client.call(deletion, group, other_id, identity) is None
        with pytest.raises(ResourceNotFoundError):
            await client.call("get_deployment", group, identity)
