"""Fetching from URLs that strangers chose, without serving them as a way into private networks.

Every address that a host resolves to is checked, the connection is pinned to the checked addresses,
and the peer is checked again once connected. Nothing of ours is sent: no cookies, no credentials,
no proxy settings of the environment. Bytes, time and redirects are bounded. Errors carry stable
codes and never a query string, an address or a byte of what was fetched.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from types import TracebackType
from typing import TYPE_CHECKING, Self
from urllib.parse import urljoin, urlsplit

from shared.adapters.fetch_pace import (
    BROKEN_OFF,
    CHUNK_BYTES,
    FetchError,
    FetchLimits,
    Pace,
    unreachable,
)
from shared.domain.errors import InvalidInput
from shared.domain.updates.source_url import FILTERED, Address, SourcePolicy, SourceUrl

if TYPE_CHECKING:
    import ssl

    from aiohttp import ClientResponse

__all__ = ["FetchError", "FetchLimits", "Resolver", "SafeFetcher", "SourceStream"]

Resolver = Callable[[str], Awaitable[list[str]]]
"""Gives every address of a host name, of both families; raises `OSError` when there is none."""


class SafeFetcher:
    """Reads sources that the policy allows.

    Args:
        policy: Which URLs and addresses are allowed.
        limits: How long a source may take.
        ssl: Trust for https; the system's by default.
        resolver: Replaces the system's resolver.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        policy: SourcePolicy,
        limits: FetchLimits | None = None,
        ssl: ssl.SSLContext | None = None,
        resolver: Resolver | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policy = policy
        self._limits = limits or FetchLimits()
        self._ssl = ssl
        self._resolve = resolver or _system_resolver
        self._clock = clock

    async def read_small(self, url: str, *, max_bytes: int) -> bytes:
        """Read a whole source into memory.

        Raises:
            FetchError: It is larger than `max_bytes`, refused, or could not be read.
        """
        pace = Pace(self._limits, max_bytes, self._clock)
        async with self._response(url, {}, pace) as response:
            declared = response.content_length
            if declared is not None and declared > max_bytes:
                raise _too_large(max_bytes)
            return b"".join([chunk async for chunk in _body(response, max_bytes, pace)])

    def stream(
        self, url: str, *, size_bytes: int, offset: int = 0, etag: str | None = None
    ) -> SourceStream:
        """Read a source of known size in chunks of about 1 MiB.

        Args:
            url: Where from.
            size_bytes: Size of the whole source; more or fewer bytes are an error.
            offset: Where to go on after an earlier attempt.
            etag: The ETag of that attempt; a source that has changed since is an error.

        Raises:
            FetchError: While iterating.
        """
        return SourceStream(fetcher=self, url=url, size_bytes=size_bytes, offset=offset, etag=etag)

    async def close(self) -> None:
        """Release everything held; connections live no longer than the fetch they serve."""

    async def _chunks(self, stream: SourceStream) -> AsyncGenerator[bytes]:
        remaining = stream.size_bytes - stream.offset
        pace = Pace(self._limits, remaining, self._clock)
        async with self._response(stream.url, _range_headers(stream), pace) as response:
            _check_range(response, stream)
            if response.content_length not in (None, remaining):
                raise FetchError(
                    "The source is not of the declared size.", code="SourceLength", retryable=False
                )
            stream.etag = response.headers.get("ETag")
            received = 0
            async for chunk in _body(response, remaining, pace):
                received += len(chunk)
                yield chunk
            if received < remaining:
                raise FetchError(BROKEN_OFF[1], code=BROKEN_OFF[0])

    @asynccontextmanager
    async def _response(
        self, url: str, headers: dict[str, str], pace: Pace
    ) -> AsyncIterator[ClientResponse]:
        """Follow the redirects that the policy allows and give the answer at their end."""
        from shared.adapters.fetch_transport import opened

        for hops_left in range(min(self._policy.max_redirects, 3), -1, -1):
            source = self._checked(url)
            pace.host = source.host
            addresses = await self._addresses(source, pace)
            async with opened(
                source, addresses, headers, self._ssl, self._limits, pace.guard
            ) as response:
                location = response.headers.get("Location")
                if response.status not in (301, 302, 303, 307, 308) or location is None:
                    _check_answer(response, partial="Range" in headers)
                    yield response
                    return
            if hops_left == 0:
                break
            url = _next_hop(source, location)
        raise FetchError(
            "The source redirects elsewhere; give the final URL.",
            code="SourceRedirected",
            retryable=False,
        )

    def _checked(self, url: str) -> SourceUrl:
        try:
            return self._policy.check_url(url)
        except InvalidInput as error:
            refusal = error
        if refusal.code == FILTERED:
            raise unreachable(urlsplit(url).hostname or "", refusal.message)
        raise _refused(refusal)

    async def _addresses(self, source: SourceUrl, pace: Pace) -> tuple[Address, ...]:
        if source.literal is not None:
            addresses: tuple[Address, ...] = (source.literal,)
        else:
            spelled = await pace.guard(
                self._resolve(source.host), self._limits.connect_seconds, connects=True
            )
            addresses = tuple(ip_address(each.partition("%")[0]) for each in spelled)
        if not addresses:
            raise unreachable(source.host, "it has no address")
        refused = self._first_refused(source, addresses)
        if refused is None:
            return addresses
        if source.literal is not None:
            raise FetchError(
                "The source URL leads to a server that this service may not fetch from.",
                code="SourceRefused",
                retryable=False,
            )
        raise unreachable(source.host, f"its address {refused} is one not to fetch from")

    def _first_refused(self, source: SourceUrl, addresses: tuple[Address, ...]) -> Address | None:
        for address in addresses:
            try:
                self._policy.check_address(source, address)
            except InvalidInput:
                return address
        return None


class SourceStream(AsyncIterator[bytes]):
    """The chunks of a source. `etag` is known once the first chunk has come.

    Leaving it early: `await aclose()`, or use it in `async with`.
    """

    def __init__(
        self, fetcher: SafeFetcher, url: str, size_bytes: int, offset: int, etag: str | None
    ) -> None:
        self.url = url
        self.size_bytes = size_bytes
        self.offset = offset
        self.etag = etag
        self._chunks = fetcher._chunks(self)

    async def __anext__(self) -> bytes:
        return await anext(self._chunks)

    async def aclose(self) -> None:
        """Stop fetching and close the connection."""
        await self._chunks.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


async def _body(response: ClientResponse, most: int, pace: Pace) -> AsyncIterator[bytes]:
    pieces: list[bytes] = []
    held = received = 0
    while data := await pace.read(response):
        received += len(data)
        if received > most:
            raise _too_large(most)
        pieces.append(data)
        held += len(data)
        if held >= CHUNK_BYTES:
            yield b"".join(pieces)
            pieces, held = [], 0
    if pieces:
        yield b"".join(pieces)


def _range_headers(stream: SourceStream) -> dict[str, str]:
    headers = {}
    if stream.offset:
        headers["Range"] = f"bytes={stream.offset}-"
    if stream.etag and not stream.etag.startswith("W/"):
        headers["If-Match"] = stream.etag
    return headers


def _check_range(response: ClientResponse, stream: SourceStream) -> None:
    whole = response.status == 200 and not stream.offset
    expected = f"bytes {stream.offset}-{stream.size_bytes - 1}/{stream.size_bytes}"
    resumed = response.status == 206 and response.headers.get("Content-Range") == expected
    same = stream.etag in (None, response.headers.get("ETag"))
    if not (whole or resumed) or not same:
        raise _changed()


def _check_answer(response: ClientResponse, *, partial: bool) -> None:
    if response.status in (412, 416):
        raise _changed()
    if response.status != 200 and not (partial and response.status == 206):
        raise FetchError(
            f"The source answered with status {response.status}.",
            code="SourceStatus",
            retryable=response.status in (408, 429) or response.status >= 500,
        )
    if response.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise FetchError(
            "The source sends encoded content; it must send the bytes as they are.",
            code="SourceEncoded",
            retryable=False,
        )


def _next_hop(source: SourceUrl, location: str) -> str:
    url = urljoin(source.authority + source.target, location)
    if source.scheme == "https" and not url.startswith("https:"):
        raise FetchError(
            "The source redirects from https to http.", code="SourceRedirected", retryable=False
        )
    return url


def _refused(refusal: InvalidInput) -> FetchError:
    return FetchError(refusal.message, code="SourceRefused", retryable=False)


def _too_large(most: int) -> FetchError:
    return FetchError(
        f"The source is larger than the {most} bytes allowed.",
        code="SourceLength",
        retryable=False,
    )


def _changed() -> FetchError:
    return FetchError("The source has changed since it was last read.", code="SourceChanged")


async def _system_resolver(host: str) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]
