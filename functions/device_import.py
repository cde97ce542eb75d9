"""REST: re-reads of the hub's registry and their operations, and the trigger that does them."""

from http import HTTPStatus
from typing import Any

import azure.functions as func

from functions.api import POLL_SECONDS, Api, Call, Reply
from shared.container import container
from shared.domain.access import Action
from shared.domain.errors import DeviceUpdateError, NotFound
from shared.http import models, wire
from shared.http.filters import is_running_of
from shared.http.route import TOP, filter_by
from shared.topology import STATE_CONNECTION

api = Api()
bp = func.Blueprint()

_RETRY = {"Retry-After": str(POLL_SECONDS)}
_KIND: Any = models.ImportType
_LAST_DELIVERY = 5
"""`maxDequeueCount` of host.json: after this delivery a message would become poison."""


@api.operation(
    "POST",
    "management/devices:import",
    Action.MANAGEMENT_WRITE,
    status=HTTPStatus.ACCEPTED,
    body=models.ImportType,
    is_long_running=True,
)
async def import_devices(call: Call) -> Reply:
    """Start to read devices, modules or all again from the hub; one that runs answers for it."""
    kind = call.body(_KIND)
    identity = await call.app.import_devices.start(call.instance, kind, call.app.clock.fresh_id())
    location = call.path("management", "operations", identity)
    return Reply(headers={"Operation-Location": location, **_RETRY})


@api.operation(
    "GET",
    "management/operations",
    Action.MANAGEMENT_READ,
    answer=models.Page[models.Operation],
    query=(filter_by("status eq 'NotStarted' or status eq 'Running'"), TOP),
    is_paged=True,
)
async def list_device_operations(call: Call) -> Any:
    """List operations on devices, newest first."""
    page = await call.app.operations.list(
        call.instance,
        call.page_token(),
        size=call.page_size(),
        kind="devices",
        is_running=is_running_of(call.query("filter")),
    )
    return call.page([wire.device_operation(item) for item in page.items], page)


@api.operation(
    "GET",
    "management/operations/{operationId}",
    Action.MANAGEMENT_READ,
    answer=models.Operation,
    statuses=(HTTPStatus.NOT_FOUND,),
    is_conditional=True,
)
async def get_device_operation(call: Call) -> Reply:
    """Read how an operation on devices is doing."""
    identity = call.part("operationId")
    stored = await call.app.operations.get(call.instance, identity)
    if stored is None or stored.value.kind != "devices":
        raise NotFound(f"Operation '{identity}' does not exist.", target="operationId")
    return Reply(wire.device_operation(stored), _RETRY)


@bp.queue_trigger(arg_name="message", queue_name="registry", connection=STATE_CONNECTION)
async def run_device_import(message: func.QueueMessage) -> None:
    """Read one page of the registry."""
    order = message.get_json()
    service = container().import_devices
    try:
        await service.run(order["instance"], order["operation"], order["step"])
    except DeviceUpdateError as error:
        if (message.dequeue_count or 0) < _LAST_DELIVERY:
            raise
        await service.fail(order["instance"], order["operation"], error)
