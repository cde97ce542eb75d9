"""Servers of the stack are killed in the middle of work: everything ends right, nothing twice."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest

from local.rest import Rest
from local.stack.running import Stack, start
from odu_cli.rest import RestError
from tests.packages import make_package, unique
from tests.product import Product

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from tests.sources import Sources

IMPORTS = 8
DEVICES = 24
INTERRUPTIONS = (aiohttp.ClientError, RestError, TimeoutError)


@pytest.fixture
def doomed(tmp_path: Path) -> Iterator[Stack]:
    """A stack of one's own, whose servers a test may kill."""
    with start(tmp_path / "stack") as running:
        yield running


@pytest.fixture
async def product(doomed: Stack, sources: Sources, tmp_path: Path) -> AsyncIterator[Product]:
    async with Rest(doomed) as rest:
        yield Product(doomed, rest, sources, tmp_path, interruptions=INTERRUPTIONS)


async def kill(product: Product, part: str) -> None:
    """Kill one server and wait until the supervisor runs another one in its place."""
    state = Path(product.stack.state)
    pid = Stack.load(state).pids[part]
    os.kill(pid, signal.SIGKILL)

    async def runs_again() -> None:
        assert Stack.load(state).pids[part] != pid

    await product.eventually(runs_again)


async def everything_is_done(product: Product) -> None:
    """Nothing waits in a queue, nothing was given up, and nothing is left in quarantine."""

    async def look() -> None:
        assert await product.storage.messages() == {}
        assert await product.storage.blobs("quarantine") == []
        assert await product.storage.blobs("deadletter") == []

    await product.eventually(look)


async def until_devices(
    product: Product, group: str, identity: str, is_time: Callable[[dict[str, int]], bool]
) -> None:
    async def look() -> None:
        assert is_time(await product.counts(group, identity))

    await product.eventually(look)


async def test_imports_end_once_when_the_host_is_killed_in_all_their_stages(
    product: Product,
) -> None:
    packages = [
        make_package(unique("model"), files={"image.bin": os.urandom(300_000)})
        for _ in range(IMPORTS)
    ]
    items = [product.sources.offer(package) for package in packages]
    gate = product.sources.hold(items[0]["files"][0]["url"])

    held = await product.rest.import_update([items[0]])
    await gate.asked.wait()
    operations = [await product.rest.import_update([item]) for item in items[1:-1]]

    async def one_is_published() -> None:
        states = [await product.rest.get(operation) for operation in operations]
        assert "Succeeded" in [state["status"] for state in states], states

    await product.eventually(one_is_published)
    operations.append(await product.rest.import_update([items[-1]]))
    await kill(product, "host")
    gate.opened.set()
    ended = await asyncio.gather(*(product.ended(one) for one in [held, *operations]))

    assert [one["status"] for one in ended] == ["Succeeded"] * IMPORTS
    await everything_is_done(product)
    assert len(await product.storage.rows("Updates")) == IMPORTS
    operations = await product.storage.rows("Operations")
    assert sum(row["kind"] == "import" for row in operations) == IMPORTS  # a timer may re-scan
    digests = [hashlib.sha256(package.files["image.bin"]).hexdigest() for package in packages]
    assert sorted(await product.storage.blobs("content")) == sorted(
        f"{product.stack.instance}/{digest}" for digest in digests
    )
    for package, operation in zip(packages, ended, strict=True):
        update = await product.rest.get(package.path)
        assert update["updateId"] == operation["update"]["updateId"] == package.update_id


async def test_roll_out_ends_right_when_servers_are_killed_in_the_middle(
    product: Product,
) -> None:
    group, model = unique("group"), unique("model")
    package = make_package(model)
    await product.publish(package)
    async with product.fleet(group, model, DEVICES, delaySeconds={"install": 3.0}):
        await product.seen(group, DEVICES)
        identity = await product.rest.deploy(group, package.update_id)
        await until_devices(product, group, identity, lambda counts: sum(counts.values()) > 0)
        await kill(product, "host")
        await kill(product, "eventgrid")
        await kill(product, "iothub")

        await product.until_counts(group, identity, succeeded=DEVICES)

        await everything_is_done(product)
        stored, counted = await product.storage.recount()
        assert stored == counted
        (cells,) = [cells for (name, _), cells in stored.items() if name == group]
        assert cells["total"] == DEVICES
        status = await product.rest.get(f"management/groups/{group}/deployments/{identity}/status")
        (subgroup,) = status["subgroupStatus"]
        assert subgroup["totalDevices"] == DEVICES
        compliance = await product.rest.get(f"management/groups/{group}/updateCompliance")
        assert compliance["onLatestUpdateDeviceCount"] == DEVICES
        assert compliance["totalDeviceCount"] == DEVICES
