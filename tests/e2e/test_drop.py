"""Updates that are laid into the drop container in the wrong order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from azure.storage.blob.aio import ContainerClient

from local.stack.parts import INSTANCE
from odu_cli.blob_drop import drop, read_status
from tests.packages import Package, inline_step, make_package, unique
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.product import Product


@pytest.fixture
async def container(product: Product) -> AsyncIterator[ContainerClient]:
    stack = product.stack
    async with ContainerClient.from_connection_string(
        stack.storage_connection_string, stack.import_drop_container
    ) as client:
        yield client


async def dropped(container: ContainerClient, package: Package) -> str:
    """The name of its status blob."""
    folder = f"{INSTANCE}/{unique('drop')}"
    return await drop(container, folder, "it", package.manifest, package.files)


async def status_of(container: ContainerClient, name: str, **expected: Any) -> dict[str, Any]:
    async def look() -> dict[str, Any]:
        status = await read_status(container, name)
        assert status is not None
        assert {**status, **expected} == status
        return status

    return await eventually(look)


async def test_drop_into_a_folder_of_no_instance_is_refused_where_there_are_several(
    product: Product, container: ContainerClient
) -> None:
    package = make_package(unique("model"))

    name = await drop(container, unique("drop"), "it", package.manifest, package.files)

    status = await status_of(container, name, status="Failed")
    assert status["error"]["code"] == "InstanceNotNamed"
    assert (await product.error_of(package.path)).status == 404


async def test_parent_that_is_dropped_before_its_child_waits_for_it(
    product: Product, container: ContainerClient
) -> None:
    child = make_package(unique("part"), isDeployable=False)
    steps = [
        {"type": "reference", "updateId": child.update_id},
        inline_step("install.sh", criteria="1"),
    ]
    parent = make_package(unique("model"), instructions={"steps": steps})

    name = await dropped(container, parent)

    await status_of(container, name, status="Running", missingUpdates=[child.update_id])
    child_name = await dropped(container, child)
    await status_of(container, child_name, status="Succeeded", update=child.update_id)
    await status_of(container, name, status="Succeeded", update=parent.update_id, missingUpdates=[])
    assert (await product.rest.get(child.path))["referencedBy"] == [parent.update_id]
