"""The OpenAPI 3.1 document of the REST API, made from the declarations that serve requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from shared.domain.fleet.deployment import MAX_DEPLOYMENT_ID
from shared.http.filter_syntax import MAX_LENGTH
from shared.http.models import ErrorResponse
from shared.http.route import API_VERSIONS, JSON, TOKEN, QueryParameter, Route

_ANY = (
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.UNAUTHORIZED,
    HTTPStatus.FORBIDDEN,
    HTTPStatus.NOT_FOUND,
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.SERVICE_UNAVAILABLE,
)
"""Error statuses that every operation may answer."""
_PASSING = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_NOT_DOTS = "[^.]"
"""A path segment of dots alone is not one: clients resolve it before they send."""
_NAME = {"maxLength": 64, "pattern": "^[a-zA-Z0-9.-]*[a-zA-Z0-9-][a-zA-Z0-9.-]*$"}
_HUB_ID = {"maxLength": 128, "pattern": _NOT_DOTS}
_PARTS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "instanceId": ("An instance of Device Update.", {"maxLength": 36, "pattern": _NOT_DOTS}),
    "provider": ("Provider of an update.", _NAME),
    "name": ("Name of an update.", _NAME),
    "version": (
        "Version of an update, two to four numbers.",
        {"maxLength": 64, "pattern": r"^[0-9]+(\.[0-9]+){1,3}$"},
    ),
    "fileId": ("Id of a file.", {"maxLength": 256, "pattern": _NOT_DOTS}),
    "operationId": ("Id of an operation.", {"maxLength": 256, "pattern": _NOT_DOTS}),
    "deviceId": ("Id of a device in the hub.", _HUB_ID),
    "moduleId": ("Id of a module in the hub.", _HUB_ID),
    "deviceClassId": ("Id of a device class.", {"maxLength": 256, "pattern": _NOT_DOTS}),
    "groupId": ("Id of a group.", {"maxLength": 200, "pattern": _NOT_DOTS}),
    "queue": ("A work queue, `blobs` or `events`.", {"maxLength": 64, "pattern": _NOT_DOTS}),
    "messageId": ("Id of a failed message.", {"maxLength": 64, "pattern": _NOT_DOTS}),
    "uploadId": ("Id of an upload.", {"maxLength": 64, "pattern": _NOT_DOTS}),
    "entryId": ("Id of an entry of the audit log.", {"maxLength": 64, "pattern": _NOT_DOTS}),
    "deploymentId": (
        "Id of a deployment, in lower case.",
        {"maxLength": MAX_DEPLOYMENT_ID, "pattern": _NOT_DOTS},
    ),
}
_RETRY_AFTER = {"description": "Seconds to wait.", "schema": {"type": "string"}}
_REFERENCE = "#/components/schemas/{name}"


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """The document for some operations."""
    kinds = [kind for route in routes for kind in (route.answer, route.body) if kind is not None]
    references, schemas = msgspec.json.schema_components(
        [*kinds, ErrorResponse], ref_template=_REFERENCE
    )
    known = list(zip(kinds, references, strict=False))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = paths.setdefault(f"/{route.template}", {})
        path[route.method.lower()] = _operation(route, known)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Open Device Update",
            "version": API_VERSIONS[-1],
            "summary": "The data plane of Device Update for IoT Hub.",
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}],
        "tags": [
            {"name": "updates", "description": "Updates, their files and their imports."},
            {"name": "management", "description": "Devices, groups and deployments."},
            {"name": "operations", "description": "Queues, failed messages, the service's health."},
            {"name": "uploads", "description": "Uploads of updates from browsers and commands."},
            {"name": "changes", "description": "What was written lately."},
            {"name": "search", "description": "One search over everything."},
            {"name": "me", "description": "The caller."},
            {"name": "audit", "description": "Who changed what, and the proof of it."},
        ],
        "paths": dict(sorted(paths.items())),
        "components": {
            "schemas": dict(sorted(schemas.items())),
            "responses": {_response_name(status): _error(status) for status in _all(routes)},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            },
        },
    }


def _operation(route: Route, known: Iterable[tuple[Any, Mapping[str, Any]]]) -> dict[str, Any]:
    responses = {str(int(route.status)): _success(route, known)}
    if route.is_conditional and route.method == "GET":
        responses["304"] = {"description": "It still has the ETag of If-None-Match."}
    for status in _errors(route):
        responses[str(int(status))] = {"$ref": f"#/components/responses/{_response_name(status)}"}
    described = {
        "operationId": route.name,
        "summary": route.summary.partition("\n")[0],
        "tags": [route.path.partition("/")[0].partition(":")[0]],
        "description": f"Needs the action `{route.action}`."
        if route.action
        else "Needs a valid token, whatever its roles.",
        "parameters": _parameters(route),
        "responses": dict(sorted(responses.items())),
    }
    if route.body is not None:
        content = {route.body_type: {"schema": _schema(route.body, known)}}
        described["requestBody"] = {"required": not route.is_body_optional, "content": content}
    return described


def _success(route: Route, known: Iterable[tuple[Any, Mapping[str, Any]]]) -> dict[str, Any]:
    response: dict[str, Any] = {"description": route.status.phrase}
    if route.answer is not None:
        response["content"] = {JSON: {"schema": _schema(route.answer, known)}}
    headers: dict[str, Any] = {}
    if route.is_long_running:
        description = "Relative address of the operation, to be polled."
        headers["Operation-Location"] = {
            "description": description,
            "required": True,
            "schema": {"type": "string"},
        }
        headers["Retry-After"] = _RETRY_AFTER
    if route.is_conditional:
        headers["ETag"] = {"description": "Changes with the content.", "schema": {"type": "string"}}
    return {**response, "headers": headers} if headers else response


def _schema(kind: Any, known: Iterable[tuple[Any, Mapping[str, Any]]]) -> dict[str, Any]:
    return dict(next(reference for each, reference in known if each == kind))


def _parameters(route: Route) -> list[dict[str, Any]]:
    found = []
    for segment in route.template.split("/"):
        name = segment.partition("{")[2].partition("}")[0]
        if name:
            description, rules = _PARTS[name]
            schema = {"type": "string", "minLength": 1, **rules}
            found.append(_parameter(name, "path", description, schema, required=True))
    versions = {"type": "string", "enum": list(API_VERSIONS)}
    found.append(_parameter("api-version", "query", "Version of the API.", versions, required=True))
    for item in (*route.query, *([TOKEN] if route.is_paged else [])):
        found.append(
            _parameter(
                item.name, "query", item.description, _query(item), required=item.is_required
            )
        )
    if route.is_conditional:
        for name in ("If-None-Match", "If-Match"):
            text = {"type": "string"}
            found.append(_parameter(name, "header", "An ETag, or `*`.", text, required=False))
    return found


def _query(item: QueryParameter) -> dict[str, Any]:
    if item.is_integer:
        return {"type": "integer", "minimum": 0, "maximum": 999_999_999}
    if item == TOKEN:
        return {"type": "string"}
    return {"type": "string", "maxLength": MAX_LENGTH}


def _parameter(
    name: str, place: str, description: str, schema: Mapping[str, Any], *, required: bool
) -> dict[str, Any]:
    return {
        "name": name,
        "in": place,
        "description": description,
        "required": required,
        "schema": dict(schema),
    }


def _errors(route: Route) -> list[HTTPStatus]:
    found = {*_ANY, *route.statuses}
    if route.body is not None:
        found.add(HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    if route.is_conditional:
        found.add(HTTPStatus.PRECONDITION_FAILED)
    return sorted(found)


def _all(routes: Iterable[Route]) -> list[HTTPStatus]:
    return sorted({status for route in routes for status in _errors(route)})


def _response_name(status: HTTPStatus) -> str:
    return "".join(word.capitalize() for word in status.name.split("_"))


def _error(status: HTTPStatus) -> dict[str, Any]:
    schema = {"$ref": _REFERENCE.format(name=ErrorResponse.__name__)}
    response: dict[str, Any] = {
        "description": status.phrase,
        "content": {JSON: {"schema": schema}},
    }
    if status in _PASSING:
        response["headers"] = {"Retry-After": _RETRY_AFTER}
    if status == HTTPStatus.UNAUTHORIZED:
        text = {"type": "string"}
        response["headers"] = {"WWW-Authenticate": {"description": "`Bearer`.", "schema": text}}
    return response
