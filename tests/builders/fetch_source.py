"""A source of files that misbehaves as told."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from shared.adapters.fetch import FetchError, FetchLimits, SafeFetcher
from shared.domain.updates.source_url import SourcePolicy
from tests.certificates import Certificates

CONTENT = bytes(range(256)) * 16 * 1024  # 4 MiB


CANARY = "sig=CANARY"


Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Source:
    """A server on loopback; each test sets what it answers and reads what it was asked."""

    def __init__(self, site: web.TCPSite, runner: web.ServerRunner, scheme: str) -> None:
        port = runner.addresses[0][1]
        self.url = f"{scheme}://127.0.0.1:{port}/dir/file.bin?{CANARY}"
        self.named_url = f"{scheme}://localhost:{port}/dir/file.bin?{CANARY}"
        self.site = site
        self.requests: list[web.BaseRequest] = []
        self.handler: Handler | None = None
        self.released = asyncio.Event()

    def answers(self, response: Callable[[], web.StreamResponse]) -> None:
        async def handler(_: web.BaseRequest) -> web.StreamResponse:
            return response()

        self.handler = handler

    def sends(self, *pieces: bytes, headers: dict[str, str], then_hangs: bool = False) -> None:
        async def handler(request: web.BaseRequest) -> web.StreamResponse:
            response = web.StreamResponse(headers=headers)
            await response.prepare(request)
            for piece in pieces:
                await response.write(piece)
            if then_hangs:
                await self.released.wait()
            assert request.transport is not None
            request.transport.close()
            return response

        self.handler = handler

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.requests.append(request)
        assert self.handler is not None
        return await self.handler(request)


async def serve(certificates: Certificates | None = None) -> AsyncIterator[Source]:
    found: list[Source] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        return await found[0].handle(request)

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
    await runner.setup()
    context = certificates.server_context() if certificates else None
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    found.append(Source(site, runner, "https" if certificates else "http"))
    yield found[0]
    found[0].released.set()
    await runner.cleanup()


def a_fetcher(
    *, limits: FetchLimits | None = None, addresses: list[str] | None = None, **policy: object
) -> SafeFetcher:
    async def resolver(host: str) -> list[str]:
        return ["127.0.0.1"] if addresses is None else addresses

    allowed = SourcePolicy(**{"allow_loopback": True, **policy})  # type: ignore[arg-type]
    return SafeFetcher(allowed, limits, resolver=resolver)


async def read_all(
    fetcher: SafeFetcher, url: str, size: int = len(CONTENT), **how: object
) -> bytes:
    return b"".join([chunk async for chunk in fetcher.stream(url, size_bytes=size, **how)])  # type: ignore[arg-type]


async def failure(reading: Awaitable[object]) -> FetchError:
    with pytest.raises(FetchError) as failed:
        await reading
    shown = "".join(traceback.format_exception(failed.value)) + repr(vars(failed.value))
    assert "CANARY" not in shown
    assert "127.0.0.1" not in str(failed.value)
    assert failed.value.__context__ is None
    return failed.value
