"""Lists of devices by filter, and their exports, through REST and the running service."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from pyarrow import parquet

from odu_cli.rest import path
from tests.packages import unique

if TYPE_CHECKING:
    from tests.product import Product

DEVICES = ("management", "devices")


async def listed(product: Product, text: str) -> list[Any]:
    return [item async for item in product.rest.items(path(*DEVICES, filter=text))]


async def test_devices_are_listed_and_exported_by_filter(product: Product) -> None:
    model, group = unique("model"), unique("group")
    async with product.fleet(group, model, count=3):
        await product.seen(group, 3)

        everything = await listed(product, f"groupId eq '{group}'")
        assert len(everything) == 3
        name = str(everything[0]["deviceId"])
        text = f"groupId eq '{group}' and installedUpdate eq null and deploymentStatus eq null"
        assert await listed(product, text) == everything
        assert await listed(product, f"{text} and startswith(deviceId,'{name}')") == [
            item for item in everything if item["deviceId"].startswith(name)
        ]
        assert await listed(product, f"groupId eq '{group}' and state eq 'Stuck'") == []
        assert await listed(product, f"groupId eq '{group}' and failureCode eq '30101001'") == []
        details = await product.rest.get(path(*DEVICES, name))
        assert details["tags"]["ADUGroup"] == group
        assert details["compatProperties"]["model"] == model

        body = {"format": "parquet", "filter": text}
        headers, _ = await product.rest.request("POST", "management/devices:export", body)
        operation = await product.ended(str(headers["Operation-Location"]))

    assert operation["status"] == "Succeeded"
    assert operation["export"] == {**body, "deviceCount": 3}
    found = await product.rest.get(
        path("management", "operations", str(operation["operationId"]), "file")
    )
    async with aiohttp.ClientSession() as session, session.get(found["link"]) as response:
        content = await response.read()
    assert len(content) == found["sizeInBytes"]
    rows = parquet.read_table(io.BytesIO(content)).to_pylist()
    assert [row["deviceId"] for row in rows] == [item["deviceId"] for item in everything]


@pytest.mark.parametrize(
    ("text", "said"),
    [("colour eq 'red'", "'colour'"), ("groupId ne 'x'", "'eq' or 'lt'")],
)
async def test_filter_that_is_none_is_refused_with_the_field(
    product: Product, text: str, said: str
) -> None:
    error = await product.error_of(path(*DEVICES, filter=text))
    assert (error.status, error.error["target"]) == (400, "filter")
    assert said in error.error["message"]

    error = await product.error_of("management/devices:export", "POST", {"filter": text})
    assert (error.status, error.error["target"]) == (400, "/filter")
