"""REST: collections of diagnostic logs."""

from http import HTTPStatus

from functions.api import Api, Call
from shared.domain.access import Action
from shared.domain.errors import InvalidInput
from shared.domain.fleet.log_collection import DeviceLog
from shared.http import models, wire
from shared.http.filters import is_newest_created_first, log_file_filter
from shared.http.route import TOP, filter_by, order_by

api = Api()

_COLLECTIONS = "management/deviceDiagnostics/logCollections"
_ONE = _COLLECTIONS + "/{operationId}"
_UNKNOWN = (HTTPStatus.NOT_FOUND,)


@api.operation(
    "PUT",
    _ONE,
    Action.MANAGEMENT_WRITE,
    status=HTTPStatus.CREATED,
    body=models.LogCollection,
    statuses=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def start_log_collection(call: Call) -> models.LogCollection:
    """Have devices upload their diagnostic logs."""
    body = call.body(models.LogCollection)
    identity = call.part("operationId")
    if body.operation_id not in (None, identity):
        raise InvalidInput("'operationId' must be the one of the path.", target="/operationId")
    devices = [DeviceLog(item.device_id, item.module_id) for item in body.device_list]
    return wire.log_collection(
        await call.app.devices.log_collections.start(
            call.instance, identity, devices, body.description
        )
    )


@api.operation(
    "GET",
    _COLLECTIONS,
    Action.MANAGEMENT_READ,
    query=(order_by("createdDateTime"), TOP),
    is_paged=True,
)
async def list_log_collections(call: Call) -> models.Page[models.LogCollection]:
    """List log collections by their ids or by their begin."""
    page = await call.app.devices.log_collections.page(
        call.instance,
        is_newest_first=is_newest_created_first(call.query("orderby")),
        token=call.page_token(),
        size=call.page_size(),
    )
    return call.page([wire.log_collection(item) for item in page.items], page)


@api.operation("GET", _ONE, Action.MANAGEMENT_READ, statuses=_UNKNOWN)
async def get_log_collection(call: Call) -> models.LogCollection:
    """Read a log collection."""
    return wire.log_collection(
        await call.app.devices.log_collections.get(call.instance, call.part("operationId"))
    )


@api.operation(
    "GET",
    _ONE + "/detailedStatus",
    Action.MANAGEMENT_READ,
    statuses=_UNKNOWN,
)
async def get_log_collection_detailed_status(call: Call) -> models.LogCollectionDetailedStatus:
    """Read how far a log collection is, device by device."""
    service = call.app.devices.log_collections
    found = await service.get(call.instance, call.part("operationId"))
    return wire.log_collection_details(
        found, {item.key: service.location(call.instance, found, item) for item in found.devices}
    )


@api.operation(
    "GET",
    _ONE + "/files",
    Action.MANAGEMENT_READ,
    query=(filter_by("deviceId eq '...'", "deviceId eq '...' and moduleId eq '...'"),),
    is_paged=True,
    statuses=_UNKNOWN,
    is_additional=True,
)
async def list_log_files(call: Call) -> models.Page[models.LogFile]:
    """List what devices have uploaded, with links that open for an hour."""
    page = await call.app.devices.log_collections.files(
        call.instance,
        call.part("operationId"),
        log_file_filter(call.query("filter")),
        call.page_token(),
    )
    return call.page([wire.log_file(item) for item in page.items], page)
