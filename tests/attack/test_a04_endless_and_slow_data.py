"""A04: servers that never end, or that send so little that a worker waits for ever.

The side of the device is in `tests/unit/agent/test_a04_endless_and_slow_data.py`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from odu_cli.file_server import LoopbackServer
from shared.adapters.fetch import FetchLimits, SafeFetcher
from shared.domain.operation import OperationStatus
from shared.domain.updates.import_item import ImportItem
from shared.domain.updates.source_url import SourcePolicy
from tests.packages import Package, make_package, sha256, unique
from tests.unit.services.world import INSTANCE, World

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.product import Product

CONTENT = b"x" * 4096


class Hostile(LoopbackServer):
    """Serves `manifest`; `endless` sends without end, `slow` ten bytes a second."""

    def __init__(self) -> None:
        super().__init__(shutdown_seconds=0.1)
        self.manifest = b""
        self.sent = 0
        """Bytes that left in vain."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        if name == "manifest":
            return web.Response(body=self.manifest)
        chunk, pause = (bytes(1 << 16), 0.0) if name == "endless" else (b"x", 0.1)
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        try:
            while True:
                await response.write(chunk)
                self.sent += len(chunk)
                await asyncio.sleep(pause)
        except ConnectionError:
            return response

    def package(self) -> Package:
        """A package of one file, its manifest served."""
        package = make_package(unique("model"), files={"image.bin": CONTENT})
        self.manifest = package.manifest
        return package


@pytest.fixture
async def hostile() -> AsyncIterator[Hostile]:
    async with Hostile() as server:
        yield server


async def test_a04_import_ends_at_the_stated_size_when_its_source_never_ends(
    product: Product, hostile: Hostile
) -> None:
    package = hostile.package()
    item: dict[str, Any] = product.sources.offer(package)
    item["files"][0]["url"] = f"{hostile.base}/endless"

    ended = await product.import_items(item)

    assert ended["status"] == "Failed"
    assert ended["error"]["target"] == "image.bin"
    assert ended["error"]["innererror"]["code"] == "SizeMismatch"
    assert (await product.error_of(package.path)).status == 404


async def test_a04_import_ends_when_its_source_trickles(hostile: Hostile) -> None:
    manifest = hostile.package().manifest
    world = World()
    limits = FetchLimits(min_bytes_per_second=1000, rate_window_seconds=0.2)
    world.fetch.fetcher = SafeFetcher(SourcePolicy(allow_loopback=True), limits)
    files = (("image.bin", f"{hostile.base}/slow"),)
    item = ImportItem(
        manifest_url=f"{hostile.base}/manifest",
        manifest_size_bytes=len(manifest),
        manifest_sha256=sha256(manifest),
        friendly_name=None,
        files=files,
    )

    identity = await world.imports.start(INSTANCE, [item], "trace")
    await world.drain()

    operation = await world.operation(identity)
    assert operation.status is OperationStatus.FAILED
    assert operation.failure is not None
    assert "too slow" in operation.failure.message
    assert hostile.sent < len(CONTENT)
