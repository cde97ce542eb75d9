"""REST: deployments as they stand for one device class of a group."""

from collections.abc import Sequence
from http import HTTPStatus

from functions.api import Api, Call
from functions.deployments import deployment_of, status_of, subgroup_status
from shared.domain.access import Action
from shared.domain.errors import NotFound
from shared.domain.fleet.deployment import Deployment
from shared.http import models, wire
from shared.http.filters import (
    device_state_filter,
    is_newest_first,
)
from shared.http.route import filter_by, order_by
from shared.services.paging import page_of_sorted
from shared.services.reporting.report import SubgroupStatus

api = Api()

_SUBGROUP = "management/groups/{groupId}/deviceClassSubgroups/{deviceClassId}/deployments"
_ONE = "/{deploymentId}"


@api.operation(
    "GET",
    _SUBGROUP,
    Action.MANAGEMENT_READ,
    query=(order_by("startDateTime"),),
    statuses=(HTTPStatus.NOT_FOUND,),
    is_paged=True,
)
async def list_deployments_for_device_class_subgroup(call: Call) -> models.Page[models.Deployment]:
    """List the deployments that concern a device class of a group, by id or by their start."""
    is_newest = is_newest_first(call.query("orderby"))
    group, class_id = call.part("groupId"), call.part("deviceClassId")
    known = await call.app.reporting.reports.subgroup(call.instance, group, class_id)
    stored = await call.app.ports.deployments.of_group(call.instance, group)
    found = [item.value for item in stored if item.value.targets(known.known.device_class)]
    page = page_of_sorted(
        found,
        lambda item: ("" if is_newest is None else item.starts_at, item.deployment_id),
        is_descending=bool(is_newest),
        token=call.page_token(),
        size=call.page_size(),
    )
    return call.page([wire.deployment(item, [class_id], class_id) for item in page.items], page)


@api.operation(
    "GET",
    _SUBGROUP + _ONE,
    Action.MANAGEMENT_READ,
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def get_deployment_for_device_class_subgroup(call: Call) -> models.Deployment:
    """Read a deployment as it stands for one device class."""
    return await _subgroup_answer(call, await deployment_of(call))


@api.operation(
    "DELETE",
    _SUBGROUP + _ONE,
    Action.MANAGEMENT_DELETE,
    status=HTTPStatus.NO_CONTENT,
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def delete_deployment_for_device_class_subgroup(call: Call) -> None:
    """Forget a deployment for a device class; its devices are left as they are."""
    group, class_id = call.part("groupId"), call.part("deviceClassId")
    identity = call.part("deploymentId")
    _, statuses = await call.app.reporting.reports.status(call.instance, group, identity)
    if all(status.class_id != class_id for status in statuses):
        raise NotFound(
            f"The deployment has nothing for device class '{class_id}'.", target="deviceClassId"
        )
    await call.app.deployments.deploy.delete_for_class(call.instance, group, class_id, identity)


@api.operation(
    "POST",
    _SUBGROUP + _ONE + ":cancel",
    Action.MANAGEMENT_WRITE,
    statuses=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def stop_deployment(call: Call) -> models.Deployment:
    """Cancel a deployment for one device class."""
    return await _subgroup_answer(
        call,
        await call.app.deployments.deploy.cancel(
            call.instance, *await _subgroup(call), call.principal.object_id
        ),
    )


@api.operation(
    "POST",
    _SUBGROUP + _ONE + ":retry",
    Action.MANAGEMENT_WRITE,
    statuses=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def retry_deployment(call: Call) -> models.Deployment:
    """Try a deployment again on the devices of one class where it failed."""
    return await _subgroup_answer(
        call,
        await call.app.deployments.deploy.retry(
            call.instance, *await _subgroup(call), call.principal.object_id
        ),
    )


@api.operation(
    "GET",
    _SUBGROUP + _ONE + "/status",
    Action.MANAGEMENT_READ,
    statuses=(HTTPStatus.NOT_FOUND,),
    is_conditional=True,
)
async def get_device_class_subgroup_deployment_status(
    call: Call,
) -> models.SubgroupDeploymentStatus:
    """Read how a deployment stands for one device class."""
    deployment, statuses = await status_of(call)
    return subgroup_status(deployment, _of_class(call, statuses))


@api.operation(
    "GET",
    _SUBGROUP + _ONE + "/devicestates",
    Action.MANAGEMENT_READ,
    query=(
        filter_by("deviceId eq '...' and moduleId eq '...'", "deviceState eq 'Failed'", "both"),
    ),
    statuses=(HTTPStatus.NOT_FOUND,),
    is_paged=True,
)
async def list_device_states_for_device_class_subgroup_deployment(
    call: Call,
) -> models.Page[models.DeploymentDeviceState]:
    """List the devices of one class within a deployment."""
    page = await call.app.devices.lists.states(
        call.instance,
        (call.part("groupId"), call.part("deviceClassId"), call.part("deploymentId")),
        device_state_filter(call.query("filter")),
        token=call.page_token(),
        size=call.page_size(),
    )
    items = [
        models.DeploymentDeviceState(
            device_id=row.device_id,
            module_id=row.module_id,
            retry_count=row.retry_count,
            moved_on_to_new_deployment=row.has_moved_on,
            device_state=row.state.value,
            failure=wire.device_failure(row.state, row.extended_result_codes),
        )
        for row in page.items
    ]
    return call.page(items, page)


async def _subgroup(call: Call) -> tuple[str, str, str]:
    """Group, class and deployment of the path, checked to belong together."""
    _, statuses = await status_of(call)
    return call.part("groupId"), _of_class(call, statuses).class_id, call.part("deploymentId")


def _of_class(call: Call, statuses: Sequence[SubgroupStatus]) -> SubgroupStatus:
    for status in statuses:
        if status.class_id == call.part("deviceClassId"):
            return status
    raise NotFound(
        f"The deployment has nothing for device class '{call.part('deviceClassId')}'.",
        target="deviceClassId",
    )


async def _subgroup_answer(call: Call, deployment: Deployment) -> models.Deployment:
    class_id = call.part("deviceClassId")
    return wire.deployment(deployment, [class_id], class_id)
