"""The IoT Identity Service of IoT Edge devices, over its unix sockets.

It says which identity the caller's user was given, and its key service signs: no key is ever in
this process. API version 2020-09-01, as documented at azure.github.io/iot-identity-service.
"""

from __future__ import annotations

import base64
import binascii
from functools import partial
from pathlib import Path
from typing import Any

from . import CredentialsError, HubError
from .https import UnixConnection, request
from .identity import HubIdentity, IdentityError, address

IDENTITY_SOCKET = Path("/run/aziot/identityd.sock")
KEY_SOCKET = Path("/run/aziot/keyd.sock")
_API = "api-version=2020-09-01"


class ServiceIdentity:
    """The identity that the service gives this process; asked for at every connect."""

    def __init__(
        self, identity_socket: Path = IDENTITY_SOCKET, key_socket: Path = KEY_SOCKET
    ) -> None:
        self._identity_socket = identity_socket
        self._key_socket = key_socket

    def resolve(self) -> HubIdentity:
        """The identity of the caller.

        Raises:
            HubError, OSError: The service does not give it.
        """
        answer = request(
            UnixConnection(self._identity_socket), "GET", f"/identities/identity?{_API}"
        )
        if answer.status in (401, 403):
            raise CredentialsError(
                "the identity service has no identity for this user: name it as a principal"
            )
        spec, auth = answer.members.get("spec"), None
        auth = spec.get("auth") if isinstance(spec, dict) else None
        if answer.status != 200 or not isinstance(spec, dict) or not isinstance(auth, dict):
            raise HubError(f"the identity service answered {answer.status}")
        if auth.get("type") != "sas":
            raise CredentialsError(
                "the identity service gives an X.509 identity, whose key cannot leave it; "
                "configure symmetric keys for the principal"
            )
        try:
            return self._identity(spec, str(auth.get("keyHandle")))
        except (KeyError, TypeError, IdentityError):
            raise HubError("the identity service gives an incomplete identity") from None

    def forget(self) -> None:
        """It is asked every time anyway."""

    def _identity(self, spec: dict[str, Any], key_handle: str) -> HubIdentity:
        hub, gateway = address(spec["hubName"]), spec.get("gatewayHost")
        gateway_address = address(gateway) if gateway else None
        return HubIdentity(
            hub=hub,
            device_id=spec["deviceId"],
            module_id=spec.get("moduleId"),
            gateway=None if gateway_address == hub else gateway_address,
            sign=partial(self._sign, key_handle),
        )

    def _sign(self, key_handle: str, message: bytes) -> bytes:
        body = {
            "keyHandle": key_handle,
            "algorithm": "HMAC-SHA256",
            "parameters": {"message": base64.b64encode(message).decode()},
        }
        answer = request(UnixConnection(self._key_socket), "POST", f"/sign?{_API}", body=body)
        try:
            return base64.b64decode(answer.members["signature"], validate=True)
        except (KeyError, TypeError, binascii.Error):
            raise HubError(f"the key service answered {answer.status}") from None
