"""Where a fetch may go: addresses, names and redirects."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientConnectionError, ClientSession, web

from shared.adapters.fetch import FetchLimits, SafeFetcher
from shared.adapters.fetch_transport import _PinnedConnector
from shared.domain.updates.source_url import SourcePolicy
from tests.certificates import Certificates

if TYPE_CHECKING:
    pass

from tests.builders.fetch_source import CANARY, Source, a_fetcher, failure, read_all, serve

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

    assert (error.code, error.retryable) == ("SourceUnreachable", True)
    assert not any(address in str(error) for address in addresses)


@pytest.mark.parametrize("addresses", [["127.0.0.1", "10.0.0.4"], ["168.63.129.16"], ["8.8.8.8"]])
async def test_fetch_is_refused_when_loopback_is_allowed_and_another_answer_is_not(
    source: Source, addresses: list[str]
) -> None:
    error = await failure(a_fetcher(addresses=addresses).read_small(source.named_url, max_bytes=9))

    assert error.code == "SourceUnreachable"
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
    ).code == "SourceUnreachable"
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
    assert error.code == "SourceUnreachable"


async def test_private_filtered_and_unreachable_names_are_told_alike_and_apart_in_the_log(
    source: Source, certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    async def unknown(host: str) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    await source.site.stop()
    listed = SourcePolicy(host_suffixes=("acme.example",))
    url = f"https://other.example/dir/f?{CANARY}"
    refused = {
        "not to fetch from": (a_fetcher(addresses=["10.0.0.4"], allow_loopback=False), url),
        "may not fetch from": (SafeFetcher(listed, resolver=unknown), url),
        "gaierror: Name or service not known": (SafeFetcher(SourcePolicy(), resolver=unknown), url),
        "has no address": (a_fetcher(addresses=[], allow_loopback=False), url),
        "Connect call failed": (a_fetcher(), f"{source.named_url}?{CANARY}"),
    }
    found = set()
    for cause, (fetcher, asked) in refused.items():
        caplog.clear()
        error = await failure(fetcher.read_small(asked, max_bytes=9))
        found.add((error.code, error.message, error.retryable, str(error)))
        assert cause in caplog.text
        assert CANARY not in caplog.text
        assert "dir/f" not in caplog.text

    assert len(found) == 1


async def test_log_says_why_a_certificate_was_not_believed(
    certificates: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    async for source in serve(certificates):
        error = await failure(
            SafeFetcher(SourcePolicy(allow_loopback=True)).read_small(
                f"{source.named_url}?{CANARY}", max_bytes=1
            )
        )

        assert error.code == "SourceUnreachable"
        assert "SSLCertVerificationError" in caplog.text
        assert "self-signed" in caplog.text or "issuer certificate" in caplog.text
        assert CANARY not in caplog.text


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
