"""Turns a route declaration into an HTTP function: version, token, role, errors; nothing else."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote

import azure.functions as func
import msgspec

from shared.container import Container, container
from shared.domain.access import Action, authorize
from shared.domain.errors import DeviceUpdateError, InvalidInput, NotFound
from shared.domain.operation import Failure
from shared.domain.strict_json import NotStrictJson, loads_strict
from shared.http.problems import UnsupportedMediaType, error_body, headers_of, status_of

API_VERSIONS = ("2022-10-01", "2026-06-01")
MAX_BODY_BYTES = 4 << 20

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Call:
    """One authorized request to an instance."""

    app: Container
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

    def body(self, content_type: str = "application/json") -> Any:
        """The JSON body, read strictly.

        Raises:
            InvalidInput: It is no JSON, too large, or of another content type.
        """
        given = (self.request.headers.get("Content-Type") or "").partition(";")[0].strip().lower()
        if given != content_type:
            raise UnsupportedMediaType(
                f"The body must be {content_type}, not {given or 'untyped'}.", target="Content-Type"
            )
        try:
            return loads_strict(self.request.get_body(), max_bytes=MAX_BODY_BYTES)
        except NotStrictJson as error:
            raise InvalidInput(f"The body cannot be read: {error}.", target="body") from error


type Answer = func.HttpResponse
type Handler = Callable[[Call], Awaitable[Answer]]


def json_answer(
    body: object,
    status: HTTPStatus = HTTPStatus.OK,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """An answer with a JSON body."""
    return func.HttpResponse(
        msgspec.json.encode(body),
        status_code=status,
        headers=dict(headers or {}),
        mimetype="application/json",
    )


def empty_answer(status: HTTPStatus, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer without a body."""
    return func.HttpResponse(b"", status_code=status, headers=dict(headers or {}))


def operation(
    blueprint: func.Blueprint, method: str, path: str, action: Action
) -> Callable[[Handler], Handler]:
    """Serve a handler at a path below an instance, for callers whose roles have the action."""

    def register(handler: Handler) -> Handler:
        async def run(req: func.HttpRequest) -> func.HttpResponse:
            return await _answer(handler, action, req)

        run.__name__ = handler.__name__
        blueprint.function_name(handler.__name__)(
            blueprint.route(
                route=f"deviceUpdate/{{instanceId}}/{path}",
                methods=[method],
                auth_level=func.AuthLevel.ANONYMOUS,
            )(run)
        )
        return handler

    return register


async def _answer(handler: Handler, action: Action, request: func.HttpRequest) -> Answer:
    try:
        app = container()
        principal = await app.tokens.validate(request.headers.get("Authorization"))
        instance = unquote(request.route_params["instanceId"])
        authorize(principal.roles, instance, action)
        if instance not in app.settings.instances:
            raise NotFound(f"Instance '{instance}' does not exist.", target="instanceId")
        return await handler(Call(app, instance, _version(request), request))
    except DeviceUpdateError as error:
        return problem(error)


def problem(error: DeviceUpdateError) -> Answer:
    """The answer for a domain error."""
    status = status_of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("answered %d: %s", status, error.message)
    body = {"error": error_body(Failure.of(error), datetime.now(UTC).isoformat())}
    return json_answer(body, status, headers_of(error))


def _version(request: func.HttpRequest) -> str:
    version = request.params.get("api-version")
    if version not in API_VERSIONS:
        known = " or ".join(API_VERSIONS)
        raise InvalidInput(f"The query needs api-version={known}.", target="api-version")
    return str(version)
