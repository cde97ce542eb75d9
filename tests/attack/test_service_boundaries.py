"""Attacks through the REST API and through what is imported."""

from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from local.rest import Rest
from odu_cli.rest import RestError
from tests.packages import make_package, unique

if TYPE_CHECKING:
    from local.stack.running import Stack
    from tests.product import Product


async def test_a01_best_update_stays_the_newest_when_an_older_one_is_imported_later(
    product: Product,
) -> None:
    group, model, name = unique("group"), unique("model"), unique("update")
    await product.publish(make_package(model, name=name, version="2.0"))
    async with product.fleet(group, model):
        await product.seen(group, 1)
        await product.publish(make_package(model, name=name, version="1.9"))
        class_id = await product.class_of(f"{model}-0")

        async def look() -> None:
            known = await product.rest.get(f"management/deviceClasses/{class_id}")
            assert known["bestCompatibleUpdate"]["updateId"]["version"] == "2.0"

        await product.eventually(look)


async def test_a07_deployment_is_refused_when_no_class_of_the_group_fits(
    product: Product,
) -> None:
    group, fridge = unique("fridges"), unique("fridge")
    package = make_package(unique("toaster"))
    await product.publish(package)
    async with product.fleet(group, fridge):
        await product.seen(group, 1)

        with pytest.raises(RestError) as raised:
            await product.rest.deploy(group, package.update_id, "toast-the-fridge")

        assert raised.value.status == 400
        assert raised.value.error["target"] == "/update"
        deployments = await product.rest.get(f"management/groups/{group}/deployments")
        assert deployments["value"] == []
        twin = await product.twin(f"{fridge}-0")
        assert "deviceUpdate" not in twin.properties.desired


async def test_a10_import_refuses_every_odd_file_name(product: Product) -> None:
    odd = [
        ["../up", "/etc/passwd", "a/b", "a\\b", "nul\x00", "CON", "com1.txt", "dot.", "..", "."],
        [
            "-rf",
            "a\nb",
            "gpj\u202e.exe",
            "a:b",
            "*",
            "%2e%2e%2f",
            " lead",
            "trail ",
            "$(id)",
            "~\t",
        ],
    ]
    for names in odd:
        package = make_package(unique("model"), files=dict.fromkeys(names, b"content"))

        ended = await product.import_items(product.sources.offer_bytes(package.manifest, {}))

        assert ended["status"] == "Failed"
        targets = {detail["target"] for detail in ended["error"]["details"]}
        assert targets >= {f"/files/{number}/filename" for number in range(len(names))}


async def test_a11_import_refuses_a_decompression_bomb(product: Product) -> None:
    bomb = gzip.compress(bytes(100 << 20))
    package = make_package(unique("model"), files={"image.gz": bomb})

    ended = await product.import_items(product.sources.offer(package))

    assert ended["status"] == "Failed"
    assert ended["error"]["target"] == "image.gz"
    assert ended["error"]["innererror"]["code"] == "SourceFileUnscannable"
    assert (await product.error_of(package.path)).status == 404


READ_UPDATES = ("GET", "updates")
WRITE_UPDATES = ("POST", "updates:import")
READ_DEVICES = ("GET", "management/groups")
WRITE_DEVICES = ("PUT", "management/groups/none/deployments/none")
DELETE_DEVICES = ("DELETE", "management/groups/none/deployments/none")
EVERYTHING = {READ_UPDATES, WRITE_UPDATES, READ_DEVICES, WRITE_DEVICES, DELETE_DEVICES}
ALLOWED = {
    "Administrator": EVERYTHING,
    "Reader": {READ_UPDATES, READ_DEVICES},
    "Content Administrator": {READ_UPDATES, WRITE_UPDATES},
    "Content Reader": {READ_UPDATES},
    "Deployments Administrator": {READ_UPDATES, READ_DEVICES, WRITE_DEVICES, DELETE_DEVICES},
    "Deployments Reader": {READ_UPDATES, READ_DEVICES},
}


@pytest.mark.parametrize("role", ALLOWED)
async def test_a14_role_may_do_what_it_is_for_and_nothing_else(stack: Stack, role: str) -> None:
    async with Rest(stack, role) as rest:
        for method, path in EVERYTHING:
            try:
                await rest.request(method, path, [] if method in ("POST", "PUT") else None)
                status = 200
            except RestError as error:
                status = error.status
            is_allowed = (method, path) in ALLOWED[role]
            assert (status != 403) is is_allowed, (method, path, status)


async def test_a15_role_on_another_instance_opens_nothing(product: Product) -> None:
    package = make_package(unique("model"))
    ended = await product.publish(package)
    foreign = product.stack.token("Administrator", instance="other")
    import ssl

    import aiohttp

    context = ssl.create_default_context(cafile=product.stack.ca_file)
    paths = (package.path, f"updates/operations/{ended['operationId']}", "management/groups")
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context),
        headers={"Authorization": f"Bearer {foreign}"},
    ) as session:
        for instance, expected in ((product.stack.instance, 403), ("other", 404)):
            for path in paths:
                url = f"{product.stack.endpoint}/deviceUpdate/{instance}/{path}"
                async with session.get(url, params={"api-version": "2022-10-01"}) as response:
                    body = await response.text()
                    assert response.status == expected, (path, body)
                    assert package.update_id["name"] not in body


FILTERS = [
    "groupId eq 'x' or 1 eq 1",
    "groupId eq 'x' or groupId ne ''",
    "groupId eq 'x'; drop table Devices",
    "groupId eq 'x' and PartitionKey ge ''",
    "groupId eq \u2019x\u2019",
    "groupId eq 'x",
    "groupId eq x",
    "not (groupId eq 'x')",
    "(" * 500 + "groupId eq 'x'" + ")" * 500,
    "groupId eq '" + "x" * 100_000 + "'",
    "deploymentStatus ne 'Failed'",
    "RowKey ge ''",
]


@pytest.mark.parametrize("condition", FILTERS, ids=lambda text: text[:30])
async def test_a16_filter_is_refused_when_it_says_more_than_the_grammar(
    product: Product, condition: str
) -> None:
    if len(condition) > 8_000:
        condition = condition[:8_000]
    error = await product.error_of(f"management/devices?filter={quote(condition, safe='')}")

    assert error.status == 400
    assert error.error["target"] == "filter"


async def test_a16_quotes_in_a_filter_are_text_and_nothing_else(product: Product) -> None:
    condition = quote("groupId eq 'x'' or groupId ne '''", safe="")

    found = await product.rest.get(f"management/devices?filter={condition}")

    assert json.dumps(found["value"]) == "[]"
