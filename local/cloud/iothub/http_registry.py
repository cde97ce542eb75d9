"""Registry operations of the service API: devices, modules, bulk changes, statistics, queries."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from aiohttp import web

from local.cloud.iothub import limits
from local.cloud.iothub.auth import Right
from local.cloud.iothub.errors import HubError, invalid
from local.cloud.iothub.http_api import Call, Route, answer, etag_header, read_number
from local.cloud.iothub.limits import Meter
from local.cloud.iothub.query_run import run_query
from local.cloud.iothub.records import Key, identity_view, load, modules_of, scan
from local.cloud.iothub.registry import check_key

if TYPE_CHECKING:
    import sqlite3

    from local.cloud.iothub.hub import Hub
    from local.cloud.iothub.records import Record
    from local.cloud.iothub.store import Transaction
    from local.cloud.iothub.twin import Json

_CONDITIONAL = "ifmatchetag"
_DEVICE = "/devices/{id}"
_MODULE = "/devices/{id}/modules/{mid}"


async def _put_identity(call: Call) -> web.Response:
    key, body = _key(call), await call.json_object()
    if_match = call.if_match
    registry = call.hub.registry
    record = await call.hub.store.write(lambda tx: registry.put(tx, key, body, if_match))
    return _identity(record)


async def _get_identity(call: Call) -> web.Response:
    key = _key(call)
    return _identity(await call.hub.store.read(lambda db: load(db, key)))


async def _delete_identity(call: Call) -> web.Response:
    key, if_match = _key(call), call.if_match
    await call.hub.store.write(lambda tx: call.hub.registry.delete(tx, key, if_match))
    return web.Response(status=204)


async def _list_devices(call: Call) -> web.Response:
    top = int(call.number("top", limits.DEVICE_LIST, 0, limits.DEVICE_LIST)) or limits.DEVICE_LIST

    def page(db: sqlite3.Connection) -> list[Json]:
        return [identity_view(record) for record in scan(db, Key(""), modules=False, limit=top)]

    return answer(await call.hub.store.read(page))


async def _list_modules(call: Call) -> web.Response:
    key = Key(call.path("id"))

    def modules(db: sqlite3.Connection) -> list[Json]:
        load(db, key)
        return [identity_view(record) for record in modules_of(db, key.device_id)]

    return answer(await call.hub.store.read(modules))


async def _bulk(call: Call) -> web.Response:
    items = await call.json()
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise invalid("The body must be an array of devices.")
    if not 0 < len(items) <= limits.BULK_DEVICES:
        raise invalid(f"A bulk operation takes 1 to {limits.BULK_DEVICES} devices.")
    names = [(item.get("id"), item.get("moduleId")) for item in items]
    if len(set(map(str, names))) != len(names):
        raise invalid("A bulk operation may name each device only once.")
    call.hub.throttle.take(Meter.REGISTRY, len(items))
    errors = []
    for item in items:
        try:
            await call.hub.store.write(partial(_bulk_change, hub=call.hub, item=item))
        except HubError as error:
            errors.append(_bulk_error(item, error))
    result = {"isSuccessful": not errors, "errors": errors, "warnings": []}
    return answer(result, 400 if errors else 200)


def _bulk_change(tx: Transaction, hub: Hub, item: Json) -> None:
    key = check_key(str(item.get("id", "")), str(item.get("moduleId") or ""))
    mode = str(item.get("importMode") or "create")
    lower = mode.casefold()  # clients write the modes in different cases
    conditional = lower.endswith(_CONDITIONAL)
    etag = str(item.get("eTag") or "") if conditional else "*"
    match lower.removesuffix(_CONDITIONAL):
        case "create":
            hub.registry.create(tx, key, item)
            if item.get("tags") or item.get("properties"):
                hub.twins.patch(tx, key, item, "*")
        case "update":
            hub.registry.update(tx, key, item, etag)
        case "delete":
            hub.registry.delete(tx, key, etag)
        case "updatetwin":
            twin_etag = str(item.get("twinETag") or "") if conditional else "*"
            hub.twins.patch(tx, key, item, twin_etag)
        case _:
            raise invalid(f"importMode {mode!r} is unknown.")


def _bulk_error(item: Json, error: HubError) -> Json:
    found: Json = {"deviceId": item.get("id"), "errorCode": error.code}
    if item.get("moduleId"):
        found["moduleId"] = item["moduleId"]
    return found | {"errorStatus": error.message}


async def _query(call: Call) -> web.Response:
    text = (await call.json_object()).get("query")
    if not isinstance(text, str):
        raise invalid("The body must have a query.")
    headers = call.request.headers
    size = read_number(
        "x-ms-max-item-count", headers.get("x-ms-max-item-count"), 100, 1, limits.QUERY_PAGE
    )
    continuation = headers.get("x-ms-continuation")
    page = await call.hub.store.query(lambda db: run_query(db, text, int(size), continuation))
    extra = {"x-ms-item-type": page.kind}
    if page.continuation:
        extra["x-ms-continuation"] = page.continuation
    return answer(page.items, headers=extra)


async def _device_statistics(call: Call) -> web.Response:
    def count(db: sqlite3.Connection) -> tuple[Any, ...]:
        row: tuple[Any, ...] = db.execute(
            "SELECT count(*), coalesce(sum(json_extract(identity, '$.status') = 'enabled'), 0)"
            " FROM identities WHERE module_id = ''"
        ).fetchone()
        return row

    total, enabled = await call.hub.store.query(count)
    return answer(
        {
            "totalDeviceCount": total,
            "enabledDeviceCount": enabled,
            "disabledDeviceCount": total - enabled,
        }
    )


async def _service_statistics(call: Call) -> web.Response:
    return answer({"connectedDeviceCount": call.hub.sessions.connected})


def _key(call: Call) -> Key:
    return check_key(call.path("id"), call.request.match_info.get("mid", ""))


def _identity(record: Record) -> web.Response:
    return answer(identity_view(record), headers=etag_header(record.identity.etag))


ROUTES = (
    Route(
        method="POST",
        path="/devices/query",
        handler=_query,
        right=Right.SERVICE_CONNECT,
        meter=Meter.QUERIES,
    ),
    Route("POST", "/devices", _bulk, Right.REGISTRY_WRITE),
    Route(
        method="GET",
        path="/devices",
        handler=_list_devices,
        right=Right.REGISTRY_READ,
        meter=Meter.REGISTRY,
    ),
    Route(  # as the command line of Azure asks
        method="GET",
        path="/devices/",
        handler=_list_devices,
        right=Right.REGISTRY_READ,
        meter=Meter.REGISTRY,
    ),
    Route(
        method="PUT",
        path=_DEVICE,
        handler=_put_identity,
        right=Right.REGISTRY_WRITE,
        meter=Meter.REGISTRY,
    ),
    Route(
        method="GET",
        path=_DEVICE,
        handler=_get_identity,
        right=Right.REGISTRY_READ,
        meter=Meter.REGISTRY,
    ),
    Route(
        method="DELETE",
        path=_DEVICE,
        handler=_delete_identity,
        right=Right.REGISTRY_WRITE,
        meter=Meter.REGISTRY,
    ),
    Route(
        method="GET",
        path=f"{_DEVICE}/modules",
        handler=_list_modules,
        right=Right.REGISTRY_READ,
        meter=Meter.REGISTRY,
    ),
    Route(
        method="PUT",
        path=_MODULE,
        handler=_put_identity,
        right=Right.REGISTRY_WRITE,
        meter=Meter.REGISTRY,
    ),
    Route(
        method="GET",
        path=_MODULE,
        handler=_get_identity,
        right=Right.REGISTRY_READ,
        meter=Meter.REGISTRY,
    ),
    Route(
        method="DELETE",
        path=_MODULE,
        handler=_delete_identity,
        right=Right.REGISTRY_WRITE,
        meter=Meter.REGISTRY,
    ),
    Route("GET", "/statistics/devices", _device_statistics, Right.REGISTRY_READ),
    Route("GET", "/statistics/service", _service_statistics, Right.SERVICE_CONNECT),
)
