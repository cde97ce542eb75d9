"""The HTTP connection under `fetch`: pinned to addresses that were checked beforehand.

Separate because importing aiohttp is slow; `fetch` imports this at its first request.
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

if TYPE_CHECKING:
    import ssl

    from shared.adapters.fetch_pace import FetchLimits
    from shared.domain.updates.source_url import Address, SourceUrl

Guard = Callable[[Awaitable[aiohttp.ClientResponse], float], Awaitable[aiohttp.ClientResponse]]

_HEADERS = {"Accept-Encoding": "identity", "User-Agent": "open-device-update"}


@asynccontextmanager
async def opened(
    source: SourceUrl,
    addresses: tuple[Address, ...],
    headers: dict[str, str],
    trust: ssl.SSLContext | None,
    limits: FetchLimits,
    guard: Guard,
) -> AsyncIterator[aiohttp.ClientResponse]:
    """Send one GET to one of the addresses and give its answer; never follows a redirect."""
    url = URL(source.authority + source.target, encoded=True)
    timeout = aiohttp.ClientTimeout(
        total=None, connect=limits.connect_seconds, sock_read=limits.idle_seconds
    )
    async with aiohttp.ClientSession(
        connector=_PinnedConnector(addresses),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        timeout=timeout,
        read_bufsize=1 << 18,
    ) as session:
        asked = session.get(
            url, headers=_HEADERS | headers, allow_redirects=False, ssl=trust or True
        )
        most = limits.connect_seconds + limits.idle_seconds
        response = await guard(asked, most)
        try:
            yield response
        finally:
            response.close()


class _PinnedConnector(aiohttp.TCPConnector):
    """Connects to the given addresses and makes sure of the peer before anything is sent."""

    def __init__(self, addresses: tuple[Address, ...]) -> None:
        super().__init__(resolver=_PinnedResolver(addresses), use_dns_cache=False, force_close=True)
        self._addresses = frozenset(addresses)

    async def connect(self, *args: Any, **kwargs: Any) -> aiohttp.connector.Connection:
        """Connect as the base class does, then compare the peer with the addresses."""
        connection = await super().connect(*args, **kwargs)
        peer = connection.transport and connection.transport.get_extra_info("peername")
        if not peer or ip_address(peer[0].partition("%")[0]) not in self._addresses:
            connection.close()
            raise aiohttp.ClientConnectionError("connected to an unexpected peer")
        return connection


class _PinnedResolver(AbstractResolver):
    def __init__(self, addresses: tuple[Address, ...]) -> None:
        self._addresses = addresses

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=socket.AF_INET if address.version == 4 else socket.AF_INET6,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in self._addresses
        ]

    async def close(self) -> None:
        """Hold nothing."""
