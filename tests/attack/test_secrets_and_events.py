"""Secrets in sources, rubbish in queues, and events that come twice and in any order."""

from __future__ import annotations

import asyncio
import base64
import secrets
import ssl
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp

from tests.packages import make_package, unique

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from local.stack.running import Stack
    from tests.product import Product

QUEUES = ("import", "publish", "fanout", "reconcile", "rollup")
TABLES = ("Operations", "Updates", "Devices", "Deployments")


async def test_a13_secret_of_a_source_url_is_found_nowhere(product: Product) -> None:
    canary = secrets.token_hex(24)
    query = f"?sv=2024-01-01&sr=b&sp=r&sig={canary}"
    good, tampered, absent, broken = (make_package(unique("model")) for _ in range(4))
    wrong = product.sources.offer_bytes(tampered.manifest, {"install.sh": b"x"}, query=query)
    missing = product.sources.offer(absent, query=query)
    missing["files"][0]["url"] = product.sources.nowhere() + query
    malformed = product.sources.offer_bytes(b"{}", broken.files, query=query)

    ended = await asyncio.gather(
        *(
            product.import_items(item)
            for item in (product.sources.offer(good, query=query), wrong, missing, malformed)
        )
    )
    refused = await product.error_of(
        "updates:import", "POST", [{"importManifest": {"url": f"http://h/{query}"}}]
    )

    assert [one["status"] for one in ended] == ["Succeeded", "Failed", "Failed", "Failed"]
    assert any(canary in request for request in product.sources.requests)
    assert canary not in str(ended)
    assert canary not in str(refused.error)
    logs = list((Path(product.stack.state) / "log").glob("*.log"))
    assert len(logs) >= 5
    for log in logs:
        assert canary not in log.read_text(errors="replace"), log.name
    for table in TABLES:
        assert canary not in str(await product.storage.rows(table)), table


async def test_a17_good_messages_flow_past_poisonous_ones(product: Product) -> None:
    group, model = unique("group"), unique("model")
    package = make_package(model)
    rubbish = (
        b"\xff\xfe",
        b"{",
        b"[]",
        b"{}",
        b'{"instance": "none", "operation": "none", "bucket": -1, "group": "x", "devices": 7}',
        b'{"instance": 5, "operation": null, "deployment": {}, "group": []}',
    )
    for queue in QUEUES:
        await product.storage.put_message(queue, "this is no base64 %%")
        for body in rubbish:
            await product.storage.put_message(queue, base64.b64encode(body).decode())

    await product.publish(package)
    async with product.fleet(group, model, 2):
        await product.seen(group, 2)
        identity = await product.rest.deploy(group, package.update_id)
        await product.until_counts(group, identity, succeeded=2)

    async def buried() -> None:
        messages = await product.storage.messages()
        assert {f"{queue}-poison" for queue in QUEUES} <= set(messages), messages

    await product.eventually(buried)


@asynccontextmanager
async def faulty_events(stack: Stack) -> AsyncIterator[None]:
    """Every event twice and in any order, for as long as the block lasts."""
    context = ssl.create_default_context(cafile=stack.ca_file)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=context),
        headers={"aeg-admin-key": stack.event_grid_admin_key},
    ) as session:

        async def put(*, is_on: bool) -> None:
            faults = {"duplicate": is_on, "shuffle": is_on}
            address = f"{stack.event_grid_endpoint}/admin/faults"
            async with session.put(address, json=faults) as response:
                assert response.status == 200, await response.text()

        await put(is_on=True)
        try:
            yield
        finally:
            await put(is_on=False)


async def test_a18_events_that_come_twice_and_out_of_order_change_nothing(
    product: Product,
) -> None:
    group, model, name = unique("group"), unique("model"), unique("update")
    first = make_package(model, name=name)
    second = make_package(model, name=name, version="2.0")
    async with faulty_events(product.stack):
        await product.publish(first)
        await product.publish(second)
        async with product.fleet(group, model, 12):
            await product.seen(group, 12)
            before = await product.rest.deploy(group, first.update_id)
            await product.until_counts(group, before, succeeded=12)
            after = await product.rest.deploy(group, second.update_id)
            await product.until_counts(group, after, succeeded=12)

            async def counters_are_a_recount() -> None:
                stored, counted = await product.storage.recount(group)
                assert stored == counted
                assert sum(cells.get("total", 0) for cells in stored.values()) == 12

            await product.eventually(counters_are_a_recount)
            await product.until_counts(group, before, succeeded=12)
            compliance = await product.rest.get(f"management/groups/{group}/updateCompliance")
            assert compliance["onLatestUpdateDeviceCount"] == 12
            assert compliance["totalDeviceCount"] == 12
