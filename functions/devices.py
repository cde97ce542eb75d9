"""REST: devices and modules, their histories and health, and re-reads of the hub's registry."""

from collections.abc import Mapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any

from functions.api import RETRY, Api, Call, Reply, accepted
from shared.domain.access import Action
from shared.domain.errors import InvalidInput, NotFound
from shared.domain.export_order import ExportFormat
from shared.domain.fleet.compliance import is_on_latest
from shared.domain.fleet.device import bucket_of, device_key
from shared.domain.fleet.listing import ListedDevice, listed
from shared.domain.updates.update_id import UpdateId
from shared.http import models, wire
from shared.http.filters import (
    DEVICE_FILTERS,
    device_filter,
    health_filter,
    is_running_of,
)
from shared.http.route import TOP, filter_by

api = Api()

_DEVICE = "management/devices/{deviceId}"


@api.operation(
    "GET",
    "management/devices",
    Action.MANAGEMENT_READ,
    query=(filter_by(*DEVICE_FILTERS, "several joined by `and`"), TOP),
    is_paged=True,
)
async def list_devices(call: Call) -> models.Page[models.Device]:
    """List devices: all, or those that a filter selects."""
    page = await call.app.devices.lists.page(
        call.instance,
        device_filter(call.query("filter")),
        token=call.page_token(),
        size=call.page_size(),
    )
    best = await _best_updates(call)
    return call.page([_rendered(item, best) for item in page.items], page)


@api.operation(
    "GET",
    "management/devices:count",
    Action.MANAGEMENT_READ,
    query=(filter_by(*DEVICE_FILTERS, "several joined by `and`"),),
    is_additional=True,
)
async def count_devices(call: Call) -> models.DeviceCount:
    """Count the devices that a filter selects, where counters know it; no device is looked at.

    They know it of everything and of one comparison, within a group and a class or not; not of
    prefixes of ids and of times, nor of states but those that failed or are in progress.
    """
    found = await call.app.devices.counts.count(call.instance, device_filter(call.query("filter")))
    return models.DeviceCount(found.count, found.as_of or None)


@api.operation("GET", _DEVICE, Action.MANAGEMENT_READ, statuses=(HTTPStatus.NOT_FOUND,))
async def get_device(call: Call) -> models.DeviceDetails:
    """Read a device."""
    return await _device(call, None)


@api.operation(
    "GET",
    _DEVICE + "/modules/{moduleId}",
    Action.MANAGEMENT_READ,
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def get_device_module(call: Call) -> models.DeviceDetails:
    """Read a module whose agent takes updates."""
    return await _device(call, call.part("moduleId"))


@api.operation(
    "GET",
    _DEVICE + "/updateHistory",
    Action.MANAGEMENT_READ,
    statuses=(HTTPStatus.NOT_FOUND,),
    is_paged=True,
    is_additional=True,
)
async def list_update_history_of_device(call: Call) -> models.Page[models.Installation]:
    """List what became of updates on a device, the newest first."""
    return await _history(call, None)


@api.operation(
    "GET",
    _DEVICE + "/modules/{moduleId}/updateHistory",
    Action.MANAGEMENT_READ,
    statuses=(HTTPStatus.NOT_FOUND,),
    is_paged=True,
    is_additional=True,
)
async def list_update_history_of_module(call: Call) -> models.Page[models.Installation]:
    """List what became of updates on a module, the newest first."""
    return await _history(call, call.part("moduleId"))


@api.operation(
    "GET",
    "management/deviceDiagnostics/deviceHealth",
    Action.MANAGEMENT_READ,
    query=(
        replace(
            filter_by(
                "state eq 'unhealthy'",
                "deviceId eq '...'",
                "deviceId eq '...' and moduleId eq '...'",
            ),
            is_required=True,
        ),
    ),
    is_paged=True,
)
async def list_health_of_devices(call: Call) -> models.Page[models.DeviceHealth]:
    """List the health of one device, or of all that are unhealthy."""
    page = await call.app.devices.health.page(
        call.instance,
        health_filter(call.query("filter")),
        token=call.page_token(),
        size=call.page_size(),
    )
    return call.page([wire.device_health(item.record, item.health) for item in page.items], page)


_BODY: Any = models.ImportType | models.ImportDevicesInput


@api.operation(
    "POST",
    "management/devices:import",
    Action.MANAGEMENT_WRITE,
    status=HTTPStatus.ACCEPTED,
    body=_BODY,
    is_long_running=True,
)
async def import_devices(call: Call) -> Reply[None]:
    """Start to read devices, modules or all again from the hub; one that runs answers for it."""
    given = call.body(_BODY)
    kind = given.import_type if isinstance(given, models.ImportDevicesInput) else given
    identity = await call.app.devices.registry_sync.start(
        call.instance, kind, call.app.ports.clock.fresh_id()
    )
    return accepted(call, "management", "operations", identity)


@api.operation(
    "POST",
    "management/devices:export",
    Action.MANAGEMENT_READ,
    status=HTTPStatus.ACCEPTED,
    body=models.ExportRequest,
    is_long_running=True,
    is_additional=True,
)
async def export_devices(call: Call) -> Reply[None]:
    """Start to write the devices that a filter selects into a file, CSV or Parquet."""
    given = call.body(models.ExportRequest)
    try:
        wanted = device_filter(given.filter)
    except InvalidInput as error:
        raise InvalidInput(error.message, target="/filter") from error
    identity = await call.app.devices.exports.start(
        call.instance,
        ExportFormat(given.format),
        call.app.ports.clock.fresh_id(),
        wanted=wanted,
        text=given.filter or "",
    )
    return accepted(call, "management", "operations", identity)


@api.operation(
    "GET",
    "management/operations/{operationId}/file",
    Action.MANAGEMENT_READ,
    statuses=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    is_additional=True,
)
async def get_exported_file(call: Call) -> models.ExportedFile:
    """Read where the file of an export is: the link opens it for an hour."""
    found = await call.app.devices.exports.file(call.instance, call.part("operationId"))
    return wire.exported_file(found)


@api.operation(
    "GET",
    "management/operations",
    Action.MANAGEMENT_READ,
    query=(filter_by("status eq 'NotStarted' or status eq 'Running'"), TOP),
    is_paged=True,
)
async def list_device_operations(call: Call) -> models.Page[models.Operation]:
    """List operations on devices, newest first."""
    page = await call.app.ports.operations.list(
        call.instance,
        call.page_token(),
        size=call.page_size(),
        kind="devices",
        is_running=is_running_of(call.query("filter")),
    )
    return call.page([wire.device_operation(item) for item in page.items], page)


@api.operation(
    "GET",
    "management/operations/{operationId}",
    Action.MANAGEMENT_READ,
    statuses=(HTTPStatus.NOT_FOUND,),
    is_conditional=True,
)
async def get_device_operation(call: Call) -> Reply[models.Operation]:
    """Read how an operation on devices is doing."""
    identity = call.part("operationId")
    stored = await call.app.ports.operations.get(call.instance, identity)
    if stored is None or stored.value.kind != "devices":
        raise NotFound(f"Operation '{identity}' does not exist.", target="operationId")
    return Reply(wire.device_operation(stored), RETRY)


async def _device(call: Call, module_id: str | None) -> models.DeviceDetails:
    device_id = call.part("deviceId")
    key = device_key(device_id, module_id)
    rows = await call.app.ports.devices.load(call.instance, bucket_of(device_id), [key])
    item = listed(rows[key].value) if key in rows else None
    if item is None:
        raise NotFound(f"Device '{key}' does not exist.", target="deviceId")
    best = (await _best_updates(call)).get(item.class_id)
    return wire.device_details(
        rows[key].value, item, is_on_latest=is_on_latest(item.installed, best)
    )


async def _best_updates(call: Call) -> Mapping[str, UpdateId | None]:
    """The best update of each class."""
    classes = await call.app.ports.fleet.classes(call.instance)
    return {known.device_class.class_id: known.best_update for known in classes}


def _rendered(item: ListedDevice, best: Mapping[str, UpdateId | None]) -> models.Device:
    return wire.device(item, is_on_latest=is_on_latest(item.installed, best.get(item.class_id)))


async def _history(call: Call, module_id: str | None) -> models.Page[models.Installation]:
    page = await call.app.devices.history.page(
        call.instance,
        call.part("deviceId"),
        module_id,
        token=call.page_token(),
        size=call.page_size(),
    )
    return call.page([wire.installation(item) for item in page.items], page)
