"""REST: deployments of groups and of the device classes within them."""

from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

import azure.functions as func

from functions.api import Answer, Call, empty_answer, json_answer, operation
from shared.domain.access import Action
from shared.domain.deployment import Deployment, DeploymentState
from shared.domain.errors import InvalidInput, NotFound
from shared.domain.update_id import UpdateId
from shared.http import wire
from shared.services.deploy import DeploymentRequest
from shared.services.report import SubgroupStatus

bp = func.Blueprint()

_GROUP = "management/groups/{groupId}/deployments"
_SUBGROUP = "management/groups/{groupId}/deviceClassSubgroups/{deviceClassId}/deployments"
_ONE = "/{deploymentId}"


@operation(bp, "PUT", _GROUP + _ONE, Action.MANAGEMENT_WRITE)
async def create_or_update_deployment(call: Call) -> Answer:
    """Deploy an update to a group."""
    request = _request(call, call.body())
    deployment = await call.app.deploy.create(call.instance, request)
    return json_answer(wire.deployment(deployment, await _class_ids(call, deployment)))


@operation(bp, "GET", _GROUP, Action.MANAGEMENT_READ)
async def list_deployments_for_group(call: Call) -> Answer:
    """List the deployments of a group."""
    stored = await call.app.deployments.of_group(call.instance, call.part("groupId"))
    return json_answer(
        wire.page(
            [wire.deployment(one.value, await _class_ids(call, one.value)) for one in stored], None
        )
    )


@operation(bp, "GET", _GROUP + _ONE, Action.MANAGEMENT_READ)
async def get_deployment(call: Call) -> Answer:
    """Read a deployment."""
    deployment = await _deployment(call)
    return json_answer(wire.deployment(deployment, await _class_ids(call, deployment)))


@operation(bp, "DELETE", _GROUP + _ONE, Action.MANAGEMENT_DELETE)
async def delete_deployment(call: Call) -> Answer:
    """Forget a deployment."""
    await call.app.deploy.delete(call.instance, call.part("groupId"), call.part("deploymentId"))
    return empty_answer(HTTPStatus.NO_CONTENT)


@operation(bp, "GET", _GROUP + _ONE + "/status", Action.MANAGEMENT_READ)
async def get_deployment_status(call: Call) -> Answer:
    """Read how a deployment stands."""
    deployment, statuses = await _status(call)
    return json_answer(
        {
            "groupId": deployment.group_id,
            "deploymentState": _overall(statuses),
            "subgroupStatus": [_subgroup_status(deployment, one) for one in statuses],
        }
    )


@operation(bp, "GET", _SUBGROUP + _ONE, Action.MANAGEMENT_READ)
async def get_deployment_for_device_class_subgroup(call: Call) -> Answer:
    """Read a deployment as it stands for one device class."""
    return await _subgroup_answer(call, await _deployment(call))


@operation(bp, "POST", _SUBGROUP + _ONE + ":cancel", Action.MANAGEMENT_WRITE)
async def stop_deployment(call: Call) -> Answer:
    """Cancel a deployment for one device class."""
    return await _subgroup_answer(
        call, await call.app.deploy.cancel(call.instance, *await _subgroup(call))
    )


@operation(bp, "POST", _SUBGROUP + _ONE + ":retry", Action.MANAGEMENT_WRITE)
async def retry_deployment(call: Call) -> Answer:
    """Try a deployment again on the devices of one class where it failed."""
    return await _subgroup_answer(
        call, await call.app.deploy.retry(call.instance, *await _subgroup(call))
    )


@operation(bp, "GET", _SUBGROUP + _ONE + "/status", Action.MANAGEMENT_READ)
async def get_device_class_subgroup_deployment_status(call: Call) -> Answer:
    """Read how a deployment stands for one device class."""
    deployment, statuses = await _status(call)
    return json_answer(_subgroup_status(deployment, _of_class(call, statuses)))


@operation(bp, "GET", _SUBGROUP + _ONE + "/devicestates", Action.MANAGEMENT_READ)
async def list_device_states_for_device_class_subgroup_deployment(call: Call) -> Answer:
    """List the devices of one class within a deployment."""
    await _deployment(call)
    rows = call.app.reports.device_states(
        call.instance, call.part("groupId"), call.part("deviceClassId"), call.part("deploymentId")
    )
    items = [
        {
            "deviceId": row.device_id,
            **({"moduleId": row.module_id} if row.module_id else {}),
            "retryCount": 0,
            "movedOnToNewDeployment": row.has_moved_on,
            "deviceState": row.state.value,
        }
        async for row in rows
    ]
    return json_answer(wire.page(items, None))


def _request(call: Call, body: Any) -> DeploymentRequest:
    if not isinstance(body, dict):
        raise InvalidInput("The body must be a deployment.", target="body")
    for field in ("deploymentId", "groupId"):
        if body.get(field) != call.part(field):
            raise InvalidInput(f"'{field}' must be the one of the path.", target=field)
    update = body.get("update")
    if not isinstance(update, dict):
        raise InvalidInput("'update' must name an update.", target="update")
    policy = body.get("rollbackPolicy")
    if policy is not None and not isinstance(policy, dict):
        raise InvalidInput("'rollbackPolicy' must be an object.", target="rollbackPolicy")
    return DeploymentRequest(
        deployment_id=call.part("deploymentId"),
        group_id=call.part("groupId"),
        update_id=UpdateId.parse(update.get("updateId")),
        starts_at=_time(body.get("startDateTime")),
        rollback_policy=policy,
    )


def _time(value: object) -> str:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise InvalidInput(
            "'startDateTime' must be an ISO 8601 date and time.", target="startDateTime"
        ) from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


async def _deployment(call: Call) -> Deployment:
    return await call.app.deploy.get(call.instance, call.part("groupId"), call.part("deploymentId"))


async def _status(call: Call) -> tuple[Deployment, list[SubgroupStatus]]:
    return await call.app.reports.status(
        call.instance, call.part("groupId"), call.part("deploymentId")
    )


async def _class_ids(call: Call, deployment: Deployment) -> list[str]:
    classes = await call.app.deploy.classes_of(call.instance, deployment.group_id)
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


async def _subgroup_answer(call: Call, deployment: Deployment) -> Answer:
    class_id = call.part("deviceClassId")
    return json_answer(wire.deployment(deployment, [class_id], class_id))


def _overall(statuses: Sequence[SubgroupStatus]) -> str:
    states = {status.state for status in statuses}
    if DeploymentState.ACTIVE in states or not states:
        failed = any(status.counts.failed for status in statuses)
        return "ActiveWithSubgroupFailures" if failed else DeploymentState.ACTIVE.value
    return (states - {DeploymentState.INACTIVE} or states).pop().value


def _subgroup_status(deployment: Deployment, status: SubgroupStatus) -> wire.Json:
    return wire.subgroup_status(
        deployment, status.class_id, status.state.value, status.counts, status.total
    )
