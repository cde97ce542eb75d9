"""The Device Provisioning Service: which hub, and which device there, a registration stands for.

The registration's HTTPS API, version 2021-06-01. An assignment is kept, and asked for again when
the hub no longer accepts it.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..state import JsonFile
from . import CredentialsError, HubError
from .https import Answer, request, tls_connection
from .identity import (
    Address,
    ClientCertificate,
    HubIdentity,
    IdentityError,
    address,
    identifier,
    parse_pairs,
    required,
    shared_access_signature,
    signer_of,
)

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable
    from pathlib import Path

logger = logging.getLogger(__name__)

GLOBAL_ENDPOINT = "global.azure-devices-provisioning.net"
_API = "api-version=2021-06-01"
_TOKEN_SECONDS = 3600
_LONGEST_ASSIGNMENT_SECONDS = 120.0
_POLL_SECONDS = 2.0
_MOST_POLL_SECONDS = 30.0


@dataclass(frozen=True)
class Registration:
    """What a device knows to be provisioned."""

    endpoint: Address
    id_scope: str
    registration_id: str
    sign: Callable[[bytes], bytes] | None
    certificate: ClientCertificate | None

    @property
    def resource(self) -> str:
        """What its shared access signature is for."""
        return f"{self.id_scope}/registrations/{self.registration_id}"


def registration_of(text: str, certificate: ClientCertificate | None) -> Registration:
    """Read `IdScope=...;RegistrationId=...;SharedAccessKey=...` (or `x509=true`).

    Raises:
        IdentityError: A part is missing or malformed.
    """
    pairs = parse_pairs(text)
    registration = Registration(
        endpoint=address(pairs.get("GlobalEndpoint", GLOBAL_ENDPOINT)),
        id_scope=required(pairs, "IdScope"),
        registration_id=identifier(pairs, "RegistrationId"),
        sign=signer_of(pairs),
        certificate=certificate,
    )
    if registration.sign is None and certificate is None:
        raise IdentityError("the connection source needs certificateFile and privateKeyFile")
    return registration


class ProvisionedIdentity:
    """The identity that a registration was assigned.

    Args:
        registration: What to register.
        file: Keeps the assignment.
        context: Makes the TLS context, with the device's certificate if it has one.
        proxy: Of HTTPS.
    """

    def __init__(
        self,
        registration: Registration,
        file: Path,
        context: Callable[[ClientCertificate | None], ssl.SSLContext],
        proxy: tuple[str, int] | None = None,
    ) -> None:
        self._registration = registration
        self._file = JsonFile(file)
        self._context = context
        self._proxy = proxy
        self._is_stale = False

    def resolve(self) -> HubIdentity:
        """The assignment as it is kept, or a new one.

        Raises:
            HubError, OSError: The service gives none now.
        """
        kept = self._file.read()
        own = [self._registration.id_scope, self._registration.registration_id]
        if self._is_stale or kept.get("registration") != own or not kept.get("hub"):
            hub, device_id = self._register()
            kept = {"registration": own, "hub": hub, "deviceId": device_id}
            self._file.update(kept)
            self._is_stale = False
        return HubIdentity(
            hub=address(kept["hub"]),
            device_id=kept["deviceId"],
            sign=self._registration.sign,
            certificate=self._registration.certificate,
        )

    def forget(self) -> None:
        """Register anew before the next try."""
        self._is_stale = True

    def _register(self) -> tuple[str, str]:
        registration_id = self._registration.registration_id
        answer = self._request("PUT", "register", {"registrationId": registration_id})
        deadline = time.monotonic() + _LONGEST_ASSIGNMENT_SECONDS
        while answer.members.get("status") == "assigning":
            if time.monotonic() > deadline:
                raise HubError("the provisioning service assigns no hub in time")
            time.sleep(_wait_of(answer))
            operation = quote(str(answer.members.get("operationId")), safe="")
            answer = self._request("GET", f"operations/{operation}", None)
        state = answer.members.get("registrationState")
        state = state if isinstance(state, dict) else {}
        hub, device_id = state.get("assignedHub"), state.get("deviceId")
        is_assigned = answer.members.get("status") == "assigned"
        if not is_assigned or not isinstance(hub, str) or not isinstance(device_id, str):
            status = str(answer.members.get("status") or state.get("status") or "no assignment")
            raise CredentialsError(f"the provisioning service says: {status:.40}")
        logger.info("provisioned: %s at %s", device_id, hub)
        return hub, device_id

    def _request(self, method: str, what: str, body: dict[str, Any] | None) -> Answer:
        registration = self._registration
        scope = quote(registration.id_scope, safe="")
        name = quote(registration.registration_id, safe="")
        headers = {"User-Agent": "odu-agent"}
        if registration.sign is not None:
            headers["Authorization"] = shared_access_signature(
                registration.resource,
                int(time.time()) + _TOKEN_SECONDS,
                registration.sign,
                policy="registration",
            )
        connection = tls_connection(
            registration.endpoint.host,
            registration.endpoint.port or 443,
            self._context(registration.certificate),
            self._proxy,
        )
        path = f"/{scope}/registrations/{name}/{what}?{_API}"
        answer = request(connection, method, path, body=body, headers=headers)
        if answer.status in (401, 403, 404):
            raise CredentialsError(f"the provisioning service answered {answer.status}")
        if answer.status not in (200, 202):
            raise HubError(f"the provisioning service answered {answer.status}")
        return answer


def _wait_of(answer: Answer) -> float:
    seconds = answer.headers.get("Retry-After", answer.headers.get("retry-after", ""))
    given = float(seconds) if seconds.isascii() and seconds.isdecimal() else _POLL_SECONDS
    return min(given, _MOST_POLL_SECONDS)
