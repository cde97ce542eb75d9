"""REST: deployments of groups."""

from collections.abc import Sequence
from http import HTTPStatus

from functions.api import Api, Call
from functions.call import named_update
from shared.domain.access import Action
from shared.domain.errors import InvalidInput
from shared.domain.fleet.deployment import Deployment, RollbackPolicy
from shared.domain.fleet.deployment_edit import DeploymentRequest
from shared.domain.instant import instant
from shared.domain.updates.update_id import UpdateId
from shared.http import models, wire
from shared.http.filters import (
    is_newest_first,
)
from shared.http.route import order_by
from shared.http.wire import rollouts
from shared.ports import KnownClass
from shared.services.reporting.report import SubgroupStatus, overall_state

api = Api()

_GROUP = "management/groups/{groupId}/deployments"
_ONE = "/{deploymentId}"


@api.operation(
    "PUT",
    _GROUP + _ONE,
    Action.MANAGEMENT_WRITE,
    body=models.Deployment,
    statuses=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    is_conditional=True,
)
async def create_or_update_deployment(call: Call) -> models.Deployment:
    """Deploy an update to a group, or change its deployment of that id: what is left out stays."""
    deployment = await call.app.deployments.deploy.create(
        call.instance,
        request_of(call, call.body(models.Deployment)),
        author=call.principal.object_id,
        condition=lambda known: call.check_condition(
            wire.deployment_etag(known) if known else None
        ),
    )
    return await answer(call, deployment)


@api.operation(
    "GET",
    _GROUP,
    Action.MANAGEMENT_READ,
    query=(order_by("startDateTime"),),
    statuses=(HTTPStatus.NOT_FOUND,),
    is_paged=True,
)
async def list_deployments_for_group(call: Call) -> models.Page[models.Deployment]:
    """List the deployments of a group, by their ids or by their start."""
    page = await call.app.deployments.lists.page(
        call.instance,
        call.part("groupId"),
        is_newest_first=is_newest_first(call.query("orderby")),
        token=call.page_token(),
        size=call.page_size(),
    )
    group = call.part("groupId")
    classes = await call.app.deployments.deploy.classes_of(call.instance, group)
    rollup = (await call.app.ports.fleet.rollups(call.instance, group)).get(group)
    items = [
        wire.deployment(
            item,
            _targets(item, classes),
            rollout=rollouts.rollout(item, call.app.reporting.rollouts.seen_in(item, rollup)),
        )
        for item in page.items
    ]
    return call.page(items, page)


@api.operation(
    "GET",
    _GROUP + _ONE,
    Action.MANAGEMENT_READ,
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def get_deployment(call: Call) -> models.Deployment:
    """Read a deployment."""
    return await answer(call, await deployment_of(call))


@api.operation(
    "DELETE",
    _GROUP + _ONE,
    Action.MANAGEMENT_DELETE,
    status=HTTPStatus.NO_CONTENT,
    statuses=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
)
async def delete_deployment(call: Call) -> None:
    """Forget a deployment."""
    await call.app.deployments.deploy.delete(
        call.instance, call.part("groupId"), call.part("deploymentId")
    )


@api.operation(
    "GET",
    _GROUP + _ONE + "/status",
    Action.MANAGEMENT_READ,
    statuses=(HTTPStatus.NOT_FOUND,),
    is_conditional=True,
)
async def get_deployment_status(call: Call) -> models.DeploymentStatus:
    """Read how a deployment stands."""
    deployment, statuses = await status_of(call)
    return models.DeploymentStatus(
        group_id=deployment.group_id,
        deployment_state=overall_state(statuses),
        subgroup_status=[subgroup_status(deployment, one) for one in statuses],
    )


async def answer(call: Call, deployment: Deployment) -> models.Deployment:
    """A deployment of a group, with how its roll-out stands."""
    return wire.deployment(
        deployment,
        await _class_ids(call, deployment),
        rollout=rollouts.rollout(
            deployment, await call.app.reporting.rollouts.seen(call.instance, deployment)
        ),
    )


def request_of(call: Call, body: models.Deployment) -> DeploymentRequest:
    """What the body of a request asks for."""
    for field, given in (("deploymentId", body.deployment_id), ("groupId", body.group_id)):
        if given != call.part(field):
            raise InvalidInput(f"'{field}' must be the one of the path.", target=f"/{field}")
    return DeploymentRequest(
        deployment_id=body.deployment_id,
        group_id=body.group_id,
        update_id=_update_id(body.update, ""),
        starts_at=instant(body.start_date_time, "/startDateTime"),
        rollback_policy=_rollback_policy(body.rollback_policy),
        rollout=rollouts.specification_of(body.rollout) if body.rollout else None,
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


async def _class_ids(call: Call, deployment: Deployment) -> list[str]:
    return _targets(
        deployment, await call.app.deployments.deploy.classes_of(call.instance, deployment.group_id)
    )


def _targets(deployment: Deployment, classes: Sequence[KnownClass]) -> list[str]:
    """Ids of the classes that the deployment is for."""
    return [
        known.device_class.class_id for known in classes if deployment.targets(known.device_class)
    ]


async def deployment_of(call: Call) -> Deployment:
    """The deployment that the path names."""
    return await call.app.deployments.deploy.get(
        call.instance, call.part("groupId"), call.part("deploymentId")
    )


async def status_of(call: Call) -> tuple[Deployment, list[SubgroupStatus]]:
    """The deployment that the path names and how it stands, class by class."""
    return await call.app.reporting.reports.status(
        call.instance, call.part("groupId"), call.part("deploymentId")
    )


def subgroup_status(
    deployment: Deployment, status: SubgroupStatus
) -> models.SubgroupDeploymentStatus:
    """How a deployment stands for one class, as the API has it."""
    return wire.subgroup_status(
        deployment,
        status.class_id,
        status.state.value,
        status.counts,
        status.total,
        status.failures,
    )
