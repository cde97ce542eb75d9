"""Shared access signatures: who may do what.

A token reads `SharedAccessSignature sr=<resource>&sig=<signature>&se=<expiry>[&skn=<policy>]`. The
signature is HMAC-SHA256 over the resource exactly as received, a line feed and the expiry, keyed
with the decoded base64 key of a policy or, without `skn`, of a device ("Control access to IoT
Hub").
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import time
from dataclasses import dataclass
from enum import Flag, auto
from typing import TYPE_CHECKING
from urllib.parse import unquote

from local.cloud.iothub.errors import unauthorized

if TYPE_CHECKING:
    from collections.abc import Iterable

_SCHEME = "SharedAccessSignature "
_TOKEN_LENGTH = 4096
_EXPIRY_DIGITS = 15


class Right(Flag):
    """Permissions of shared access policies."""

    REGISTRY_READ = auto()
    REGISTRY_WRITE = auto()
    SERVICE_CONNECT = auto()
    ADMINISTER = auto()
    """Use of the stand-in's own switches."""


OWNER = Right.REGISTRY_READ | Right.REGISTRY_WRITE | Right.SERVICE_CONNECT | Right.ADMINISTER
SERVICE = Right.REGISTRY_READ | Right.SERVICE_CONNECT


@dataclass(frozen=True, slots=True)
class Token:
    """A parsed token whose signature nobody has checked yet."""

    resource: str
    """As received, still percent-encoded."""
    signature: bytes
    expiry: str
    policy: str = ""

    @property
    def expires_at(self) -> float:
        """Seconds since 1970."""
        return float(self.expiry)

    @property
    def host(self) -> str:
        """Host of the resource, lower case, without a port."""
        return unquote(self.resource).split("/", 1)[0].lower().rsplit(":", 1)[0]

    @property
    def path(self) -> str:
        """Path of the resource, without slashes at its ends."""
        return unquote(self.resource).partition("/")[2].strip("/")

    def is_signed_with(self, key: str) -> bool:
        """Tell whether the signature was made with this base64 key."""
        return hmac.compare_digest(sign(self.resource, self.expiry, key), self.signature)


@dataclass(frozen=True, slots=True)
class Policy:
    """A shared access policy of the hub."""

    key: str
    rights: Right


def sign(resource: str, expiry: str, key: str) -> bytes:
    """Return the signature over a resource and its expiry."""
    message = f"{resource}\n{expiry}".encode()
    return hmac.digest(base64.b64decode(key), message, hashlib.sha256)


def parse(text: str) -> Token:
    """Read a token.

    Raises:
        HubError: 401, malformed or expired.
    """
    if not text.startswith(_SCHEME) or len(text) > _TOKEN_LENGTH:
        raise unauthorized("A shared access signature is required.")
    fields = dict(_pairs(text.removeprefix(_SCHEME)))
    try:
        signature = base64.b64decode(unquote(fields["sig"]), validate=True)
        token = Token(fields["sr"], signature, fields["se"], unquote(fields.get("skn", "")))
    except (KeyError, ValueError, binascii.Error) as error:
        raise unauthorized("The shared access signature is malformed.") from error
    if not (token.expiry.isascii() and token.expiry.isdigit()):
        raise unauthorized("The expiry of the shared access signature is no number.")
    if len(token.expiry) > _EXPIRY_DIGITS or token.expires_at <= time.time():
        raise unauthorized("The shared access signature has expired.")
    return token


class Authority:
    """Checks tokens of services against the hub's policies, and of devices against their keys."""

    def __init__(self, hosts: Iterable[str], policies: dict[str, Policy]) -> None:
        self._hosts = frozenset(host.lower() for host in hosts)
        self._policies = policies

    def knows_host(self, host: str) -> bool:
        """Tell whether clients may call this hub by that name, with or without a port."""
        return host.lower().rsplit(":", 1)[0] in self._hosts

    def check_service(self, text: str, path: str, needed: Right) -> None:
        """Check the Authorization header of a service call to `path`.

        Raises:
            HubError: 401.
        """
        token = parse(text)
        policy = self._policies.get(token.policy)
        if policy is None or not token.is_signed_with(policy.key):
            raise unauthorized("The signature fits no policy of this hub.")
        if needed not in policy.rights:
            raise unauthorized(f"The policy {token.policy!r} lacks the right to do this.")
        if token.host not in self._hosts or not _covers(token.path, path.strip("/")):
            raise unauthorized("The shared access signature is for another resource.")

    def check_device(self, text: str, path: str, keys: Iterable[str | None]) -> float:
        """Check the password of a device whose resource is `path`; return its expiry.

        Raises:
            HubError: 401.
        """
        token = parse(text)
        if token.host not in self._hosts or token.path != path:
            raise unauthorized("The shared access signature is for another device.")
        if not any(token.is_signed_with(key) for key in keys if key):
            raise unauthorized("The signature fits no key of the device.")
        return token.expires_at


def _covers(granted: str, path: str) -> bool:
    return not granted or path == granted or path.startswith(granted + "/")


def _pairs(text: str) -> Iterable[tuple[str, str]]:
    for part in text.split("&"):
        name, _, value = part.partition("=")
        yield name, value
