"""Operations the real hub does not have: routed messages as an event hub, switches for tests."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

import msgspec

from local.cloud.iothub import limits
from local.cloud.iothub.auth import Right
from local.cloud.iothub.errors import invalid
from local.cloud.iothub.events import Message, read_events
from local.cloud.iothub.http_api import Call, Route, answer
from local.cloud.iothub.http_twins import get_twin
from local.cloud.iothub.limits import Meter

if TYPE_CHECKING:
    from aiohttp import web


class _FailTwinPatches(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    count: int
    status: int = 429


class _FaultsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel"):
    fail_twin_patches: _FailTwinPatches | None = None
    duplicate_events: int | None = None
    drop_connections: bool = False


async def _partitions(call: Call) -> web.Response:
    if "api-version" in call.request.query:  # a device of that name
        call.request.match_info["id"] = "partitions"
        call.hub.throttle.take(Meter.TWIN_READS)
        return await get_twin(call)
    return answer({"partitions": [str(number) for number in range(call.hub.outlet.partitions)]})


async def _events(call: Call) -> web.Response:
    text = call.path("partition")
    if not text.isascii() or not text.isdigit() or len(text) > 3:
        raise invalid(f"{text[:40]!r} is no partition.")
    after = int(call.number("after", 0, 0, 2**62))
    count = int(call.number("max", 100, 1, limits.EVENT_PAGE))
    wait = call.number("wait", 0, 0, limits.EVENT_WAIT_MAX)
    hub = call.hub
    return answer(
        {"events": await read_events(hub.store, hub.outlet, int(text), after, count, wait)}
    )


async def _receive(call: Call) -> web.Response:
    try:
        messages = msgspec.convert(await call.json(), list[Message])
    except msgspec.ValidationError as error:
        raise invalid(f"The messages are malformed: {error}.") from error
    hub = call.hub
    await hub.store.write(partial(hub.outlet.receive, messages=messages))
    return answer({}, HTTPStatus.CREATED)


async def _set_faults(call: Call) -> web.Response:
    try:
        body = msgspec.convert(await call.json(), _FaultsBody)
    except msgspec.ValidationError as error:
        raise invalid(f"The faults are malformed: {error}.") from error
    hub = call.hub
    if body.fail_twin_patches:
        if body.fail_twin_patches.status not in (429, 500):
            raise invalid("failTwinPatches.status must be 429 or 500.")
        hub.faults.failing_patches = body.fail_twin_patches.count
        hub.faults.failure_status = body.fail_twin_patches.status
    if body.duplicate_events is not None:
        hub.outlet.duplicates = body.duplicate_events
    dropped = hub.sessions.disconnect_all() if body.drop_connections else 0
    return answer({"droppedConnections": dropped})


ROUTES = (
    Route("GET", "/twins/partitions", _partitions, Right.SERVICE_CONNECT, versioned=False),
    Route(
        "GET",
        "/twins/partitions/{partition}/events",
        _events,
        Right.SERVICE_CONNECT,
        versioned=False,
    ),
    Route("POST", "/twins/messages", _receive, Right.SERVICE_CONNECT, versioned=False),
    Route("PUT", "/local/faults", _set_faults, Right.ADMINISTER, versioned=False),
)
