"""Fifty devices behind one gateway: the origin is asked once."""

from __future__ import annotations

import asyncio
import hashlib
import os
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web
from odu_agent.contract.encoding import b64
from odu_agent.contract.manifest import ManifestFile
from odu_agent.download import Downloader

from .nginx import caching

DEVICES = 50
SIZE_BYTES = int(os.environ.get("ODU_GATEWAY_MIB", "4")) * 1024 * 1024
_AT_ONCE = 10


@dataclass
class Origin:
    """Where the content is; counts what it is asked for and what it sends."""

    content: bytes
    url: str = ""
    port: int = 0
    requests: int = 0
    sent: int = 0

    async def answer(self, request: web.Request) -> web.Response:
        self.requests += 1
        self.sent += len(self.content)
        return web.Response(body=self.content)


@asynccontextmanager
async def _serving(content: bytes) -> AsyncIterator[Origin]:
    origin = Origin(content)
    app = web.Application()
    app.router.add_get("/{name}", origin.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    origin.port = runner.addresses[0][1]
    origin.url = f"http://127.0.0.1:{origin.port}/rootfs.swu"
    try:
        yield origin
    finally:
        await runner.cleanup()


def _fetch(number: int, cache: str, origin: Origin, file: ManifestFile, folder: Path) -> None:
    """One device, with a link of its own."""
    downloader = Downloader(cache=cache)
    target = folder / f"device-{number}"
    try:
        url = f"{origin.url}?sig=of-device-{number}"
        downloader.fetch(url, file, target, threading.Event())
    finally:
        downloader.close()
    target.unlink()


async def test_gateway_fetches_a_file_once_for_fifty_devices(tmp_path: Path) -> None:
    content = os.urandom(SIZE_BYTES)
    digest = b64(hashlib.sha256(content).digest())
    file = ManifestFile("rootfs.swu", len(content), {"sha256": digest})
    async with _serving(content) as origin, caching(tmp_path, origin.port) as cache:
        loop = asyncio.get_running_loop()
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            calls = [
                loop.run_in_executor(threads, _fetch, number, cache, origin, file, tmp_path)
                for number in range(DEVICES)
            ]
            await asyncio.gather(*calls)

    assert (origin.requests, origin.sent) == (1, SIZE_BYTES)


async def test_gateway_that_is_gone_is_gone_around(tmp_path: Path) -> None:
    content = os.urandom(100_000)
    digest = b64(hashlib.sha256(content).digest())
    file = ManifestFile("rootfs.swu", len(content), {"sha256": digest})
    async with _serving(content) as origin:
        async with caching(tmp_path, origin.port) as cache:
            pass

        await asyncio.to_thread(_fetch, 1, cache, origin, file, tmp_path)

    assert origin.requests == 1
