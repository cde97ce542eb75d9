"""The HTTP face of the host: function routes, and the way to the webhooks and /admin.

A request is matched on its percent-encoded path, checked for its key, and given to the function
with the headers, query and route values in the form the cloud gives them.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from aiohttp import web

from local.cloud.functions_host.admin import Admin
from local.cloud.functions_host.execution import Executor, TriggerData
from local.cloud.functions_host.index import Function, HttpTrigger
from local.cloud.functions_host.keys import Keys, given_key
from local.cloud.functions_host.routing import RouteTable, decode_segments
from local.cloud.functions_host.webhooks import Webhooks
from local.cloud.functions_host.worker import HttpAnswer, http_answer, http_datum

BODY_LIMIT_SETTING = "FUNCTIONS_REQUEST_BODY_SIZE_LIMIT"
DEFAULT_BODY_LIMIT = 104_857_600

_FRAMING = frozenset({"content-length", "transfer-encoding", "connection"})
"""Headers that describe how the server frames an answer; a function cannot set them."""


class HttpFunctions:
    """The HTTP functions of an app."""

    def __init__(
        self, functions: Iterable[Function], prefix: str, keys: Keys, executor: Executor
    ) -> None:
        self._keys = keys
        self._executor = executor
        self._routes: RouteTable[tuple[Function, HttpTrigger]] = RouteTable(
            (f"{prefix}/{trigger.route}".strip("/"), trigger.methods, (function, trigger))
            for function in functions
            if isinstance(trigger := function.trigger, HttpTrigger)
        )

    async def handle(self, request: web.Request) -> web.Response:
        """Answer a request: 404 without a matching route, 401 without the key it needs."""
        found = self._routes.find(request.method, request.rel_url.raw_path)
        if found is None:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        (function, trigger), values = found
        if not self._is_allowed(function, trigger, request):
            return web.Response(status=HTTPStatus.UNAUTHORIZED)
        body = await request.read()
        outcome = await self._executor.run(function, _trigger_data(request, values, body))
        if not outcome.ok or outcome.result is None:
            return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR)
        return _response(http_answer(outcome.result), request.method)

    def _is_allowed(self, function: Function, trigger: HttpTrigger, request: web.Request) -> bool:
        if trigger.auth_level == "anonymous":
            return True
        if trigger.auth_level == "admin":
            return self._keys.opens_admin(given_key(request))
        return self._keys.opens_function(function.name, given_key(request))


def _trigger_data(request: web.Request, values: Mapping[str, str], body: bytes) -> TriggerData:
    return TriggerData(
        http_datum(
            method=request.method,
            url=f"{request.scheme}://{request.host}{request.raw_path}",
            headers=_joined(request.headers),
            query=_joined(request.query),
            params=values,
            body=body,
        ),
        trace_parent=request.headers.get("traceparent") or _new_trace_parent(),
        trace_state=request.headers.get("tracestate", ""),
    )


def _joined(values: Mapping[str, str]) -> dict[str, str]:
    """Join the values of a repeated name by commas and leave out empty ones, as the cloud does."""
    joined: dict[str, str] = {}
    for name, value in values.items():
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return {name: value for name, value in joined.items() if value}


def _new_trace_parent() -> str:
    return f"00-{secrets.token_hex(16)}-{secrets.token_hex(8)}-00"


def _response(answer: HttpAnswer, method: str) -> web.Response:
    response = web.Response(status=answer.status, body=answer.body)
    for name, value in answer.headers.items():
        if name.lower() not in _FRAMING or (method == "HEAD" and name.lower() == "content-length"):
            response.headers[name] = value
    for line in answer.cookies:
        response.headers.add("Set-Cookie", line)
    return response


class FrontDoor:
    """Sends each request to the admin interface, a webhook or a function."""

    def __init__(self, functions: HttpFunctions, webhooks: Webhooks, admin: Admin) -> None:
        self._functions = functions
        self._webhooks = webhooks
        self._admin = admin

    def application(self, body_limit: int) -> web.Application:
        """Return the web application; larger request bodies are answered with 413."""
        app = web.Application(client_max_size=body_limit)
        app.router.add_route("*", "/{path:(?s:.*)}", self._handle)
        return app

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        path = [segment.lower() for segment in decode_segments(request.rel_url.raw_path)[:3]]
        try:
            match path:
                case ["admin", *_]:
                    return await self._admin.handle(request)
                case ["runtime", "webhooks", extension]:
                    return await self._webhooks.handle(extension, request)
                case _:
                    return await self._functions.handle(request)
        except web.HTTPRequestEntityTooLarge:
            return web.Response(status=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)


def body_limit(environment: Mapping[str, Any]) -> int:
    """Return the largest accepted request body in bytes."""
    text = str(environment.get(BODY_LIMIT_SETTING, ""))
    return int(text) if text.isdecimal() else DEFAULT_BODY_LIMIT
