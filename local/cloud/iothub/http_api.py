"""The hub's HTTPS service API: routing, authorization, throttling and error answers.

Each resource has a module that lists its routes; this one puts the common steps around them.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import uuid
from codecs import BOM_UTF8
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from local.cloud.iothub import limits
from local.cloud.iothub.errors import HubError, invalid

if TYPE_CHECKING:
    from local.cloud.iothub.auth import Right
    from local.cloud.iothub.hub import Hub
    from local.cloud.iothub.limits import Meter
    from local.cloud.iothub.twin import Json

_log = logging.getLogger(__name__)
_BODY_TIME = 60.0

HUB = web.AppKey("HUB", object)


@dataclass(frozen=True, slots=True)
class Call:
    """One authorized request."""

    hub: Hub
    request: web.Request

    def path(self, name: str) -> str:
        """Return a part of the address, decoded."""
        return self.request.match_info[name]

    @property
    def if_match(self) -> str | None:
        """The If-Match header."""
        return self.request.headers.get("If-Match")

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """Return a number of the query string, kept within bounds.

        Raises:
            HubError: 400.
        """
        return read_number(name, self.request.query.get(name), default, low, high)

    async def json(self) -> Any:
        """Return the body.

        Raises:
            HubError: 400 or 413.
        """
        try:
            async with asyncio.timeout(_BODY_TIME):
                body = await self.request.read()
            return msgspec.json.decode(body.removeprefix(BOM_UTF8))
        except web.HTTPRequestEntityTooLarge as error:
            raise HubError(413, "RequestTooLarge", "The body is too large.") from error
        except (msgspec.DecodeError, RecursionError) as error:
            raise invalid(f"The body is no valid JSON: {error}.") from error
        except TimeoutError as error:
            raise HubError(408, "RequestTimeout", "The body did not arrive in time.") from error

    async def json_object(self) -> Json:
        """Return the body, an object.

        Raises:
            HubError: 400 or 413.
        """
        body = await self.json()
        if not isinstance(body, dict):
            raise invalid("The body must be a JSON object.")
        return body


type Handler = Callable[[Call], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the API."""

    method: str
    path: str
    handler: Handler
    right: Right
    meter: Meter | None = None
    versioned: bool = True
    """Whether callers must say `api-version`, as the real hub requires."""


def add_routes(app: web.Application, hub: Hub, routes: tuple[Route, ...]) -> None:
    """Add operations to an application."""
    for route in routes:
        app.router.add_route(route.method, route.path, _guarded(hub, route))


def answer(
    body: object, status: int = HTTPStatus.OK, headers: dict[str, str] | None = None
) -> web.Response:
    """Return a JSON response."""
    return web.Response(
        body=msgspec.json.encode(body),
        status=status,
        headers=headers,
        content_type="application/json",
        charset="utf-8",
    )


def etag_header(etag: str) -> dict[str, str]:
    """Return the ETag header of a document."""
    return {"ETag": f'"{etag}"'}


def read_number(name: str, text: str | None, default: float, low: float, high: float) -> float:
    """Return a number, kept within bounds.

    Raises:
        HubError: 400.
    """
    try:
        number = default if text is None else float(text)
    except ValueError as error:
        raise invalid(f"{name} must be a number.") from error
    return max(low, min(number, high)) if number == number else default


def _guarded(hub: Hub, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            token = request.headers.get("Authorization", "")
            hub.authority.check_service(token, request.path, route.right)
            if route.versioned and "api-version" not in request.query:
                raise invalid("The parameter api-version is missing.")
            if route.meter:
                hub.throttle.take(route.meter)
            return await route.handler(Call(hub, request))
        except HubError as error:
            return problem(error)
        except sqlite3.Error as error:
            _log.error("%s %s: %s", request.method, route.path, error)
            return problem(HubError(500, "ServerError", "The hub's state cannot be written."))

    return handle


def problem(error: HubError) -> web.Response:
    """Return the answer that tells of an error."""
    tracking = uuid.uuid4().hex.upper()
    headers = {"iothub-errorcode": error.code}
    if error.retry_after is not None:
        headers["Retry-After"] = str(error.retry_after)
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "SharedAccessSignature"
    body = {
        "Message": f"ErrorCode:{error.code};{error.message}",
        "ExceptionMessage": f"Tracking ID:{tracking}",
    }
    return answer(body, error.status, headers)


@web.middleware
async def plain_errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Answer unknown addresses in the hub's error format, and only to who may use the hub."""
    try:
        return await handler(request)
    except web.HTTPNotFound:
        return problem(HubError(404, "NotFound", "There is no such resource."))
    except web.HTTPMethodNotAllowed:
        return problem(HubError(405, "MethodNotAllowed", "The resource has no such operation."))


def new_application() -> web.Application:
    """Return an application without routes."""
    return web.Application(middlewares=[plain_errors], client_max_size=limits.REQUEST_BODY_SIZE)
