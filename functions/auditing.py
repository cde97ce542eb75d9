"""Has every changing call written down: once, for all operations, where they are served."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import azure.functions as func
import msgspec

from functions.call import Call, Reply
from shared.contract.strictjson import NotStrictJson, loads_strict
from shared.domain.access import Principal
from shared.domain.audit import Actor, Change, Origin
from shared.domain.errors import DeviceUpdateError, InvalidInput, NotFound
from shared.http.problems import status_of
from shared.http.route import Route

type Handler = Callable[[Call], Awaitable[Any]]

REQUEST_ID = "x-ms-request-id"
_CLIENT_REQUEST_ID = "x-ms-client-request-id"
_MAX_BODY_BYTES = 1 << 20


async def audited(call: Call, handler: Handler, reader: tuple[Route, Handler] | None) -> Any:
    """Run the handler of a changing operation and write down what became of it.

    `reader` is the operation that reads what is changed: it gives the state before.
    """
    change = replace(_change(call), before=await _state(call, reader))
    async with call.app.audit.change(call.instance, change) as outcome:
        try:
            result = await handler(call)
        except DeviceUpdateError as error:
            outcome.status = int(status_of(error))
            raise
        body = result.body if isinstance(result, Reply) else result
        outcome.status = int(call.route.status)
        outcome.after = None if body is None else msgspec.to_builtins(body)
        return result


async def refused(call: Call, error: DeviceUpdateError) -> None:
    """Write down that somebody tried what their roles do not let them; not what they sent."""
    change = replace(
        _change(call),
        request=None,
        result=error.code,
        message=error.message,
        status=int(status_of(error)),
    )
    await call.app.audit.refused(call.instance, change)


def state_path(route: Route) -> str | None:
    """The path of what an operation changes, None if it is no single thing: without `:verb`."""
    parent, _, last = route.path.rpartition("/")
    name, closing, _ = last.partition("}")
    return f"{parent}/{name}{closing}" if closing and name.startswith("{") else None


def _change(call: Call) -> Change:
    return Change(
        request_id=call.request_id,
        client_request_id=(call.request.headers.get(_CLIENT_REQUEST_ID) or "")[:128] or None,
        origin=Origin.REST,
        actor=_actor(call.principal, call.request),
        action=call.route.name,
        target=call.target,
        begun_at=call.app.ports.clock.now(),
        request=_body(call),
    )


async def _state(call: Call, reader: tuple[Route, Handler] | None) -> Any:
    """What is there before the change, as the API shows it."""
    if reader is None:
        return None
    route, handler = reader
    try:
        result = await handler(replace(call, route=route))
    except (NotFound, InvalidInput):
        return None
    return msgspec.to_builtins(result.body if isinstance(result, Reply) else result)


def _body(call: Call) -> Any:
    """The body of the request, if it is JSON; what is wrong with it the handler says."""
    content = call.request.get_body()
    if call.route.body is None or not content:
        return None
    try:
        return loads_strict(content, max_bytes=_MAX_BODY_BYTES)
    except NotStrictJson:
        return {"isUnreadable": True, "sizeInBytes": len(content)}


def _actor(principal: Principal, request: func.HttpRequest) -> Actor:
    return Actor(
        object_id=principal.object_id,
        name=principal.name,
        roles=principal.roles,
        address=_address(request.headers.get("X-Forwarded-For")),
        client=request.headers.get("User-Agent"),
    )


def _address(forwarded: str | None) -> str | None:
    """The address that the service's own front end has seen: the last one, without its port."""
    last = (forwarded or "").rpartition(",")[2].strip()
    if last.startswith("["):
        return last[1:].partition("]")[0] or None
    return (last.partition(":")[0] if last.count(":") == 1 else last) or None
