"""REST: what operators order for one device or module, and why it has an update or has not.

All is additional. Devices and modules have the same operations, so each is declared for both.
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from functions.api import Api, Call
from functions.call import named_update
from shared.domain.access import Action
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device import DeviceRecord, view
from shared.domain.fleet.device_orders import own_of
from shared.domain.fleet.orders import OrderKind
from shared.domain.instant import instant
from shared.domain.updates.update_id import UpdateId
from shared.http.models import Page
from shared.http.models import device_orders as models
from shared.http.route import QueryParameter
from shared.http.wire import device_orders as wire
from shared.services.deployments.device_orders import OwnRequest

api = Api()

_DEVICE = "management/devices/{deviceId}"
_PLACES = ((_DEVICE, "device"), (_DEVICE + "/modules/{moduleId}", "module"))
_ONE = "/deployments/{deploymentId}"
_UPDATE = "/updates/providers/{provider}/names/{name}/versions/{version}"
_GROUP = QueryParameter(
    "groupId",
    "Group of the deployment; by default the device's own deployments, then those of its group.",
)
_REFUSED = (HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT)


def _declared(
    handler: Callable[[Call], Awaitable[Any]], noun: str, method: Any, path: str, **declared: Any
) -> None:
    """Serve a handler under a name of its own for devices or for modules."""

    async def served(call: Call) -> Any:
        return await handler(call)

    served.__name__ = f"{handler.__name__}_of_{noun}"
    served.__doc__ = (handler.__doc__ or "").replace("a device", f"a {noun}")
    served.__annotations__ = handler.__annotations__
    api.operation(method, path, is_additional=True, **declared)(served)


async def list_own_deployments(call: Call) -> Page[models.DeviceDeployment]:
    """List the deployments that a device alone was given."""
    record = await call.app.deployments.device_orders.get(_device(call))
    return Page(value=[wire.own(item) for item in record.own])


async def create_own_deployment(call: Call) -> models.DeviceDeployment:
    """Deploy an update to a device alone, before all deployments of its group."""
    given = call.body(models.DeviceDeploymentInput)
    start = given.start_date_time
    request = OwnRequest(
        deployment_id=call.part("deploymentId"),
        update_id=_update_of(given),
        starts_at=instant(start, "/startDateTime") if start else call.app.ports.clock.now(),
        windows=given.windows,
        ignores_device_window=given.ignore_device_window,
    )
    made = await call.app.deployments.device_orders.deploy(
        _device(call), request, call.principal.object_id
    )
    return wire.own(made)


async def get_own_deployment(call: Call) -> models.DeviceDeployment:
    """Read a deployment that a device alone was given."""
    record = await call.app.deployments.device_orders.get(_device(call))
    return wire.own(own_of(record, call.part("deploymentId")))


async def delete_own_deployment(call: Call) -> None:
    """Forget a deployment that a device alone was given; what it has not begun is taken back."""
    await call.app.deployments.device_orders.withdraw(_device(call), call.part("deploymentId"))


async def cancel_deployment(call: Call) -> models.DeviceOrders:
    """Cancel a deployment for a device, its group's or its own."""
    return await _ordered(call, OrderKind.CANCEL)


async def retry_deployment(call: Call) -> models.DeviceOrders:
    """Try a deployment again on a device where it failed."""
    return await _ordered(call, OrderKind.RETRY)


async def exclude_deployment(call: Call) -> models.DeviceOrders:
    """Exclude a device from a deployment, or from everything: `*`."""
    return await _ordered(call, OrderKind.EXCLUDE)


async def include_deployment(call: Call) -> models.DeviceOrders:
    """Undo the exclusion of a device."""
    call.body(models.OrderInput)
    record = await call.app.deployments.device_orders.include(
        _device(call), call.part("deploymentId"), group=call.query(_GROUP.name)
    )
    return await _orders(call, record)


async def get_orders(call: Call) -> models.DeviceOrders:
    """Read what stands ordered for a device."""
    return await _orders(call, await call.app.deployments.device_orders.get(_device(call)))


async def explain_updates(call: Call) -> models.Explanation:
    """Say what is decided about a device, and why."""
    return await _explained(call, None)


async def explain_update(call: Call) -> models.Explanation:
    """Say why a device has, will get or will not get an update."""
    return await _explained(call, call.update_id())


for _place, _noun in _PLACES:
    _declared(
        list_own_deployments,
        _noun,
        "GET",
        f"{_place}/deployments",
        action=Action.MANAGEMENT_READ,
        statuses=(HTTPStatus.NOT_FOUND,),
    )
    _declared(
        create_own_deployment,
        _noun,
        "PUT",
        _place + _ONE,
        action=Action.MANAGEMENT_WRITE,
        body=models.DeviceDeploymentInput,
        statuses=_REFUSED,
    )
    _declared(
        get_own_deployment,
        _noun,
        "GET",
        _place + _ONE,
        action=Action.MANAGEMENT_READ,
        statuses=(HTTPStatus.NOT_FOUND,),
    )
    _declared(
        delete_own_deployment,
        _noun,
        "DELETE",
        _place + _ONE,
        action=Action.MANAGEMENT_DELETE,
        status=HTTPStatus.NO_CONTENT,
        statuses=(HTTPStatus.NOT_FOUND,),
    )
    for _handler, _verb in (
        (cancel_deployment, "cancel"),
        (retry_deployment, "retry"),
        (exclude_deployment, "exclude"),
        (include_deployment, "include"),
    ):
        _declared(
            _handler,
            _noun,
            "POST",
            f"{_place}{_ONE}:{_verb}",
            action=Action.MANAGEMENT_WRITE,
            body=models.OrderInput,
            query=(_GROUP,),
            statuses=_REFUSED,
        )
    _declared(
        get_orders,
        _noun,
        "GET",
        f"{_place}/orders",
        action=Action.MANAGEMENT_READ,
        statuses=(HTTPStatus.NOT_FOUND,),
    )
    _declared(
        explain_updates,
        _noun,
        "GET",
        f"{_place}/updates:explain",
        action=Action.MANAGEMENT_READ,
    )
    _declared(
        explain_update,
        _noun,
        "GET",
        f"{_place}{_UPDATE}:explain",
        action=Action.MANAGEMENT_READ,
    )


@api.operation(
    "GET",
    "management/updates/providers/{provider}/names/{name}/versions/{version}/deviceDeployments",
    Action.MANAGEMENT_READ,
    is_paged=True,
    is_additional=True,
)
async def list_device_deployments(call: Call) -> Page[models.DeploymentOfDevice]:
    """List the devices that have a deployment of their own of an update."""
    token = call.page_token()
    own = call.app.deployments.own_deployments
    page = await own.page(call.instance, call.update_id(), token)
    return call.page([wire.deployment_of_device(*item) for item in page.items], page)


def _device(call: Call) -> tuple[str, str, str | None]:
    return call.instance, call.part("deviceId"), call.parts.get("moduleId")


def _update_of(given: models.DeviceDeploymentInput) -> UpdateId:
    wanted = given.update.update_id
    return named_update(
        wanted.provider,
        wanted.name,
        wanted.version,
        place=lambda pointer: f"/update/updateId{pointer}",
    )


async def _ordered(call: Call, kind: OrderKind) -> models.DeviceOrders:
    record = await call.app.deployments.device_orders.order(
        _device(call),
        call.part("deploymentId"),
        kind,
        group=call.query(_GROUP.name),
        by=call.principal.object_id,
        reason=call.body(models.OrderInput).reason,
    )
    return await _orders(call, record)


async def _orders(call: Call, record: DeviceRecord) -> models.DeviceOrders:
    known: list[Deployment] = []
    if record.orders:
        stored = await call.app.ports.deployments.of_group(call.instance, view(record).group_id)
        known = [item.value for item in stored]
    return wire.orders(record, {item.workflow_id: item.deployment_id for item in known})


async def _explained(call: Call, update_id: UpdateId | None) -> models.Explanation:
    _, device_id, module_id = _device(call)
    return wire.explanation(
        await call.app.reporting.explanations.of_device(
            call.instance, device_id, module_id, update_id
        )
    )
