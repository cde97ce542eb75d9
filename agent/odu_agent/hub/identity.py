"""Who the device is to the hub, and how it proves it.

Shared access signatures are those of "Control access to IoT Hub": HMAC-SHA256 over the escaped
resource, a line feed and the expiry.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

MQTT_PORT = 8883
WEBSOCKET_PORT = 443
TOKEN_SECONDS = 3600.0
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:]{2,45}\]")
_ID = re.compile(r"[A-Za-z0-9\-:.+%_#*?!(),=@$']{1,128}")


class IdentityError(ValueError):
    """A connection string, or a part of it, cannot be used; the message holds no secret."""


@dataclass(frozen=True)
class Address:
    """A host, and a port where it is not the usual one."""

    host: str
    port: int | None = None


@dataclass(frozen=True)
class ClientCertificate:
    """PEM files with which a device proves itself."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class HubIdentity:
    """One device or module at one hub.

    Attributes:
        hub: The hub itself.
        device_id: The device.
        module_id: The module, if it is one.
        gateway: Where to connect instead of the hub.
        sign: Makes the HMAC-SHA256 of a message; None with a certificate. May block.
        certificate: For X.509 devices.
    """

    hub: Address
    device_id: str
    module_id: str | None = None
    gateway: Address | None = None
    sign: Callable[[bytes], bytes] | None = None
    certificate: ClientCertificate | None = None

    @property
    def client_id(self) -> str:
        """As MQTT has it."""
        return self.device_id + (f"/{self.module_id}" if self.module_id else "")

    @property
    def resource(self) -> str:
        """What a shared access signature is for."""
        module = f"/modules/{quote(self.module_id, safe='')}" if self.module_id else ""
        return f"{self.hub.host}/devices/{quote(self.device_id, safe='')}{module}"

    def password(self, expires_at: int) -> str | None:
        """The password for MQTT; None with a certificate."""
        if self.sign is None:
            return None
        return shared_access_signature(self.resource, expires_at, self.sign)


class IdentitySource(Protocol):
    """Finds out who the device is; asked before every try to connect."""

    def resolve(self) -> HubIdentity:
        """The identity. May block on files and the network.

        Raises:
            HubError, OSError: It cannot be had now.
        """

    def forget(self) -> None:
        """The hub did not accept the identity: find it out anew."""


@dataclass(frozen=True)
class FixedIdentity:
    """The identity of a connection string."""

    identity: HubIdentity

    def resolve(self) -> HubIdentity:
        """The identity."""
        return self.identity

    def forget(self) -> None:
        """Nothing to find out."""


def key_signer(key: str) -> Callable[[bytes], bytes]:
    """Sign with a base64 key.

    Raises:
        IdentityError: It is no base64.
    """
    try:
        secret = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        raise IdentityError("SharedAccessKey is not base64") from None
    if not secret:
        raise IdentityError("SharedAccessKey is empty")
    return lambda message: hmac.new(secret, message, hashlib.sha256).digest()


def shared_access_signature(
    resource: str, expires_at: int, sign: Callable[[bytes], bytes], policy: str = ""
) -> str:
    """Make a token for a resource."""
    escaped = quote(resource, safe="")
    signature = base64.b64encode(sign(f"{escaped}\n{expires_at}".encode())).decode()
    token = f"SharedAccessSignature sr={escaped}&sig={quote(signature, safe='')}&se={expires_at}"
    return token + (f"&skn={policy}" if policy else "")


def parse_pairs(text: str) -> dict[str, str]:
    """Read `Name=value;Name=value`.

    Raises:
        IdentityError: Not of that form, or a name appears twice.
    """
    pairs: dict[str, str] = {}
    for part in text.strip().strip(";").split(";"):
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or not name or not value or not value.isprintable():
            raise IdentityError("the connection string is not of the form Name=value;Name=value")
        if name in pairs:
            raise IdentityError(f"the connection string has {name:.40} twice")
        pairs[name] = value
    return pairs


def identity_of(text: str, certificate: ClientCertificate | None) -> HubIdentity:
    """Read a device's connection string.

    Raises:
        IdentityError: A part is missing or malformed.
    """
    pairs = parse_pairs(text)
    identity = HubIdentity(
        hub=address(required(pairs, "HostName")),
        device_id=identifier(pairs, "DeviceId"),
        module_id=identifier(pairs, "ModuleId") if "ModuleId" in pairs else None,
        gateway=address(pairs["GatewayHostName"]) if "GatewayHostName" in pairs else None,
        sign=signer_of(pairs),
        certificate=certificate,
    )
    if identity.sign is None and certificate is None:
        raise IdentityError("the connection source needs certificateFile and privateKeyFile")
    return identity


def signer_of(pairs: Mapping[str, str]) -> Callable[[bytes], bytes] | None:
    """The signer of a connection string; None where it says `x509=true`."""
    if pairs.get("x509", "").lower() == "true":
        return None
    if "SharedAccessKey" not in pairs:
        raise IdentityError("the connection string has neither SharedAccessKey nor x509=true")
    return key_signer(pairs["SharedAccessKey"])


def required(pairs: Mapping[str, str], name: str) -> str:
    """A part that must be there.

    Raises:
        IdentityError: It is not.
    """
    if name not in pairs:
        raise IdentityError(f"the connection string has no {name}")
    return pairs[name]


def identifier(pairs: Mapping[str, str], name: str) -> str:
    """A device's, module's or registration's id.

    Raises:
        IdentityError: It is missing or has characters that none has.
    """
    value = required(pairs, name)
    if not _ID.fullmatch(value):
        raise IdentityError(f"{name} has characters that the hub does not allow, or is too long")
    return value


def address(text: str) -> Address:
    """Read `host` or `host:port`.

    Raises:
        IdentityError: It is neither.
    """
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, ""
    if not _HOST.fullmatch(host) or (colon and port and not _is_port(port)) or text.endswith(":"):
        raise IdentityError("a host name must be of the form host or host:port")
    return Address(host, int(port) if port else None)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdecimal() and 0 < int(text) < 65536
