"""REST: deployments of groups and of the device classes within them."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from functions.api import Api, Call
from functions.call import named_update
from shared.domain.access import Action
from shared.domain.errors import InvalidInput, NotFound
from shared.domain.fleet.deployment import Deployment, DeploymentState, RollbackPolicy
from shared.domain.instant import instant
from shared.domain.updates.update_id import UpdateId
from shared.http import models, wire
from shared.http.filters import device_state_filter, is_newest_first
from shared.http.route import filter_by, order_by
from shared.ports import KnownClass
from shared.services.deployments.deploy import DeploymentRequest
from shared.services.reporting.report import SubgroupStatus

api = Api()

_GROUP = "management/groups/{groupId}/deployments"
_SUBGROUP = "management/groups/{groupId}/deviceClassSubgroups/{deviceClassId}/deployments"
_ONE = "/{deploymentId}"


@api.operation(
    "PUT",
    _GROUP + _ONE,
    Action.MANAGEMENT_WRITE,
    answer=models.Deployment,
    body=models.Deployment,
    statuses=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def create_or_update_deployment(call: Call) -> Any:
    """Deploy an update to a group."""
    request = _request(call, call.body(models.Deployment))
    deployment = await call.app.deploy.create(call.instance, request)
    return wire.deployment(deployment, await _class_ids(call, deployment))


@api.operation(
    "GET",
    _GROUP,
    Action.MANAGEMENT_READ,
    answer=models.Page[models.Deployment],
    query=(order_by("startDateTime"),),
    statuses=(HTTPStatus.NOT_FOUND,),
    is_paged=True,
)
async def list_deployments_for_group(call: Call) -> Any:
    """List the deployments of a group, by their ids or by their start."""
    page = await call.app.deployment_lists.page(
        call.instance,
        call.part("groupId"),
        is_newest_first=is_newest_first(call.query("orderby")),
        token=call.page_token(),
        size=call.page_size(),
    )
    classes = await call.app.deploy.classes_of(call.instance, call.part("groupId"))
    items = [wire.deployment(item, _targets(item, classes)) for item in page.items]
    return call.page(items, page)


@api.operation(
    "GET",
    _GROUP + _ONE,
    Action.MANAGEMENT_READ,
    answer=models.Deployment,
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def get_deployment(call: Call) -> Any:
    """Read a deployment."""
    deployment = await _deployment(call)
    return wire.deployment(deployment, await _class_ids(call, deployment))


@api.operation(
    "DELETE",
    _GROUP + _ONE,
    Action.MANAGEMENT_DELETE,
    status=HTTPStatus.NO_CONTENT,
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def delete_deployment(call: Call) -> Any:
    """Forget a deployment."""
    await call.app.deploy.delete(call.instance, call.part("groupId"), call.part("deploymentId"))


@api.operation(
    "GET",
    _GROUP + _ONE + "/status",
    Action.MANAGEMENT_READ,
    answer=models.DeploymentStatus,
    statuses=(HTTPStatus.NOT_FOUND,),
    is_conditional=True,
)
async def get_deployment_status(call: Call) -> Any:
    """Read how a deployment stands."""
    deployment, statuses = await _status(call)
    return models.DeploymentStatus(
        group_id=deployment.group_id,
        deployment_state=_overall(statuses),
        subgroup_status=[_subgroup_status(deployment, one) for one in statuses],
    )


@api.operation(
    "GET",
    _SUBGROUP + _ONE,
    Action.MANAGEMENT_READ,
    answer=models.Deployment,
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def get_deployment_for_device_class_subgroup(call: Call) -> Any:
    """Read a deployment as it stands for one device class."""
    return await _subgroup_answer(call, await _deployment(call))


@api.operation(
    "POST",
    _SUBGROUP + _ONE + ":cancel",
    Action.MANAGEMENT_WRITE,
    answer=models.Deployment,
    statuses=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def stop_deployment(call: Call) -> Any:
    """Cancel a deployment for one device class."""
    return await _subgroup_answer(
        call, await call.app.deploy.cancel(call.instance, *await _subgroup(call))
    )


@api.operation(
    "POST",
    _SUBGROUP + _ONE + ":retry",
    Action.MANAGEMENT_WRITE,
    answer=models.Deployment,
    statuses=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def retry_deployment(call: Call) -> Any:
    """Try a deployment again on the devices of one class where it failed."""
    return await _subgroup_answer(
        call, await call.app.deploy.retry(call.instance, *await _subgroup(call))
    )


@api.operation(
    "GET",
    _SUBGROUP + _ONE + "/status",
    Action.MANAGEMENT_READ,
    answer=models.SubgroupDeploymentStatus,
    statuses=(HTTPStatus.NOT_FOUND,),
    is_conditional=True,
)
async def get_device_class_subgroup_deployment_status(call: Call) -> Any:
    """Read how a deployment stands for one device class."""
    deployment, statuses = await _status(call)
    return _subgroup_status(deployment, _of_class(call, statuses))


@api.operation(
    "GET",
    _SUBGROUP + _ONE + "/devicestates",
    Action.MANAGEMENT_READ,
    answer=models.Page[models.DeploymentDeviceState],
    query=(
        filter_by("deviceId eq '...' and moduleId eq '...'", "deviceState eq 'Failed'", "both"),
    ),
    statuses=(HTTPStatus.NOT_FOUND,),
    is_paged=True,
)
async def list_device_states_for_device_class_subgroup_deployment(call: Call) -> Any:
    """List the devices of one class within a deployment."""
    page = await call.app.device_lists.states(
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


def _request(call: Call, body: models.Deployment) -> DeploymentRequest:
    for field, given in (("deploymentId", body.deployment_id), ("groupId", body.group_id)):
        if given != call.part(field):
            raise InvalidInput(f"'{field}' must be the one of the path.", target=f"/{field}")
    return DeploymentRequest(
        deployment_id=body.deployment_id,
        group_id=body.group_id,
        update_id=_update_id(body.update, ""),
        starts_at=instant(body.start_date_time, "/startDateTime"),
        rollback_policy=_rollback_policy(body.rollback_policy),
    )


def _update_id(info: models.UpdateInfo, where: str) -> UpdateId:
    wanted = info.update_id
    return named_update(
        wanted.provider,
        wanted.name,
        wanted.version,
        place=lambda pointer: f"{where}/update/updateId{pointer}",
    )


def _rollback_policy(policy: models.RollbackPolicy | None) -> RollbackPolicy | None:
    if policy is None:
        return None
    return RollbackPolicy(
        _update_id(policy.update, "/rollbackPolicy"),
        policy.failure.devices_failed_percentage,
        policy.failure.devices_failed_count,
    )


async def _deployment(call: Call) -> Deployment:
    return await call.app.deploy.get(call.instance, call.part("groupId"), call.part("deploymentId"))


async def _status(call: Call) -> tuple[Deployment, list[SubgroupStatus]]:
    return await call.app.reports.status(
        call.instance, call.part("groupId"), call.part("deploymentId")
    )


async def _class_ids(call: Call, deployment: Deployment) -> list[str]:
    return _targets(
        deployment, await call.app.deploy.classes_of(call.instance, deployment.group_id)
    )


def _targets(deployment: Deployment, classes: Sequence[KnownClass]) -> list[str]:
    """Ids of the classes that the deployment is for."""
    return [
        known.device_class.class_id for known in classes if deployment.targets(known.device_class)
    ]


async def _subgroup(call: Call) -> tuple[str, str, str]:
    """Group, class and deployment of the path, checked to belong together."""
    _, statuses = await _status(call)
    return call.part("groupId"), _of_class(call, statuses).class_id, call.part("deploymentId")


def _of_class(call: Call, statuses: Sequence[SubgroupStatus]) -> SubgroupStatus:
    for status in statuses:
        if status.class_id == call.part("deviceClassId"):
            return status
    raise NotFound(
        f"The deployment has nothing for device class '{call.part('deviceClassId')}'.",
        target="deviceClassId",
    )


async def _subgroup_answer(call: Call, deployment: Deployment) -> Any:
    class_id = call.part("deviceClassId")
    return wire.deployment(deployment, [class_id], class_id)


def _overall(statuses: Sequence[SubgroupStatus]) -> Any:
    states = {status.state for status in statuses}
    if DeploymentState.ACTIVE in states or not states:
        failed = any(status.counts.failed for status in statuses)
        return "ActiveWithSubgroupFailures" if failed else DeploymentState.ACTIVE.value
    return (states - {DeploymentState.INACTIVE} or states).pop().value


def _subgroup_status(
    deployment: Deployment, status: SubgroupStatus
) -> models.SubgroupDeploymentStatus:
    return wire.subgroup_status(
        deployment,
        status.class_id,
        status.state.value,
        status.counts,
        status.total,
        status.failures,
    )
