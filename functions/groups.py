"""REST: groups and the device classes within them, their compliance and failures."""

from http import HTTPStatus

from functions.api import Api, Call
from shared.domain.access import Action
from shared.domain.errors import NotFound
from shared.domain.fleet.queries import GroupOrder
from shared.http import models, wire
from shared.http.filters import (
    group_ordering,
    properties_of,
)
from shared.http.route import filter_by, order_by
from shared.services.reporting.group_lists import GroupSummary
from shared.services.reporting.report import SubgroupSummary

api = Api()

_GROUP = "management/groups/{groupId}"
_SUBGROUP = _GROUP + "/deviceClassSubgroups/{deviceClassId}"
_UNKNOWN_OR_USED = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


@api.operation(
    "GET",
    "management/updateCompliance",
    Action.MANAGEMENT_READ,
    is_conditional=True,
)
async def get_update_compliance(call: Call) -> models.UpdateCompliance:
    """Read the compliance of the whole instance."""
    found = await call.app.reporting.reports.compliance(call.instance)
    return wire.compliance(found.compliance, found.as_of)


@api.operation(
    "GET",
    "management/groups",
    Action.MANAGEMENT_READ,
    query=(order_by(*GroupOrder),),
    is_paged=True,
)
async def list_groups(call: Call) -> models.Page[models.Group]:
    """List the groups; the default group comes first."""
    page = await call.app.reporting.groups.page(
        call.instance,
        group_ordering(call.query("orderby")),
        token=call.page_token(),
        size=call.page_size(),
    )
    return call.page([_group(item) for item in page.items], page)


@api.operation("GET", _GROUP, Action.MANAGEMENT_READ, statuses=(HTTPStatus.NOT_FOUND,))
async def get_group(call: Call) -> models.Group:
    """Read a group."""
    return _group(await call.app.reporting.groups.get(call.instance, call.part("groupId")))


@api.operation(
    "DELETE",
    _GROUP,
    Action.MANAGEMENT_DELETE,
    status=HTTPStatus.NO_CONTENT,
    statuses=_UNKNOWN_OR_USED,
)
async def delete_group(call: Call) -> None:
    """Delete a group that has neither devices nor active or cancelled deployments."""
    await call.app.reporting.changes.delete_group(call.instance, call.part("groupId"))


@api.operation(
    "GET",
    _GROUP + "/updateCompliance",
    Action.MANAGEMENT_READ,
    statuses=(HTTPStatus.NOT_FOUND,),
    is_conditional=True,
)
async def get_update_compliance_for_group(call: Call) -> models.UpdateCompliance:
    """Read the compliance of a group."""
    found = await call.app.reporting.reports.compliance(call.instance, call.part("groupId"))
    return wire.compliance(found.compliance, found.as_of)


@api.operation(
    "GET",
    _GROUP + "/bestUpdates",
    Action.MANAGEMENT_READ,
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def list_best_updates_for_group(call: Call) -> models.Page[models.UpdatableDevices]:
    """List the best update for each device class of a group."""
    subgroups = await call.app.reporting.reports.subgroups(call.instance, call.part("groupId"))
    items = [_best(call, item) for item in subgroups if item.known.best_update]
    return models.Page(items)


@api.operation(
    "GET",
    _GROUP + "/failures",
    Action.MANAGEMENT_READ,
    statuses=(HTTPStatus.NOT_FOUND,),
    is_additional=True,
)
async def list_failures_for_group(call: Call) -> models.Page[models.FailureCount]:
    """List why devices of a group have failed in their last deployment, the most frequent first."""
    counts = await call.app.reporting.reports.failures(call.instance, call.part("groupId"))
    return models.Page(wire.failures(counts))


@api.operation(
    "GET",
    _GROUP + "/deviceClassSubgroups",
    Action.MANAGEMENT_READ,
    query=(filter_by("compatProperties/NAME eq '...' and ..."),),
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def list_device_class_subgroups_for_group(
    call: Call,
) -> models.Page[models.DeviceClassSubgroup]:
    """List the device classes that a group has devices of."""
    wanted = properties_of(call.query("filter")).items()
    subgroups = await call.app.reporting.reports.subgroups(call.instance, call.part("groupId"))
    return models.Page(
        [
            _subgroup(call, item)
            for item in subgroups
            if wanted <= item.known.device_class.properties.items()
        ]
    )


@api.operation(
    "GET",
    _SUBGROUP,
    Action.MANAGEMENT_READ,
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def get_device_class_subgroup(call: Call) -> models.DeviceClassSubgroup:
    """Read one device class of a group."""
    return _subgroup(call, await _find_subgroup(call))


@api.operation(
    "DELETE",
    _GROUP + "/deviceClassSubgroups/{deviceClassId}",
    Action.MANAGEMENT_DELETE,
    status=HTTPStatus.NO_CONTENT,
    statuses=_UNKNOWN_OR_USED,
)
async def delete_device_class_subgroup(call: Call) -> None:
    """Delete a device class of a group that has neither devices nor an active deployment."""
    await call.app.reporting.changes.delete_subgroup(
        call.instance, call.part("groupId"), call.part("deviceClassId")
    )


@api.operation(
    "GET",
    _SUBGROUP + "/updateCompliance",
    Action.MANAGEMENT_READ,
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def get_device_class_subgroup_update_compliance(call: Call) -> models.UpdateCompliance:
    """Read the compliance of one device class of a group."""
    found = (await _find_subgroup(call)).counted
    return wire.compliance(found.compliance, found.as_of)


@api.operation(
    "GET",
    _SUBGROUP + "/bestUpdates",
    Action.MANAGEMENT_READ,
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def get_best_updates_for_device_class_subgroup(call: Call) -> models.UpdatableDevices:
    """Read the best update for one device class of a group."""
    found = await _find_subgroup(call)
    if found.known.best_update is None:
        raise NotFound("No update fits this device class.", target="deviceClassId")
    return _best(call, found)


async def _find_subgroup(call: Call) -> SubgroupSummary:
    return await call.app.reporting.reports.subgroup(
        call.instance, call.part("groupId"), call.part("deviceClassId")
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
        device_count=item.counted.compliance.new_available,
    )
