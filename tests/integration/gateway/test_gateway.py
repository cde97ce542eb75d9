"""Fifty devices behind one gateway: the origin is asked once."""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web
from odu_agent.contract.encoding import b64
from odu_agent.contract.manifest import ManifestFile
from odu_agent.download import Downloader
from odu_agent.state import DeviceState
from odu_agent.verification import Verifier

from local.stack.certificates import ensure_certificates
from local.stack.state import StateDirectory
from tests.unit.agent.fixtures import root_keys
from tests.unit.contract import vectors

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
    headers: dict[str, str] = field(default_factory=dict)

    async def answer(self, request: web.Request) -> web.Response:
        self.requests += 1
        self.sent += len(self.content)
        return web.Response(body=self.content, headers=self.headers)


@asynccontextmanager
async def _serving(content: bytes, context: ssl.SSLContext | None = None) -> AsyncIterator[Origin]:
    origin = Origin(content)
    app = web.Application()
    app.router.add_get("/{name:.*}", origin.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
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


async def test_device_that_reaches_the_cache_alone_has_the_root_key_package_always_a_fresh_one(
    tmp_path: Path,
) -> None:
    stack = StateDirectory(tmp_path / "stack")
    stack.create()
    own = ensure_certificates(stack)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own.certificate, own.key)
    # `localhost` at a port where nobody listens: the device has no way to the service
    url = "https://localhost/deviceUpdate/local/rootKeys/rootkeys.json"
    async with (
        _serving(vectors.signed_package(version=1), context) as service,
        caching(tmp_path, 9, service.port, stack.ca) as cache,
    ):
        service.headers = {"Cache-Control": "no-store"}
        downloader = Downloader(cache=cache)
        try:
            verifier = Verifier(root_keys(), DeviceState(tmp_path / "device"), downloader)
            await asyncio.to_thread(verifier.refresh_root_keys, url)
            service.content = vectors.signed_package(version=2)
            await asyncio.to_thread(verifier.refresh_root_keys, url)
        finally:
            downloader.close()

    assert verifier.roots.package is not None
    assert verifier.roots.package.version == 2
    assert service.requests == 2
