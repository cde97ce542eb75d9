"""The fetcher against real servers on loopback; hostile name servers are played by the resolver."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from ipaddress import ip_address
from itertools import count
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientConnectionError, ClientSession, web

from shared.adapters.fetch import FetchError, FetchLimits, SafeFetcher
from shared.adapters.fetch_transport import _PinnedConnector
from shared.domain.updates.source_url import SourcePolicy
from tests.certificates import Certificates, make_certificates

if TYPE_CHECKING:
    pass

MIB = 1 << 20
CONTENT = bytes(range(256)) * 16 * 1024  # 4 MiB
CANARY = "sig=CANARY"
QUICK = FetchLimits(connect_seconds=5, idle_seconds=0.2, rate_window_seconds=60)

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


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("fetch"))


@pytest.fixture
async def source() -> AsyncIterator[Source]:
    async for each in serve():
        yield each


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


@pytest.fixture(autouse=True)
def no_canary(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    caplog.set_level(logging.DEBUG)
    yield
    logged = [r for r in caplog.records if not r.name.startswith("aiohttp.access")]
    assert CANARY not in "\n".join(map(logging.Formatter().format, logged))


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


HOSTILE = [
    ["169.254.169.254"],
    ["168.63.129.16"],
    ["127.0.0.1"],
    ["10.0.0.4"],
    ["::1"],
    ["::ffff:127.0.0.1"],
    ["64:ff9b::a9fe:a9fe"],
    ["fe80::1%eth0"],
    ["8.8.8.8", "169.254.169.254"],
    ["2606:4700::1111", "10.0.0.4"],
]


@pytest.mark.parametrize("addresses", HOSTILE)
async def test_fetch_is_refused_when_any_answer_is_special(addresses: list[str]) -> None:
    fetcher = a_fetcher(addresses=addresses, allow_loopback=False)

    error = await failure(fetcher.read_small(f"https://acme.example/f?{CANARY}", max_bytes=9))

    assert (error.code, error.retryable) == ("SourceRefused", False)
    assert not any(address in str(error) for address in addresses)


@pytest.mark.parametrize("addresses", [["127.0.0.1", "10.0.0.4"], ["168.63.129.16"], ["8.8.8.8"]])
async def test_fetch_is_refused_when_loopback_is_allowed_and_another_answer_is_not(
    source: Source, addresses: list[str]
) -> None:
    error = await failure(a_fetcher(addresses=addresses).read_small(source.named_url, max_bytes=9))

    assert error.code == "SourceRefused"
    assert not source.requests


@pytest.mark.parametrize(
    "url",
    [
        "https://169.254.169.254/metadata",
        "https://168.63.129.16/",
        "https://127.0.0.1/",
        "https://[::1]/",
        "https://2130706433/",
        "http://acme.example/",
        "https://u:p@acme.example/",
    ],
)
async def test_fetch_is_refused_without_resolving_when_the_url_is_bad(url: str) -> None:
    async def resolver(host: str) -> list[str]:
        raise AssertionError(host)

    fetcher = SafeFetcher(SourcePolicy(), resolver=resolver)

    assert (
        await failure(fetcher.read_small(f"{url}?{CANARY}", max_bytes=9))
    ).code == "SourceRefused"


async def test_fetch_resolves_once_when_the_name_is_rebound(source: Source) -> None:
    answers = iter([["127.0.0.1"], ["169.254.169.254"]])

    async def rebinding(host: str) -> list[str]:
        return next(answers)

    source.answers(lambda: web.Response(body=b"x"))
    fetcher = SafeFetcher(SourcePolicy(allow_loopback=True), resolver=rebinding)

    assert await fetcher.read_small(source.named_url, max_bytes=1) == b"x"
    assert (
        await failure(fetcher.read_small(source.named_url, max_bytes=1))
    ).code == "SourceRefused"
    assert len(source.requests) == 1


async def test_connection_is_closed_unused_when_the_peer_is_another(source: Source) -> None:
    connector = _PinnedConnector((ip_address("127.0.0.1"),))
    connector._addresses = frozenset({ip_address("127.0.0.2")})

    async with ClientSession(connector=connector) as session:
        with pytest.raises(ClientConnectionError, match="unexpected peer"):
            await session.get(source.url)

    assert not source.requests


async def test_fetch_fails_retryably_when_the_host_is_unknown() -> None:
    async def unknown(host: str) -> list[str]:
        raise OSError("CANARY")

    fetcher = SafeFetcher(SourcePolicy(), resolver=unknown)

    error = await failure(fetcher.read_small(f"https://acme.example/f?{CANARY}", max_bytes=9))
    assert (error.code, error.retryable) == ("SourceUnreachable", True)
    error = await failure(a_fetcher(addresses=[]).read_small("https://acme.example/", max_bytes=9))
    assert error.code == "SourceUnreachable"


async def test_fetch_fails_retryably_when_nobody_listens(source: Source) -> None:
    await source.site.stop()

    error = await failure(read_all(a_fetcher(), source.url))

    assert (error.code, error.retryable) == ("SourceUnreachable", True)


async def test_fetch_fails_when_the_resolver_hangs() -> None:
    async def hanging(host: str) -> list[str]:
        await asyncio.Event().wait()
        return []

    fetcher = SafeFetcher(SourcePolicy(), FetchLimits(connect_seconds=0.05), resolver=hanging)

    error = await failure(fetcher.read_small(f"https://acme.example/?{CANARY}", max_bytes=9))
    assert error.code == "SourceTooSlow"


async def test_fetch_uses_the_system_resolver_by_default(source: Source) -> None:
    source.answers(lambda: web.Response(body=b"x"))
    fetcher = SafeFetcher(SourcePolicy(allow_loopback=True))

    assert await fetcher.read_small(source.named_url, max_bytes=1) == b"x"
    await fetcher.close()


def redirect(location: str) -> Callable[[], web.StreamResponse]:
    return lambda: web.Response(status=302, headers={"Location": location})


async def test_redirect_is_refused_when_not_enabled(source: Source) -> None:
    source.answers(redirect("/elsewhere"))

    error = await failure(read_all(a_fetcher(), source.url))

    assert (error.code, error.retryable) == ("SourceRedirected", False)
    assert len(source.requests) == 1


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/metadata/instance",
        "https://168.63.129.16/machine",
        "//10.0.0.4/f",
        "http://[::ffff:169.254.169.254]/",
        "file:///etc/passwd",
    ],
)
async def test_redirect_is_checked_like_the_first_url_when_enabled(
    source: Source, location: str
) -> None:
    source.answers(redirect(location))

    error = await failure(read_all(a_fetcher(max_redirects=3), source.url))

    assert error.code == "SourceRefused"


async def test_redirect_is_followed_three_times_without_the_query(source: Source) -> None:
    async def hop(request: web.BaseRequest) -> web.StreamResponse:
        if len(source.requests) == 4:
            return web.Response(body=b"x")
        return redirect("next")()

    source.handler = hop
    assert await a_fetcher(max_redirects=9).read_small(source.url, max_bytes=1) == b"x"
    assert source.requests[-1].raw_path == "/dir/next"
    assert "Referer" not in source.requests[-1].headers

    source.answers(redirect("next"))
    error = await failure(a_fetcher(max_redirects=9).read_small(source.url, max_bytes=1))
    assert error.code == "SourceRedirected"
    assert len(source.requests) == 8


async def test_https_is_verified_and_never_left(certificates: Certificates) -> None:
    async for source in serve(certificates):
        source.answers(lambda: web.Response(body=b"x"))
        policy = SourcePolicy(allow_loopback=True, max_redirects=1)
        trusting = SafeFetcher(policy, ssl=certificates.client_context())

        assert await trusting.read_small(source.named_url, max_bytes=1) == b"x"
        assert source.requests[0].host.startswith("localhost")

        strict = await failure(SafeFetcher(policy).read_small(source.named_url, max_bytes=1))
        assert strict.code == "SourceUnreachable"

        source.answers(redirect(source.url.replace("https", "http")))
        downgraded = await failure(trusting.read_small(source.named_url, max_bytes=1))
        assert downgraded.code == "SourceRedirected"
