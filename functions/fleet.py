"""REST: devices, device classes, groups, subgroups and their compliance."""

import azure.functions as func

from functions.api import Answer, Call, json_answer, operation
from shared.domain.access import Action
from shared.domain.compliance import is_on_latest
from shared.domain.device import DeviceRecord, bucket_of, device_key, view
from shared.domain.errors import NotFound
from shared.http import wire
from shared.services.report import GroupSummary, SubgroupSummary

bp = func.Blueprint()

_DEVICE = "management/devices/{deviceId}"
_CLASS = "management/deviceClasses/{deviceClassId}"
_GROUP = "management/groups/{groupId}"
_SUBGROUP = _GROUP + "/deviceClassSubgroups/{deviceClassId}"


@operation(bp, "GET", _DEVICE, Action.MANAGEMENT_READ)
async def get_device(call: Call) -> Answer:
    """Read a device."""
    return await _device(call, None)


@operation(bp, "GET", _DEVICE + "/modules/{moduleId}", Action.MANAGEMENT_READ)
async def get_device_module(call: Call) -> Answer:
    """Read a module whose agent takes updates."""
    return await _device(call, call.part("moduleId"))


@operation(bp, "GET", "management/deviceClasses", Action.MANAGEMENT_READ)
async def list_device_classes(call: Call) -> Answer:
    """List the device classes."""
    classes = await call.app.fleet.classes(call.instance)
    return json_answer(wire.page([wire.device_class(known) for known in classes], None))


@operation(bp, "GET", _CLASS, Action.MANAGEMENT_READ)
async def get_device_class(call: Call) -> Answer:
    """Read a device class."""
    for known in await call.app.fleet.classes(call.instance):
        if known.device_class.class_id == call.part("deviceClassId"):
            return json_answer(wire.device_class(known))
    raise _no_class(call)


@operation(bp, "GET", _CLASS + "/installableUpdates", Action.MANAGEMENT_READ)
async def list_installable_updates_for_device_class(call: Call) -> Answer:
    """List the updates that fit a device class."""
    for known in await call.app.fleet.classes(call.instance):
        if known.device_class.class_id == call.part("deviceClassId"):
            fitting = await call.app.best_updates.fitting(call.instance, known.device_class)
            return json_answer(wire.page([wire.update_info(item) for item in fitting], None))
    raise _no_class(call)


@operation(bp, "GET", "management/updateCompliance", Action.MANAGEMENT_READ)
async def get_update_compliance(call: Call) -> Answer:
    """Read the compliance of the whole instance."""
    return json_answer(wire.compliance(await call.app.reports.compliance(call.instance)))


@operation(bp, "GET", "management/groups", Action.MANAGEMENT_READ)
async def list_groups(call: Call) -> Answer:
    """List the groups; the default group comes first."""
    groups = await call.app.reports.groups(call.instance)
    return json_answer(wire.page([_group(item) for item in groups], None))


@operation(bp, "GET", _GROUP, Action.MANAGEMENT_READ)
async def get_group(call: Call) -> Answer:
    """Read a group."""
    for item in await call.app.reports.groups(call.instance):
        if item.group.group_id == call.part("groupId"):
            return json_answer(_group(item))
    raise NotFound(f"Group '{call.part('groupId')}' does not exist.", target="groupId")


@operation(bp, "GET", _GROUP + "/updateCompliance", Action.MANAGEMENT_READ)
async def get_update_compliance_for_group(call: Call) -> Answer:
    """Read the compliance of a group."""
    found = await call.app.reports.compliance(call.instance, call.part("groupId"))
    return json_answer(wire.compliance(found))


@operation(bp, "GET", _GROUP + "/bestUpdates", Action.MANAGEMENT_READ)
async def list_best_updates_for_group(call: Call) -> Answer:
    """List the best update for each device class of a group."""
    subgroups = await call.app.reports.subgroups(call.instance, call.part("groupId"))
    items = [_best(call, item) for item in subgroups if item.known.best_update]
    return json_answer(wire.page(items, None))


@operation(bp, "GET", _GROUP + "/deviceClassSubgroups", Action.MANAGEMENT_READ)
async def list_device_class_subgroups_for_group(call: Call) -> Answer:
    """List the device classes that a group has devices of."""
    subgroups = await call.app.reports.subgroups(call.instance, call.part("groupId"))
    return json_answer(wire.page([_subgroup(call, item) for item in subgroups], None))


@operation(bp, "GET", _SUBGROUP, Action.MANAGEMENT_READ)
async def get_device_class_subgroup(call: Call) -> Answer:
    """Read one device class of a group."""
    return json_answer(_subgroup(call, await _find_subgroup(call)))


@operation(bp, "GET", _SUBGROUP + "/updateCompliance", Action.MANAGEMENT_READ)
async def get_device_class_subgroup_update_compliance(call: Call) -> Answer:
    """Read the compliance of one device class of a group."""
    return json_answer(wire.compliance((await _find_subgroup(call)).compliance))


@operation(bp, "GET", _SUBGROUP + "/bestUpdates", Action.MANAGEMENT_READ)
async def get_best_updates_for_device_class_subgroup(call: Call) -> Answer:
    """Read the best update for one device class of a group."""
    found = await _find_subgroup(call)
    if found.known.best_update is None:
        raise NotFound("No update fits this device class.", target="deviceClassId")
    return json_answer(_best(call, found))


async def _device(call: Call, module_id: str | None) -> Answer:
    device_id = call.part("deviceId")
    key = device_key(device_id, module_id)
    rows = await call.app.devices.load(call.instance, bucket_of(device_id), [key])
    if key not in rows or view(rows[key].value).device_class is None:
        raise NotFound(f"Device '{key}' does not exist.", target="deviceId")
    return json_answer(await _rendered(call, rows[key].value))


async def _rendered(call: Call, record: DeviceRecord) -> wire.Json:
    seen = view(record)
    class_id = seen.device_class.class_id if seen.device_class else ""
    best = next(
        (
            known.best_update
            for known in await call.app.fleet.classes(call.instance)
            if known.device_class.class_id == class_id
        ),
        None,
    )
    return wire.device(record, is_on_latest=is_on_latest(seen.installed, best))


async def _find_subgroup(call: Call) -> SubgroupSummary:
    for item in await call.app.reports.subgroups(call.instance, call.part("groupId")):
        if item.known.device_class.class_id == call.part("deviceClassId"):
            return item
    raise _no_class(call)


def _no_class(call: Call) -> NotFound:
    return NotFound(
        f"Device class '{call.part('deviceClassId')}' does not exist here.", target="deviceClassId"
    )


def _group(item: GroupSummary) -> wire.Json:
    return wire.group(
        item.group.group_id,
        item.group.created_at,
        deviceCount=item.device_count,
        subgroupsWithNewUpdatesAvailableCount=item.new_available,
        subgroupsWithUpdatesInProgressCount=item.in_progress,
        subgroupsWithOnLatestUpdateCount=item.on_latest,
        deployments=list(item.deployments),
    )


def _subgroup(call: Call, item: SubgroupSummary) -> wire.Json:
    body = {
        "deviceClassId": item.known.device_class.class_id,
        "groupId": call.part("groupId"),
        "createdDateTime": item.known.created_at,
        "deviceCount": item.device_count,
    }
    return {**body, "deploymentId": item.deployment_id} if item.deployment_id else body


def _best(call: Call, item: SubgroupSummary) -> wire.Json:
    assert item.known.best_update is not None
    return {
        "groupId": call.part("groupId"),
        "deviceClassId": item.known.device_class.class_id,
        "update": wire.update_info(item.known.best_update),
        "deviceCount": item.compliance.new_available,
    }
