"""The fetcher against real servers on loopback; hostile name servers are played by the resolver."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from itertools import count
from typing import TYPE_CHECKING

import pytest
from aiohttp import web

from shared.adapters.fetch import FetchLimits, SafeFetcher
from shared.domain.updates.source_url import SourcePolicy

if TYPE_CHECKING:
    pass

from tests.builders.fetch_source import CANARY, CONTENT, Source, a_fetcher, failure, read_all

MIB = 1 << 20


QUICK = FetchLimits(connect_seconds=5, idle_seconds=0.2, rate_window_seconds=60)


async def test_stream_gives_all_bytes_in_chunks_of_a_mebibyte(source: Source) -> None:
    source.answers(lambda: web.Response(body=CONTENT, headers={"ETag": '"one"'}))

    stream = a_fetcher().stream(source.url, size_bytes=len(CONTENT))
    chunks = [chunk async for chunk in stream]

    assert b"".join(chunks) == CONTENT
    assert all(MIB <= len(chunk) < 2 * MIB for chunk in chunks[:-1])
    assert stream.etag == '"one"'


async def test_stream_asks_plainly_and_sends_nothing_of_ours(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    source.answers(lambda: web.Response(body=b"x", headers={"Set-Cookie": "a=b"}))
    fetcher = a_fetcher()

    await read_all(fetcher, source.url, 1)
    await read_all(fetcher, source.url, 1)

    headers = source.requests[-1].headers
    assert headers["Accept-Encoding"] == "identity"
    assert not {"Authorization", "Cookie", "Referer", "Range"} & set(headers)
    assert source.requests[-1].raw_path == f"/dir/file.bin?{CANARY}"


async def test_stream_closes_the_connection_when_left_early(source: Source) -> None:
    gone = asyncio.Event()

    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(1 << 40)})
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(MIB))
        finally:
            gone.set()

    source.handler = endless

    async with a_fetcher().stream(source.url, size_bytes=1 << 40) as stream:
        await anext(stream)

    await asyncio.wait_for(gone.wait(), 10)


async def test_stream_goes_on_at_an_offset_when_the_etag_still_matches(source: Source) -> None:
    async def ranged(request: web.BaseRequest) -> web.StreamResponse:
        start = int(request.headers["Range"].removeprefix("bytes=").removesuffix("-"))
        body = CONTENT[start:]
        return web.Response(
            status=206,
            body=body,
            headers={
                "Content-Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}",
                "ETag": '"one"',
            },
        )

    source.handler = ranged

    rest = await read_all(a_fetcher(), source.url, offset=3 * MIB, etag='"one"')

    assert rest == CONTENT[3 * MIB :]
    assert source.requests[0].headers["If-Match"] == '"one"'
    error = await failure(read_all(a_fetcher(), source.url, offset=3 * MIB, etag='"two"'))
    assert (error.code, error.retryable) == ("SourceChanged", True)


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.Response(status=412),
        lambda: web.Response(status=416),
        lambda: web.Response(body=CONTENT, headers={"ETag": '"one"'}),
        lambda: web.Response(status=206, body=b"x", headers={"Content-Range": "bytes 0-0/4194304"}),
        lambda: web.Response(status=206, body=b"x"),
    ],
)
async def test_stream_asks_for_a_new_start_when_it_cannot_go_on(
    source: Source, answer: Callable[[], web.StreamResponse]
) -> None:
    source.answers(answer)

    error = await failure(read_all(a_fetcher(), source.url, offset=MIB, etag='"one"'))

    assert error.code == "SourceChanged"


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(403, False), (404, False), (204, False), (206, False), (429, True), (503, True)],
)
async def test_stream_fails_when_the_status_is_not_ok(
    source: Source, status: int, retryable: bool
) -> None:
    source.answers(lambda: web.Response(status=status))

    error = await failure(read_all(a_fetcher(), source.url))

    assert (error.code, error.retryable) == ("SourceStatus", retryable)


async def test_stream_fails_when_the_declared_length_is_wrong(source: Source) -> None:
    source.answers(lambda: web.Response(body=CONTENT))

    for size in (len(CONTENT) - 1, len(CONTENT) + 1):
        error = await failure(read_all(a_fetcher(), source.url, size))
        assert (error.code, error.retryable) == ("SourceLength", False)


async def test_stream_stops_when_an_undeclared_body_never_ends(source: Source) -> None:
    sent = count()

    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        response.enable_chunked_encoding()
        await response.prepare(request)
        while True:
            next(sent)
            await response.write(bytes(MIB))

    source.handler = endless

    error = await failure(read_all(a_fetcher(), source.url, 2 * MIB))

    assert error.code == "SourceLength"
    assert next(sent) < 50


@pytest.mark.parametrize("headers", [{"Content-Length": str(len(CONTENT))}, {}])
async def test_stream_fails_when_the_body_breaks_off(
    source: Source, headers: dict[str, str]
) -> None:
    source.sends(CONTENT[:-1], headers=headers)

    error = await failure(read_all(a_fetcher(), source.url))

    assert (error.code, error.retryable) == ("SourceTruncated", True)


async def test_stream_fails_when_the_content_is_encoded(source: Source) -> None:
    source.sends(b"x", headers={"Content-Encoding": "gzip", "Content-Length": "1"})

    assert (await failure(read_all(a_fetcher(), source.url, 1))).code == "SourceEncoded"


@pytest.mark.parametrize("pieces", [(), (b"x",)])
async def test_stream_fails_when_the_source_falls_silent(
    source: Source, pieces: tuple[bytes, ...]
) -> None:
    source.sends(*pieces, headers={"Content-Length": "2"}, then_hangs=True)

    error = await failure(read_all(a_fetcher(limits=QUICK), source.url, 2))

    assert (error.code, error.retryable) == ("SourceTooSlow", True)


def a_fetcher_with_clock(limits: FetchLimits, seconds_per_look: float) -> SafeFetcher:
    ticks = count()
    return SafeFetcher(
        SourcePolicy(allow_loopback=True), limits, clock=lambda: next(ticks) * seconds_per_look
    )


async def dribble(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": str(1 << 40)})
    await response.prepare(request)
    while True:
        await response.write(b"0123456789")
        await asyncio.sleep(0)


async def test_stream_fails_when_below_the_minimum_rate(source: Source) -> None:
    source.handler = dribble
    patient = FetchLimits(base_seconds=1e9)

    error = await failure(read_all(a_fetcher_with_clock(patient, 10), source.url, 1 << 40))

    assert error.code == "SourceTooSlow"


async def test_stream_fails_when_the_whole_takes_too_long(source: Source) -> None:
    source.handler = dribble
    limits = FetchLimits(base_seconds=100, bytes_per_second=1 << 40, min_bytes_per_second=0)

    error = await failure(read_all(a_fetcher_with_clock(limits, 1), source.url, 1 << 40))

    assert error.code == "SourceTooSlow"


async def test_stream_does_not_count_the_time_its_reader_takes(source: Source) -> None:
    source.answers(lambda: web.Response(body=CONTENT))
    now = 0.0
    fetcher = SafeFetcher(SourcePolicy(allow_loopback=True), clock=lambda: now)

    received = 0
    async for chunk in fetcher.stream(source.url, size_bytes=len(CONTENT)):
        received += len(chunk)
        now += 3600

    assert received == len(CONTENT)


async def test_read_small_returns_the_body(source: Source) -> None:
    source.answers(lambda: web.Response(body=b"manifest"))

    assert await a_fetcher().read_small(source.url, max_bytes=8) == b"manifest"


async def test_read_small_fails_when_the_body_is_larger(source: Source) -> None:
    source.answers(lambda: web.Response(body=b"manifest"))
    assert (await failure(a_fetcher().read_small(source.url, max_bytes=7))).code == "SourceLength"

    source.sends(b"manifest", headers={})
    assert (await failure(a_fetcher().read_small(source.url, max_bytes=7))).code == "SourceLength"
