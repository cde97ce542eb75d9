"""REST: the deployments of one device class of a group, as a list and their deletion."""

from http import HTTPStatus
from typing import Any

from functions.api import Api, Call
from shared.domain.access import Action
from shared.domain.errors import NotFound
from shared.http import models, wire
from shared.http.filters import is_newest_first
from shared.http.route import order_by
from shared.services.paging import page_of_sorted

api = Api()

_DEPLOYMENTS = "management/groups/{groupId}/deviceClassSubgroups/{deviceClassId}/deployments"


@api.operation(
    "GET",
    _DEPLOYMENTS,
    Action.MANAGEMENT_READ,
    answer=models.Page[models.Deployment],
    query=(order_by("startDateTime"),),
    statuses=(HTTPStatus.NOT_FOUND,),
    is_paged=True,
)
async def list_deployments_for_device_class_subgroup(call: Call) -> Any:
    """List the deployments that concern a device class of a group, by id or by their start."""
    is_newest = is_newest_first(call.query("orderby"))
    group, class_id = call.part("groupId"), call.part("deviceClassId")
    known = await call.app.reports.subgroup(call.instance, group, class_id)
    stored = await call.app.deployments.of_group(call.instance, group)
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
    "DELETE",
    _DEPLOYMENTS + "/{deploymentId}",
    Action.MANAGEMENT_DELETE,
    status=HTTPStatus.NO_CONTENT,
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def delete_deployment_for_device_class_subgroup(call: Call) -> None:
    """Forget a deployment for a device class; its devices are left as they are."""
    group, class_id = call.part("groupId"), call.part("deviceClassId")
    identity = call.part("deploymentId")
    _, statuses = await call.app.reports.status(call.instance, group, identity)
    if all(status.class_id != class_id for status in statuses):
        raise NotFound(
            f"The deployment has nothing for device class '{class_id}'.", target="deviceClassId"
        )
    await call.app.deploy.delete_for_class(call.instance, group, class_id, identity)
