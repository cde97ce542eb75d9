"""REST: devices, device classes, groups, subgroups and their compliance."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from functions.api import Api, Call
from shared.domain.access import Action
from shared.domain.errors import NotFound
from shared.domain.fleet.compliance import is_on_latest
from shared.domain.fleet.device import DeviceRecord, bucket_of, device_key, view
from shared.domain.fleet.queries import GroupOrder
from shared.domain.updates.update_id import UpdateId
from shared.http import models, wire
from shared.http.filters import device_filter, friendly_name_of, group_ordering, properties_of
from shared.http.route import filter_by, order_by
from shared.services.reporting.group_lists import GroupSummary
from shared.services.reporting.report import SubgroupSummary

api = Api()

_DEVICE = "management/devices/{deviceId}"
_CLASS = "management/deviceClasses/{deviceClassId}"
_GROUP = "management/groups/{groupId}"
_SUBGROUP = _GROUP + "/deviceClassSubgroups/{deviceClassId}"


@api.operation(
    "GET",
    "management/devices",
    Action.MANAGEMENT_READ,
    answer=models.Page[models.Device],
    query=(
        filter_by(
            "groupId eq '...'",
            "groupId eq '...' and deploymentStatus eq 'Failed'",
            "groupId eq '...' and deploymentStatus eq null",
            "deviceClassId eq '...'",
        ),
    ),
    is_paged=True,
)
async def list_devices(call: Call) -> Any:
    """List devices: all, or those of a group or of a device class."""
    page = await call.app.device_lists.page(
        call.instance,
        device_filter(call.query("filter")),
        token=call.page_token(),
        size=call.page_size(),
    )
    best = await _best_updates(call)
    return call.page([_rendered(record, best) for record in page.items], page)


@api.operation(
    "GET", _DEVICE, Action.MANAGEMENT_READ, answer=models.Device, statuses=(HTTPStatus.NOT_FOUND,)
)
async def get_device(call: Call) -> Any:
    """Read a device."""
    return await _device(call, None)


@api.operation(
    "GET",
    _DEVICE + "/modules/{moduleId}",
    Action.MANAGEMENT_READ,
    answer=models.Device,
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def get_device_module(call: Call) -> Any:
    """Read a module whose agent takes updates."""
    return await _device(call, call.part("moduleId"))


@api.operation(
    "GET",
    "management/deviceClasses",
    Action.MANAGEMENT_READ,
    answer=models.Page[models.DeviceClass],
    query=(filter_by("friendlyName eq '...'"),),
    is_paged=True,
)
async def list_device_classes(call: Call) -> Any:
    """List the device classes."""
    page = await call.app.fleet.class_page(
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
    answer=models.DeviceClass,
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def get_device_class(call: Call) -> Any:
    """Read a device class."""
    for known in await call.app.fleet.classes(call.instance):
        if known.device_class.class_id == call.part("deviceClassId"):
            return wire.device_class(known)
    raise _no_class(call)


@api.operation(
    "GET",
    _CLASS + "/installableUpdates",
    Action.MANAGEMENT_READ,
    answer=models.Page[models.UpdateInfo],
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def list_installable_updates_for_device_class(call: Call) -> Any:
    """List the updates that fit a device class."""
    for known in await call.app.fleet.classes(call.instance):
        if known.device_class.class_id == call.part("deviceClassId"):
            fitting = await call.app.best_updates.fitting(call.instance, known.device_class)
            return {"value": [wire.update_info(item) for item in fitting]}
    raise _no_class(call)


@api.operation(
    "GET",
    "management/updateCompliance",
    Action.MANAGEMENT_READ,
    answer=models.UpdateCompliance,
    is_conditional=True,
)
async def get_update_compliance(call: Call) -> Any:
    """Read the compliance of the whole instance."""
    return wire.compliance(await call.app.reports.compliance(call.instance))


@api.operation(
    "GET",
    "management/groups",
    Action.MANAGEMENT_READ,
    answer=models.Page[models.Group],
    query=(order_by(*GroupOrder),),
    is_paged=True,
)
async def list_groups(call: Call) -> Any:
    """List the groups; the default group comes first."""
    page = await call.app.group_lists.page(
        call.instance,
        group_ordering(call.query("orderby")),
        token=call.page_token(),
        size=call.page_size(),
    )
    return call.page([_group(item) for item in page.items], page)


@api.operation(
    "GET", _GROUP, Action.MANAGEMENT_READ, answer=models.Group, statuses=(HTTPStatus.NOT_FOUND,)
)
async def get_group(call: Call) -> Any:
    """Read a group."""
    return _group(await call.app.group_lists.get(call.instance, call.part("groupId")))


@api.operation(
    "GET",
    _GROUP + "/updateCompliance",
    Action.MANAGEMENT_READ,
    answer=models.UpdateCompliance,
    statuses=(HTTPStatus.NOT_FOUND,),
    is_conditional=True,
)
async def get_update_compliance_for_group(call: Call) -> Any:
    """Read the compliance of a group."""
    found = await call.app.reports.compliance(call.instance, call.part("groupId"))
    return wire.compliance(found)


@api.operation(
    "GET",
    _GROUP + "/bestUpdates",
    Action.MANAGEMENT_READ,
    answer=models.Page[models.UpdatableDevices],
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def list_best_updates_for_group(call: Call) -> Any:
    """List the best update for each device class of a group."""
    subgroups = await call.app.reports.subgroups(call.instance, call.part("groupId"))
    items = [_best(call, item) for item in subgroups if item.known.best_update]
    return {"value": items}


@api.operation(
    "GET",
    _GROUP + "/deviceClassSubgroups",
    Action.MANAGEMENT_READ,
    answer=models.Page[models.DeviceClassSubgroup],
    query=(filter_by("compatProperties/NAME eq '...' and ..."),),
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def list_device_class_subgroups_for_group(call: Call) -> Any:
    """List the device classes that a group has devices of."""
    wanted = properties_of(call.query("filter")).items()
    subgroups = await call.app.reports.subgroups(call.instance, call.part("groupId"))
    return {
        "value": [
            _subgroup(call, item)
            for item in subgroups
            if wanted <= item.known.device_class.properties.items()
        ]
    }


@api.operation(
    "GET",
    _SUBGROUP,
    Action.MANAGEMENT_READ,
    answer=models.DeviceClassSubgroup,
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def get_device_class_subgroup(call: Call) -> Any:
    """Read one device class of a group."""
    return _subgroup(call, await _find_subgroup(call))


@api.operation(
    "GET",
    _SUBGROUP + "/updateCompliance",
    Action.MANAGEMENT_READ,
    answer=models.UpdateCompliance,
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def get_device_class_subgroup_update_compliance(call: Call) -> Any:
    """Read the compliance of one device class of a group."""
    return wire.compliance((await _find_subgroup(call)).compliance)


@api.operation(
    "GET",
    _SUBGROUP + "/bestUpdates",
    Action.MANAGEMENT_READ,
    answer=models.UpdatableDevices,
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def get_best_updates_for_device_class_subgroup(call: Call) -> Any:
    """Read the best update for one device class of a group."""
    found = await _find_subgroup(call)
    if found.known.best_update is None:
        raise NotFound("No update fits this device class.", target="deviceClassId")
    return _best(call, found)


async def _device(call: Call, module_id: str | None) -> Any:
    device_id = call.part("deviceId")
    key = device_key(device_id, module_id)
    rows = await call.app.devices.load(call.instance, bucket_of(device_id), [key])
    if key not in rows or view(rows[key].value).device_class is None:
        raise NotFound(f"Device '{key}' does not exist.", target="deviceId")
    return _rendered(rows[key].value, await _best_updates(call))


async def _best_updates(call: Call) -> Mapping[str, UpdateId | None]:
    """The best update of each class."""
    classes = await call.app.fleet.classes(call.instance)
    return {known.device_class.class_id: known.best_update for known in classes}


def _rendered(record: DeviceRecord, best: Mapping[str, UpdateId | None]) -> models.Device:
    seen = view(record)
    class_id = seen.device_class.class_id if seen.device_class else ""
    return wire.device(record, is_on_latest=is_on_latest(seen.installed, best.get(class_id)))


async def _find_subgroup(call: Call) -> SubgroupSummary:
    for item in await call.app.reports.subgroups(call.instance, call.part("groupId")):
        if item.known.device_class.class_id == call.part("deviceClassId"):
            return item
    raise _no_class(call)


def _no_class(call: Call) -> NotFound:
    return NotFound(
        f"Device class '{call.part('deviceClassId')}' does not exist here.", target="deviceClassId"
    )


def _group(item: GroupSummary) -> models.Group:
    return models.Group(
        group_id=item.group.group_id,
        group_type=wire.group_type(item.group.group_id),
        created_date_time=item.group.created_at,
        device_count=item.device_count,
        subgroups_with_new_updates_available_count=item.new_available,
        subgroups_with_updates_in_progress_count=item.in_progress,
        subgroups_with_on_latest_update_count=item.on_latest,
        deployments=list(item.deployments),
    )


def _subgroup(call: Call, item: SubgroupSummary) -> models.DeviceClassSubgroup:
    return models.DeviceClassSubgroup(
        device_class_id=item.known.device_class.class_id,
        group_id=call.part("groupId"),
        created_date_time=item.known.created_at,
        device_count=item.device_count,
        deployment_id=item.deployment_id,
    )


def _best(call: Call, item: SubgroupSummary) -> models.UpdatableDevices:
    assert item.known.best_update is not None
    return models.UpdatableDevices(
        group_id=call.part("groupId"),
        device_class_id=item.known.device_class.class_id,
        update=wire.update_info(item.known.best_update),
        device_count=item.compliance.new_available,
    )
