"""A file server on loopback that can be told to misbehave."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

Fault = Callable[[web.Request, bytes], Awaitable[web.StreamResponse]]


@dataclass
class ContentServer:
    """Serves `contents` by name; `faults` answer the first requests for a name instead."""

    url: str = ""
    contents: dict[str, bytes] = field(default_factory=dict)
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    etags: dict[str, str] = field(default_factory=dict)

    def url_of(self, name: str) -> str:
        return f"{self.url}/{name}?sig=secret"

    async def answer(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        self.requests.append((name, request.headers.get("Range")))
        self.queries.append(request.raw_path.partition("?")[2])
        if self.faults.get(name):
            return await self.faults[name].pop(0)(request, self.contents.get(name, b""))
        if name not in self.contents:
            return web.Response(status=404)
        return self.serve(request, self.contents[name], self.etags.get(name, '"one"'))

    def serve(self, request: web.Request, content: bytes, etag: str) -> web.Response:
        wanted = request.headers.get("Range")
        if wanted is None or request.headers.get("If-Range") != etag:
            return web.Response(body=content, headers={"ETag": etag})
        start = int(wanted.removeprefix("bytes=").removesuffix("-"))
        headers = {
            "ETag": etag,
            "Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}",
        }
        return web.Response(status=206, body=content[start:], headers=headers)


@asynccontextmanager
async def serving() -> AsyncIterator[ContentServer]:
    server = ContentServer()
    app = web.Application()
    app.router.add_get("/{name}", server.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}"
    try:
        yield server
    finally:
        await runner.cleanup()


def cut_after(count: int, *, etag: str | None = '"one"') -> Fault:
    """Send some bytes of the content, then drop the connection."""

    async def answer(request: web.Request, content: bytes) -> web.StreamResponse:
        headers = {"Content-Length": str(len(content))}
        response = web.StreamResponse(headers=headers | ({"ETag": etag} if etag else {}))
        await response.prepare(request)
        await response.write(content[:count])
        assert request.transport is not None
        request.transport.close()
        return response

    return answer


def endless(*, pause_seconds: float = 0, chunk: bytes = b"x" * 4096) -> Fault:
    """Send without an end and without a length."""

    async def answer(request: web.Request, content: bytes) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        try:
            while True:
                await response.write(chunk)
                await asyncio.sleep(pause_seconds)
        except ConnectionError:
            return response

    return answer


def status(code: int) -> Fault:
    """Answer with a bare status."""

    async def answer(request: web.Request, content: bytes) -> web.StreamResponse:
        return web.Response(status=code)

    return answer
