"""Ways to the content: a cache on the gateway or a caching proxy first, then the origin.

Microsoft Connected Cache is asked as Delivery Optimization asks it: the same path and query at the
cache's host, with the origin's host in the parameter `cacheHostOrigin`. Any HTTP proxy will do
instead. What a cache sends is believed as little as anything else; where it fails, the origin is
asked. An https address with a query is never sent over http, for that holds a signature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

import urllib3

from .contract.codes import Erc
from .fetching import DownloadError

if TYPE_CHECKING:
    import ssl

USER_AGENT = "odu-agent"


@dataclass(frozen=True)
class Route:
    """One way to one file.

    Attributes:
        name: For the log.
        url: What to ask for.
        pool: Whom to ask.
    """

    name: str
    url: str
    pool: urllib3.PoolManager


class Routes:
    """The ways of a device.

    Args:
        context: What TLS trusts.
        cache: `http://host[:port]` or `https://...` of a Connected Cache.
        proxy: `http://host[:port]` of an HTTP proxy.
        connections: At most, to one host.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        *,
        cache: str | None = None,
        proxy: str | None = None,
        connections: int = 4,
    ) -> None:
        options: dict[str, Any] = {
            "ssl_context": context,
            "retries": False,
            "maxsize": connections,
            "headers": {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        }
        self._direct = urllib3.PoolManager(**options)
        self._proxy = urllib3.ProxyManager(proxy, **options) if proxy else None
        self._cache = urlsplit(cache) if cache else None

    def of(self, url: str) -> list[Route]:
        """The ways to an address, the best first.

        Raises:
            DownloadError: It is no address.
        """
        check_url(url)
        ways = []
        parts = urlsplit(url)
        cache = self._cache
        is_secret = parts.scheme == "https" and bool(parts.query)
        if cache is not None and (cache.scheme == "https" or not is_secret):
            origin = f"cacheHostOrigin={quote(parts.netloc, safe='')}"
            query = f"{parts.query}&{origin}" if parts.query else origin
            address = urlunsplit((cache.scheme, cache.netloc, parts.path, query, ""))
            ways.append(Route("cache", address, self._direct))
        if self._proxy is not None:
            ways.append(Route("proxy", url, self._proxy))
        return [*ways, Route("origin", url, self._direct)]

    def close(self) -> None:
        """Give up idle connections."""
        self._direct.clear()
        if self._proxy is not None:
            self._proxy.clear()


def check_url(url: str) -> None:
    """Refuse what is no http or https URL.

    Raises:
        DownloadError: It is none.
    """
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        is_usable = False
    if not is_usable:
        raise DownloadError(Erc.DOWNLOAD_INVALID_URL, "the address is no http or https URL")
