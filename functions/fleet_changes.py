"""REST: names of device classes, and deletion of classes, groups and subgroups."""

from http import HTTPStatus

from functions.api import Api, Call
from shared.domain.access import Action
from shared.http import models, wire
from shared.http.route import MERGE_PATCH

api = Api()

_CLASS = "management/deviceClasses/{deviceClassId}"
_GROUP = "management/groups/{groupId}"
_UNKNOWN_OR_USED = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


@api.operation(
    "PATCH",
    _CLASS,
    Action.MANAGEMENT_WRITE,
    answer=models.DeviceClass,
    body=models.DeviceClassPatch,
    body_type=MERGE_PATCH,
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def update_device_class(call: Call) -> models.DeviceClass:
    """Give a device class a friendly name."""
    patch = call.body(models.DeviceClassPatch)
    return wire.device_class(
        await call.app.fleet_changes.rename_class(
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
    await call.app.fleet_changes.delete_class(call.instance, call.part("deviceClassId"))


@api.operation(
    "DELETE",
    _GROUP,
    Action.MANAGEMENT_DELETE,
    status=HTTPStatus.NO_CONTENT,
    statuses=_UNKNOWN_OR_USED,
)
async def delete_group(call: Call) -> None:
    """Delete a group that has neither devices nor active or cancelled deployments."""
    await call.app.fleet_changes.delete_group(call.instance, call.part("groupId"))


@api.operation(
    "DELETE",
    _GROUP + "/deviceClassSubgroups/{deviceClassId}",
    Action.MANAGEMENT_DELETE,
    status=HTTPStatus.NO_CONTENT,
    statuses=_UNKNOWN_OR_USED,
)
async def delete_device_class_subgroup(call: Call) -> None:
    """Delete a device class of a group that has neither devices nor an active deployment."""
    await call.app.fleet_changes.delete_subgroup(
        call.instance, call.part("groupId"), call.part("deviceClassId")
    )
