"""Twin and direct method operations of the service API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.cloud.iothub.auth import Right
from local.cloud.iothub.http_api import Call, Route, answer, etag_header
from local.cloud.iothub.limits import Meter
from local.cloud.iothub.methods import parse_call
from local.cloud.iothub.records import load, twin_view
from local.cloud.iothub.registry import check_key

if TYPE_CHECKING:
    from aiohttp import web

    from local.cloud.iothub.records import Key, Record


async def get_twin(call: Call) -> web.Response:
    """Answer with one twin."""
    key = _key(call)
    return _twin(await call.hub.store.read(lambda db: load(db, key)))


async def _patch_twin(call: Call) -> web.Response:
    key, body, if_match = _key(call), await call.json_object(), call.if_match
    call.hub.faults.check_twin_change()
    twins = call.hub.twins
    return _twin(await call.hub.store.write(lambda tx: twins.patch(tx, key, body, if_match)))


async def _put_twin(call: Call) -> web.Response:
    key, body, if_match = _key(call), await call.json_object(), call.if_match
    call.hub.faults.check_twin_change()
    twins = call.hub.twins
    return _twin(await call.hub.store.write(lambda tx: twins.replace(tx, key, body, if_match)))


async def _invoke_method(call: Call) -> web.Response:
    key, method = _key(call), parse_call(await call.json())
    await call.hub.store.read(lambda db: load(db, key))
    return answer(await call.hub.methods.invoke(key, method))


def _key(call: Call) -> Key:
    return check_key(call.path("id"), call.request.match_info.get("mid", ""))


def _twin(record: Record) -> web.Response:
    return answer(twin_view(record), headers=etag_header(record.twin.etag))


def _routes(path: str) -> tuple[Route, ...]:
    right = Right.SERVICE_CONNECT
    return (
        Route(method="GET", path=path, handler=get_twin, right=right, meter=Meter.TWIN_READS),
        Route(
            method="PATCH", path=path, handler=_patch_twin, right=right, meter=Meter.TWIN_UPDATES
        ),
        Route(method="PUT", path=path, handler=_put_twin, right=right, meter=Meter.TWIN_UPDATES),
        Route(
            method="POST",
            path=f"{path}/methods",
            handler=_invoke_method,
            right=right,
            meter=Meter.METHODS,
        ),
    )


ROUTES = _routes("/twins/{id}") + _routes("/twins/{id}/modules/{mid}")
