"""REST: device classes and the updates that fit them."""

from http import HTTPStatus

from functions.api import Api, Call
from shared.domain.access import Action
from shared.http import models, wire
from shared.http.filters import (
    friendly_name_of,
)
from shared.http.route import MERGE_PATCH, filter_by
from shared.ports import KnownClass
from shared.services.reporting.device_classes import known_class

api = Api()

_CLASS = "management/deviceClasses/{deviceClassId}"
_UNKNOWN_OR_USED = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


@api.operation(
    "GET",
    "management/deviceClasses",
    Action.MANAGEMENT_READ,
    query=(filter_by("friendlyName eq '...'"),),
    is_paged=True,
)
async def list_device_classes(call: Call) -> models.Page[models.DeviceClass]:
    """List the device classes."""
    page = await call.app.ports.fleet.class_page(
        call.instance,
        friendly_name_of(call.query("filter")),
        token=call.page_token(),
        size=call.page_size(),
    )
    return call.page([wire.device_class(known) for known in page.items], page)


@api.operation(
    "GET",
    _CLASS,
    Action.MANAGEMENT_READ,
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def get_device_class(call: Call) -> models.DeviceClass:
    """Read a device class."""
    return wire.device_class(await _known(call))


@api.operation(
    "GET",
    _CLASS + "/installableUpdates",
    Action.MANAGEMENT_READ,
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def list_installable_updates_for_device_class(call: Call) -> models.Page[models.UpdateInfo]:
    """List the updates that fit a device class."""
    known = await _known(call)
    fitting = await call.app.updates.best.fitting(call.instance, known.device_class)
    return models.Page([wire.update_info(item) for item in fitting])


@api.operation(
    "PATCH",
    _CLASS,
    Action.MANAGEMENT_WRITE,
    body=models.DeviceClassPatch,
    body_type=MERGE_PATCH,
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def update_device_class(call: Call) -> models.DeviceClass:
    """Give a device class a friendly name."""
    patch = call.body(models.DeviceClassPatch)
    return wire.device_class(
        await call.app.reporting.changes.rename_class(
            call.instance, call.part("deviceClassId"), patch.friendly_name
        )
    )


@api.operation(
    "DELETE",
    _CLASS,
    Action.MANAGEMENT_DELETE,
    status=HTTPStatus.NO_CONTENT,
    statuses=_UNKNOWN_OR_USED,
)
async def delete_device_class(call: Call) -> None:
    """Delete a device class that has no devices."""
    await call.app.reporting.changes.delete_class(call.instance, call.part("deviceClassId"))


async def _known(call: Call) -> KnownClass:
    """The device class that the path names."""
    return await known_class(call.app.ports.fleet, call.instance, call.part("deviceClassId"))
