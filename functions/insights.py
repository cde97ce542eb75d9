"""REST, beyond the published API: histories of devices, failures by code, health of connections
and events.
"""

from http import HTTPStatus
from typing import Any

from functions.api import Api, Call
from shared.domain.access import Action
from shared.http import models, wire

api = Api()

_DEVICE = "management/devices/{deviceId}"
_GROUP = "management/groups/{groupId}"


@api.operation(
    "GET",
    _DEVICE + "/updateHistory",
    Action.MANAGEMENT_READ,
    answer=models.Page[models.Installation],
    statuses=(HTTPStatus.NOT_FOUND,),
    is_paged=True,
)
async def list_update_history_of_device(call: Call) -> Any:
    """List what became of updates on a device, the newest first."""
    return await _history(call, None)


@api.operation(
    "GET",
    _DEVICE + "/modules/{moduleId}/updateHistory",
    Action.MANAGEMENT_READ,
    answer=models.Page[models.Installation],
    statuses=(HTTPStatus.NOT_FOUND,),
    is_paged=True,
)
async def list_update_history_of_module(call: Call) -> Any:
    """List what became of updates on a module, the newest first."""
    return await _history(call, call.part("moduleId"))


@api.operation(
    "GET",
    _GROUP + "/failures",
    Action.MANAGEMENT_READ,
    answer=models.Page[models.FailureCount],
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def list_failures_for_group(call: Call) -> Any:
    """List why devices of a group have failed in their last deployment, the most frequent first."""
    counts = await call.app.reports.failures(call.instance, call.part("groupId"))
    return {"value": wire.failures(counts)}


@api.operation(
    "GET",
    "management/connectionHealth",
    Action.MANAGEMENT_READ,
    answer=models.ConnectionHealth,
)
async def get_connection_health(call: Call) -> Any:
    """Read how many devices are connected, and when the others were last heard of."""
    return wire.connection_health(await call.app.reports.connections(call.instance))


@api.operation(
    "GET",
    _GROUP + "/connectionHealth",
    Action.MANAGEMENT_READ,
    answer=models.ConnectionHealth,
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def get_connection_health_for_group(call: Call) -> Any:
    """Read how many devices of a group are connected, and when the others were last heard of."""
    found = await call.app.reports.connections(call.instance, call.part("groupId"))
    return wire.connection_health(found)


@api.operation("GET", "management/eventHealth", Action.MANAGEMENT_READ, answer=models.EventHealth)
async def get_event_health(call: Call) -> Any:
    """Read how many events were refused, and which counters were found to have drifted."""
    refused = await call.app.refusal_counts.list()
    return wire.event_health(refused, await call.app.recounts.list(call.instance))


async def _history(call: Call, module_id: str | None) -> Any:
    page = await call.app.device_history.page(
        call.instance,
        call.part("deviceId"),
        module_id,
        token=call.page_token(),
        size=call.page_size(),
    )
    return call.page([wire.installation(item) for item in page.items], page)
