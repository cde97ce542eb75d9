"""Turns the declaration of a REST operation into an HTTP function.

Version, token, role, body and errors are handled here, so that a handler only calls a service.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, TypedDict, Unpack
from urllib.parse import unquote

import azure.functions as func
import msgspec

from shared.container import Container, container
from shared.domain.access import Action, authorize
from shared.domain.errors import DeviceUpdateError, InvalidInput, NotFound
from shared.domain.operation import Failure
from shared.domain.strict_json import NotStrictJson, loads_strict
from shared.http import wire
from shared.http.models import ErrorResponse
from shared.http.page_token import open_token, seal_token
from shared.http.problems import UnsupportedMediaType, headers_of, status_of
from shared.http.route import API_VERSIONS, JSON, Method, QueryParameter, Route
from shared.ports import Page

MAX_BODY_BYTES = 4 << 20
POLL_SECONDS = 1
"""What callers of long-running operations are told to wait between polls."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """One authorized request to an instance."""

    app: Container
    route: Route
    instance: str
    api_version: str
    request: func.HttpRequest

    def part(self, name: str) -> str:
        """A value from the path, decoded."""
        return unquote(self.request.route_params[name])

    def query(self, name: str) -> str | None:
        """A value from the query."""
        value = self.request.params.get(name)
        return None if value is None else str(value)

    def json(self) -> Any:
        """The JSON body, read strictly.

        Raises:
            InvalidInput: It is no JSON, too large, or of another content type.
        """
        given = (self.request.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
        if given != self.route.body_type:
            raise UnsupportedMediaType(
                f"The body must be {self.route.body_type}, not {given or 'untyped'}.",
                target="Content-Type",
            )
        try:
            return loads_strict(self.request.get_body(), max_bytes=MAX_BODY_BYTES)
        except NotStrictJson as error:
            raise InvalidInput(f"The body cannot be read: {error}.", target="body") from error

    def body[T](self, kind: type[T]) -> T:
        """The body as an object of the API.

        Raises:
            InvalidInput: It is none; `target` is the JSON pointer of the member at fault.
        """
        document = self.json()
        try:
            return msgspec.convert(document, kind)
        except msgspec.ValidationError as error:
            reason, _, place = str(error).partition(" - at ")
            raise InvalidInput(f"{reason}.", target=_pointer(place)) from error

    def path(self, *segments: str, **query: str) -> str:
        """A relative address below the instance, of the caller's api-version."""
        return wire.path(self.instance, *segments, **{"api-version": self.api_version, **query})

    def page_token(self) -> str | None:
        """Where the page asked for begins."""
        return open_token(self.app.sealer, self._scope(), self.query("token"))

    def page(self, items: list[Any], page: Page[Any]) -> dict[str, Any]:
        """One page of a listing, with the address of the next."""
        body: dict[str, Any] = {"value": items}
        if page.token is not None:
            sealed = seal_token(self.app.sealer, self._scope(), page.token)
            given = {
                item.name: value
                for item in self.route.query
                if (value := self.query(item.name)) is not None
            }
            segments = self.request.url.partition("?")[0].partition("/deviceUpdate/")[2]
            address = [unquote(part) for part in segments.split("/")[1:]]
            body["nextLink"] = self.path(*address, **{**given, "token": sealed})
        return body

    def _scope(self) -> str:
        """What a page token is good for: this list of this instance with this query."""
        values = [self.query(item.name) for item in self.route.query if item.name != "top"]
        return repr([self.route.name, self.instance, dict(self.request.route_params), values])


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with headers of its own, or without a body."""

    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


type Handler = Callable[[Call], Awaitable[Any]]


class Declaration(TypedDict, total=False):
    """What a declaration may say besides method, path and action."""

    status: HTTPStatus
    answer: Any
    body: Any
    body_type: str
    query: tuple[QueryParameter, ...]
    statuses: tuple[HTTPStatus, ...]
    is_long_running: bool
    is_conditional: bool


class Api:
    """The operations of one resource: a blueprint to register and the declarations it serves."""

    def __init__(self) -> None:
        self.blueprint = func.Blueprint()
        self.routes: list[Route] = []

    def operation(
        self, method: Method, path: str, action: Action, **declared: Unpack[Declaration]
    ) -> Callable[[Handler], Handler]:
        """Serve a handler at a path below an instance, for callers whose roles have the action."""

        def register(handler: Handler) -> Handler:
            route = Route(
                name=handler.__name__,
                method=method,
                path=path,
                action=action,
                summary=(handler.__doc__ or "").strip(),
                status=declared.get("status", HTTPStatus.OK),
                answer=declared.get("answer"),
                body=declared.get("body"),
                body_type=declared.get("body_type", JSON),
                query=declared.get("query", ()),
                statuses=declared.get("statuses", ()),
                is_long_running=declared.get("is_long_running", False),
                is_conditional=declared.get("is_conditional", False),
            )
            self.routes.append(route)

            async def run(req: func.HttpRequest) -> func.HttpResponse:
                return await _serve(route, handler, req)

            run.__name__ = route.name
            self.blueprint.function_name(route.name)(
                self.blueprint.route(
                    route=f"deviceUpdate/{{instanceId}}/{path}",
                    methods=[method],
                    auth_level=func.AuthLevel.ANONYMOUS,
                )(run)
            )
            return handler

        return register


def problem(error: DeviceUpdateError) -> func.HttpResponse:
    """The answer for a domain error."""
    status = status_of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("answered %d: %s", status, error.message)
    body = ErrorResponse(error=wire.error(Failure.of(error), datetime.now(UTC).isoformat()))
    return _response(body, status, headers_of(error))


async def _serve(route: Route, handler: Handler, request: func.HttpRequest) -> func.HttpResponse:
    try:
        app = container()
        principal = await app.tokens.validate(request.headers.get("Authorization"))
        instance = unquote(request.route_params["instanceId"])
        authorize(principal.roles, instance, route.action)
        if instance not in app.settings.instances:
            raise NotFound(f"Instance '{instance}' does not exist.", target="instanceId")
        result = await handler(Call(app, route, instance, _version(request), request))
    except DeviceUpdateError as error:
        return problem(error)
    reply = result if isinstance(result, Reply) else Reply(result)
    headers = dict(reply.headers)
    if route.is_conditional:
        headers["ETag"] = tag = reply.body.etag
        given = request.headers.get("If-None-Match")
        if given and given in (tag, "*"):
            return _response(None, HTTPStatus.NOT_MODIFIED, {"ETag": tag})
    return _response(reply.body, route.status, headers)


def _response(body: Any, status: HTTPStatus, headers: Mapping[str, str]) -> func.HttpResponse:
    if body is None:
        return func.HttpResponse(b"", status_code=status, headers=dict(headers))
    return func.HttpResponse(
        msgspec.json.encode(body), status_code=status, headers=dict(headers), mimetype=JSON
    )


def _version(request: func.HttpRequest) -> str:
    version = request.params.get("api-version")
    if version not in API_VERSIONS:
        known = " or ".join(API_VERSIONS)
        raise InvalidInput(f"The query needs api-version={known}.", target="api-version")
    return str(version)


def _pointer(place: str) -> str:
    """A msgspec path such as `$.update.updateId` or `$[0].url` as a JSON pointer."""
    steps = place.strip("`").removeprefix("$").replace("[", "/").replace("]", "").replace(".", "/")
    return steps or "/"
