"""Which URLs and which addresses the service may fetch from, for callers choose them freely.

Without these rules an import request could make the service read its own metadata endpoint, the
storage of a neighbour on the private network or a loopback port (SSRF). A URL is parsed once, here;
whoever fetches uses the parts of `SourceUrl` and checks every address it is about to connect to.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from shared.domain.errors import InvalidInput

MAX_URL_LENGTH = 8192
FILTERED = "SourceFiltered"
"""Code for hosts that the service's own list leaves out; no caller is told it."""

Address = IPv4Address | IPv6Address

_CHARACTERS = re.compile(r"[!-~]+")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LOOPBACK_NAME = "localhost"

_CLOSED_IPV4 = tuple(
    IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure wire server and DNS: public by number, private by nature
        "169.254.0.0/16",  # link local, instance metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # IETF protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
_OPEN_IPV6 = IPv6Network("2000::/3")  # global unicast; all else is special
_CLOSED_IPV6 = tuple(
    IPv6Network(network)
    for network in (
        "2001::/23",  # IETF protocol assignments, Teredo
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class SourceUrl:
    """The parts of a checked URL; `target` (path and query) may be secret.

    `host` is lower case without a trailing dot; `literal` is its address when it is no name.
    """

    scheme: str
    host: str
    port: int
    target: str = field(repr=False)
    literal: Address | None = None

    @property
    def authority(self) -> str:
        """Scheme, host and port, which are never secret."""
        host = f"[{self.host}]" if isinstance(self.literal, IPv6Address) else self.host
        return f"{self.scheme}://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SourcePolicy:
    """What the operator allows.

    Args:
        allow_loopback: Also fetch from loopback addresses, by http too and from any port: for
            development on one machine. No other private address is ever allowed.
        host_suffixes: If not empty, only hosts that equal or end in one of these domains.
        ports: Ports that may be asked for.
        max_redirects: How many redirects to follow, at most 3; each hop is checked like the first.
    """

    allow_loopback: bool = False
    host_suffixes: tuple[str, ...] = ()
    ports: frozenset[int] = frozenset({443})
    max_redirects: int = 0

    def check_url(self, url: str) -> SourceUrl:
        """Parse a URL and check everything that can be judged without resolving its host.

        Raises:
            InvalidInput: Code `SourceRefused`, of a host that is not listed `FILTERED`; the message
                never holds the path or the query.
        """
        source = _parse(url)
        if self._is_loopback_host(source):
            return source
        if source.literal is not None:
            raise _refused("must name its host, not give an address")
        if source.scheme != "https" and not self.allow_loopback:
            raise _refused("must be https")
        if "." not in source.host:
            raise _refused("must name its host in full")
        if self.host_suffixes and not self._is_listed(source.host):
            raise _refused("names a host that this service may not fetch from", FILTERED)
        if source.port not in self.ports and not self.allow_loopback:
            raise _refused("asks for a port that this service may not fetch from")
        return source

    def check_address(self, source: SourceUrl, address: Address) -> None:
        """Check one address that the host of a URL resolves to.

        Raises:
            InvalidInput: Code `SourceRefused`; the message does not tell the address.
        """
        if address.is_loopback and self.allow_loopback:
            return
        if source.scheme != "https" or source.port not in self.ports or not is_public(address):
            raise _refused("leads to a server that this service may not fetch from")

    def _is_loopback_host(self, source: SourceUrl) -> bool:
        if not self.allow_loopback:
            return False
        if source.literal is not None:
            return source.literal.is_loopback
        return source.host == _LOOPBACK_NAME

    def _is_listed(self, host: str) -> bool:
        suffixes = (suffix.lower().strip(".") for suffix in self.host_suffixes)
        return any(host == suffix or host.endswith(f".{suffix}") for suffix in suffixes)


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet and to nothing special on it.

    Stricter than `ipaddress.is_global`, which lets the Azure wire server, multicast and tunnelled
    private addresses pass.
    """
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _CLOSED_IPV4)
    if address in _NAT64:
        return is_public(IPv4Address(address.packed[-4:]))
    return address in _OPEN_IPV6 and not any(address in network for network in _CLOSED_IPV6)


def redact(url: str) -> str:
    """Return what of a URL may be shown: scheme, host and path, never user, query or fragment."""
    shown = re.sub(r"[^!-~]", "", re.split(r"[?#;]", url, maxsplit=1)[0])[:300]
    scheme, separator, rest = shown.partition("://")
    authority, slash, path = rest.partition("/")
    host = authority.rpartition("@")[2]
    ending = "?…" if re.search(r"[?#;]", url) else ""
    return f"{scheme}{separator}{host}{slash}{path}{ending}" if separator else f"…{ending}"


def _parse(url: str) -> SourceUrl:
    if len(url) > MAX_URL_LENGTH or not _CHARACTERS.fullmatch(url) or "\\" in url:
        raise _refused(f"must have at most {MAX_URL_LENGTH} printable ASCII characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _refused("is malformed") from None
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise _refused("must be an https URL with a host")
    if "@" in parts.netloc or "#" in url:
        raise _refused("must have neither user nor fragment")
    if port == 0:
        raise _refused("is malformed")
    bracketed = parts.netloc.startswith("[")
    host = parts.hostname.removesuffix(".")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return SourceUrl(
        scheme=parts.scheme,
        host=host,
        port=port or (443 if parts.scheme == "https" else 80),
        target=target,
        literal=_literal(host, bracketed=bracketed),
    )


def _literal(host: str, *, bracketed: bool) -> Address | None:
    """Return the address that a host spells, or None for a name; odd spellings are refused."""
    labels = host.split(".")
    if bracketed or _NUMERIC_LABEL.fullmatch(labels[-1]):
        try:
            address = ip_address(host)
        except ValueError:
            raise _refused("spells an address in an unusual way") from None
        if isinstance(address, IPv6Address) and (address.scope_id or not bracketed):
            raise _refused("spells an address in an unusual way")
        return address
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _refused("has a malformed host name (write international names in their xn-- form)")
    return None


def _refused(reason: str, code: str = "SourceRefused") -> InvalidInput:
    return InvalidInput(f"The source URL {reason}.", code=code)
