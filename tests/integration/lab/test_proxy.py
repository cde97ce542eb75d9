"""The device's way to the stack: links that name this host, over http and https."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import ssl
import threading
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from aiohttp import web
from odu_agent.contract.encoding import b64
from odu_agent.contract.manifest import ManifestFile
from odu_agent.download import Downloader

from local.lab.proxy import proxy
from local.stack.certificates import ensure_certificates
from local.stack.state import StateDirectory

CONTENT = os.urandom(3_000_000)


async def _serve(opened: AsyncExitStack, context: ssl.SSLContext | None, askers: list[bool]) -> int:
    """Serve the content; notes of each request whether it came from this process itself."""

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        port: int = request.transport.get_extra_info("peername")[1]
        askers.append(await asyncio.to_thread(_is_ours, port))
        return web.Response(body=CONTENT)

    app = web.Application()
    app.router.add_get("/{name}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    opened.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    port: int = runner.addresses[0][1]
    return port


def _is_ours(port: int) -> bool:
    """Whether a connection of this process has a local port."""
    rows = [line.split() for line in Path("/proc/self/net/tcp").read_text().splitlines()[1:]]
    inodes = {row[9] for row in rows if int(row[1].split(":")[1], 16) == port}
    links = set()
    for file in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            links.add(str(file.readlink()))
    return any(f"socket:[{inode}]" in links for inode in inodes)


async def test_connection_without_the_proxy_would_be_noticed() -> None:
    askers: list[bool] = []
    async with AsyncExitStack() as opened:
        port = await _serve(opened, None, askers)
        downloader = Downloader()
        opened.callback(downloader.close)
        url = f"http://localhost:{port}/rootfs.swu"
        await asyncio.to_thread(downloader.fetch_small, url, len(CONTENT))

    assert askers == [True]


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_agent_fetches_content_of_the_stack_through_the_proxy(
    scheme: str, tmp_path: Path
) -> None:
    state = StateDirectory(tmp_path / "state")
    state.create()
    server = ensure_certificates(state)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(server.certificate, server.key)
    digest = b64(hashlib.sha256(CONTENT).digest())
    file = ManifestFile("rootfs.swu", len(CONTENT), {"sha256": digest})
    askers: list[bool] = []
    async with AsyncExitStack() as opened:
        port = await _serve(opened, context if scheme == "https" else None, askers)
        way = await opened.enter_async_context(proxy(tmp_path))
        downloader = Downloader(ca_file=state.ca, proxy=f"http://127.0.0.1:{way}")
        opened.callback(downloader.close)
        url = f"{scheme}://localhost:{port}/rootfs.swu?sig=secret"

        for number in range(2):
            target = tmp_path / str(number)
            await asyncio.to_thread(downloader.fetch, url, file, target, threading.Event())
            assert target.read_bytes() == CONTENT
        assert await asyncio.to_thread(downloader.fetch_small, url, len(CONTENT)) == CONTENT

    assert askers == [False] * 3, "the proxy asks, and nobody else"
