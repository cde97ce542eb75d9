"""Serves `PUT /{scope}/registrations/{id}/register` and the look-up of its operation.

It answers 202 first, as the real service does, and the assignment at the first look-up. A device
proves itself by a shared access signature with its own key or one derived from its group's, or by a
certificate whose common name is its registration id.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from aiohttp import web
from cryptography import x509

from local.cloud.iothub.auth import parse
from local.cloud.iothub.certificates import common_name
from local.cloud.iothub.errors import HubError

if TYPE_CHECKING:
    import socket

_RETRY_SECONDS = "0"


@dataclass(frozen=True, slots=True)
class Enrollment:
    """What a registration id is assigned; `key` is base64, None for a certificate."""

    hub: str
    device_id: str
    key: str | None = None


@dataclass(slots=True)
class Provisioning:
    """The service.

    Attributes:
        scope: The id scope.
        enrollments: Individual ones, by registration id.
        requests: Registrations that were admitted, in order.
    """

    scope: str
    enrollments: dict[str, Enrollment]
    requests: list[str] = field(default_factory=list)
    operations: dict[str, str] = field(default_factory=dict)

    async def start(self, sock: socket.socket, context: ssl.SSLContext) -> web.AppRunner:
        """Serve on a bound socket; `cleanup` of what is returned ends it."""
        app = web.Application()
        app.router.add_put("/{scope}/registrations/{id}/register", self._register)
        app.router.add_get("/{scope}/registrations/{id}/operations/{operation}", self._look_up)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.SockSite(runner, sock, ssl_context=context).start()
        return runner

    async def _register(self, request: web.Request) -> web.Response:
        name = self._admit(request)
        body = await request.json()
        if body.get("registrationId") != name:
            raise web.HTTPBadRequest(text="registrationId is not that of the path")
        self.requests.append(name)
        operation = secrets.token_hex(8)
        self.operations[operation] = name
        answer = {"operationId": operation, "status": "assigning"}
        return web.json_response(answer, status=202, headers={"Retry-After": _RETRY_SECONDS})

    async def _look_up(self, request: web.Request) -> web.Response:
        name = self._admit(request)
        operation = request.match_info["operation"]
        if self.operations.get(operation) != name:
            raise web.HTTPNotFound
        enrollment = self.enrollments[name]
        state: dict[str, Any] = {
            "registrationId": name,
            "assignedHub": enrollment.hub,
            "deviceId": enrollment.device_id,
            "status": "assigned",
        }
        answer = {"operationId": operation, "status": "assigned", "registrationState": state}
        return web.json_response(answer)

    def _admit(self, request: web.Request) -> str:
        name = request.match_info["id"]
        enrollment = self.enrollments.get(name)
        if request.match_info["scope"] != self.scope or enrollment is None:
            raise web.HTTPNotFound
        if enrollment.key is None:
            tls = request.transport and request.transport.get_extra_info("ssl_object")
            shown = tls.getpeercert(binary_form=True) if tls else None
            if shown is None or common_name(x509.load_der_x509_certificate(shown)) != name:
                raise web.HTTPUnauthorized
            return name
        try:
            token = parse(request.headers.get("Authorization", ""))
        except HubError as error:
            raise web.HTTPUnauthorized(text=error.message) from None
        is_own = unquote(token.resource) == f"{self.scope}/registrations/{name}"
        if not is_own or token.policy != "registration" or not token.is_signed_with(enrollment.key):
            raise web.HTTPUnauthorized
        return name


def derived_key(group_key: str, registration_id: str) -> str:
    """The key of a device of an enrollment group."""
    digest = hmac.digest(base64.b64decode(group_key), registration_id.encode(), hashlib.sha256)
    return base64.b64encode(digest).decode()
