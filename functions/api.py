"""Declares REST operations and serves them.

The return annotation of a handler is the answer that the OpenAPI document describes.

Version, token, role, budget, conditions and errors are handled here, so that a handler only calls a
service.
"""

import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from http import HTTPStatus
from time import monotonic
from types import NoneType
from typing import Any, TypedDict, Unpack, cast, get_args, get_origin, get_type_hints
from uuid import uuid4

import azure.functions as func
import msgspec

from functions import auditing
from functions.call import Call, Reply, parts_of
from functions.update_names import name_updates
from functions.work import work
from shared.container import container
from shared.domain.access import Action, authorize
from shared.domain.errors import (
    DeviceUpdateError,
    Forbidden,
    InvalidInput,
    NotFound,
    PreconditionFailed,
)
from shared.domain.operation import Failure
from shared.domain.token_bucket import TokenBucket
from shared.http import wire
from shared.http.models import ErrorResponse
from shared.http.problems import headers_of, status_of
from shared.http.route import API_VERSIONS, JSON, LIST_OPTIONS, Method, QueryParameter, Route
from shared.services.shared_reads import watched_ages
from shared.signals import FAILED, REFUSED, Facts, Metric

__all__ = ["RETRY", "Api", "Call", "Reply", "accepted", "problem", "serve"]

POLL_SECONDS = 1
"""What callers of long-running operations are told to wait between polls."""
RETRY = {"Retry-After": str(POLL_SECONDS)}

log = logging.getLogger(__name__)

type Handler = Callable[[Call], Awaitable[Any]]

_NAMED_BY_PATH = {
    "instanceId": "instance",
    "groupId": "group",
    "deploymentId": "deployment",
    "deviceId": "device",
    "operationId": "operation",
}
"""Parts of paths that telemetry tells, and under which names."""
_MAX_FACT = 128
_REFUSALS_A_MINUTE = 60
"""Refused calls that are written down, in each process: they must not fill the audit log."""
_readers: dict[str, tuple[Route, Handler]] = {}
"""What reads the thing at a path: gives the audit log its state before a change."""
_refusals = TokenBucket(_REFUSALS_A_MINUTE, 0.0)


class Declaration(TypedDict, total=False):
    """What a declaration may say besides method, path and action."""

    status: HTTPStatus
    body: Any
    body_type: str
    is_body_optional: bool
    query: tuple[QueryParameter, ...]
    statuses: tuple[HTTPStatus, ...]
    is_paged: bool
    is_long_running: bool
    is_conditional: bool
    is_additional: bool
    is_of_instance: bool


class Api:
    """The operations of one resource: their declarations and handlers."""

    def __init__(self) -> None:
        self.routes: list[Route] = []
        self.handlers: dict[str, Handler] = {}

    def operation(
        self, method: Method, path: str, action: Action | None, **declared: Unpack[Declaration]
    ) -> Callable[[Handler], Handler]:
        """Serve a handler at a path below an instance, for callers whose roles have the action.

        Without an action, any valid token will do.
        """

        def register(handler: Handler) -> Handler:
            route = Route(
                name=handler.__name__,
                method=method,
                path=path,
                action=action,
                summary=(handler.__doc__ or "").strip(),
                answer=_answer_type(handler),
                **declared,
            )
            self.routes.append(route)
            self.handlers[route.name] = handler
            if route.method == "GET":
                _readers[route.path] = (route, handler)
            return handler

        return register


def accepted(call: Call, *segments: str) -> Reply[None]:
    """The answer of a long-running operation: where it can be followed below the instance."""
    return Reply(None, {"Operation-Location": call.path(*segments), **RETRY})


def problem(error: DeviceUpdateError, request_id: str | None = None) -> func.HttpResponse:
    """The answer for a domain error."""
    status = status_of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.warning("answered %d: %s", status, error.message)
    body = ErrorResponse(error=wire.error(Failure.of(error), datetime.now(UTC).isoformat()))
    named = {auditing.REQUEST_ID: request_id} if request_id else {}
    return _response(body, status, {**headers_of(error), **named})


def _answer_type(handler: Handler) -> Any:
    """The type of the body that a handler's annotation promises; None without a body."""
    kind = get_type_hints(handler)["return"]
    if get_origin(kind) is Reply:
        (kind,) = get_args(kind)
    return None if kind is NoneType else kind


async def serve(route: Route, handler: Handler, request: func.HttpRequest) -> func.HttpResponse:
    """Answer a request to an operation."""
    request_id = uuid4().hex
    telemetry = container().telemetry
    with work(
        telemetry,
        _facts(route, request, request_id),
        "server",
        parent=request.headers.get("traceparent", ""),
        is_change=route.changes_state,
    ) as told:
        answer, code = await _served(route, handler, request, request_id)
        told.add(status=answer.status_code)
        if code:
            has_failed = answer.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR
            told.add(code=code, result=FAILED if has_failed else REFUSED)
            telemetry.record(Metric.FAILURES, function=route.name, code=code)
        return answer


def _facts(route: Route, request: func.HttpRequest, request_id: str) -> Facts:
    """What a request is about, by its path."""
    parts = parts_of(route, request.url)
    named = {
        name: parts[part][:_MAX_FACT] for part, name in _NAMED_BY_PATH.items() if part in parts
    }
    facts = cast("Facts", named)
    facts["function"], facts["request_id"] = route.name, request_id
    facts["method"], facts["route"] = route.method, route.path
    return facts


async def _served(
    route: Route, handler: Handler, request: func.HttpRequest, request_id: str
) -> tuple[func.HttpResponse, str]:
    """The answer, and the code of its error if it is one."""
    try:
        call = await _admitted(route, request, request_id)
        if route.changes_state:
            reply = await _changed(call, handler)
        else:
            with watched_ages() as ages:
                reply = _reply(await handler(call))
            if ages:
                reply = replace(reply, headers={**reply.headers, "Age": str(int(max(ages)))})
        await name_updates(call, reply.body)
        return _answer(call, reply), ""
    except DeviceUpdateError as error:
        return problem(error, request_id), error.code
    except Exception:  # noqa: BLE001 (the last resort: a caller gets an answer that leaks nothing)
        return _unexpected(route, request), DeviceUpdateError.default_code


async def _changed(call: Call, handler: Handler) -> Reply[Any]:
    """Have something changed, and written down; nobody here is shown what was before."""
    call.app.reads.forget()
    reader = _readers.get(auditing.state_path(call.route) or "")
    try:
        return _reply(await auditing.audited(call, handler, reader))
    finally:
        call.app.reads.forget()


def _reply(result: Any) -> Reply[Any]:
    return result if isinstance(result, Reply) else Reply(result)


async def _admitted(route: Route, request: func.HttpRequest, request_id: str) -> Call:
    """The request, once it is known who asks and that they may."""
    app = container()
    principal = await app.ports.tokens.validate(request.headers.get("Authorization"))
    call = Call(
        app=app,
        route=route,
        parts=parts_of(route, request.url),
        api_version=request.params.get("api-version") or "",
        request=request,
        principal=principal,
        request_id=request_id,
    )
    if route.action is not None:
        await _let_in(call, route.action)
    if call.api_version not in API_VERSIONS:
        known = " or ".join(API_VERSIONS)
        raise InvalidInput(f"The query needs api-version={known}.", target="api-version")
    _check_query(route, request)
    return call


def _check_query(route: Route, request: func.HttpRequest) -> None:
    """Refuse options that would otherwise be ignored: `$filter` is not `filter`, and where a list
    takes no filter, all of it is not what was asked for.
    """
    taken = [item.name for item in route.query]
    for name in request.params:
        if name.startswith("$") or (name.lower() in LIST_OPTIONS and name not in taken):
            known = ", ".join(taken) or "none"
            raise InvalidInput(
                f"The query has an unknown option; those of this operation: {known}.", target=name
            )


async def _let_in(call: Call, action: Action) -> None:
    """Check roles and budget for the action on the instance that the request is for."""
    app, instance = call.app, call.instance
    is_known = instance in app.settings.instances
    try:
        authorize(call.principal.roles, instance, action)
    except Forbidden as error:
        if is_known and call.route.changes_state and not _refusals.take(monotonic()):
            await auditing.refused(call, error)
        raise
    if not is_known:
        raise NotFound(f"Instance '{instance}' does not exist.", target="instanceId")
    app.throttle.spend(instance, action)


def _answer(call: Call, reply: Reply[Any]) -> func.HttpResponse:
    route, request = call.route, call.request
    headers = {auditing.REQUEST_ID: call.request_id, **reply.headers}
    if route.is_conditional:
        headers["ETag"] = tag = _tag(reply.body)
    if route.is_conditional and route.method == "GET":
        wanted, unwanted = request.headers.get("If-Match"), request.headers.get("If-None-Match")
        if wanted and wanted not in (tag, "*"):
            raise PreconditionFailed(
                f"The ETag is {tag}, not the one of If-Match.", target="If-Match"
            )
        if unwanted and unwanted in (tag, "*"):
            return _response(None, HTTPStatus.NOT_MODIFIED, {**headers, "ETag": tag})
    return _response(reply.body, route.status, headers)


def _tag(body: Any) -> str:
    """The ETag of what a body stands for: its own, else a strong one of the very bytes."""
    return getattr(body, "etag", None) or f'"{sha256(msgspec.json.encode(body)).hexdigest()[:32]}"'


def _unexpected(route: Route, request: func.HttpRequest) -> func.HttpResponse:
    """The answer when a handler fails in a way that nobody foresaw."""
    trace = request.headers.get("traceparent", "").split("-")
    trace_id = trace[1] if len(trace) > 1 and trace[1].isalnum() else uuid4().hex
    log.exception("operation %s failed; trace id %s", route.name, trace_id)
    return problem(
        DeviceUpdateError(f"The service failed unexpectedly; its log says why: trace {trace_id}.")
    )


def _response(body: Any, status: HTTPStatus, headers: Mapping[str, str]) -> func.HttpResponse:
    if body is None:
        return func.HttpResponse(b"", status_code=status, headers=dict(headers))
    return func.HttpResponse(
        msgspec.json.encode(body), status_code=status, headers=dict(headers), mimetype=JSON
    )
