"""REST: health of connections and of events."""

from http import HTTPStatus

from functions.api import Api, Call
from shared.domain.access import Action
from shared.http import models, wire

api = Api()

_GROUP = "management/groups/{groupId}"


@api.operation(
    "GET",
    "management/connectionHealth",
    Action.MANAGEMENT_READ,
    is_additional=True,
)
async def get_connection_health(call: Call) -> models.ConnectionHealth:
    """Read how many devices are connected, and when the others were last heard of."""
    return wire.connection_health(await call.app.reporting.reports.connections(call.instance))


@api.operation(
    "GET",
    _GROUP + "/connectionHealth",
    Action.MANAGEMENT_READ,
    statuses=(HTTPStatus.NOT_FOUND,),
    is_additional=True,
)
async def get_connection_health_for_group(call: Call) -> models.ConnectionHealth:
    """Read how many devices of a group are connected, and when the others were last heard of."""
    found = await call.app.reporting.reports.connections(call.instance, call.part("groupId"))
    return wire.connection_health(found)


@api.operation(
    "GET",
    "management/eventHealth",
    Action.MANAGEMENT_READ,
    is_additional=True,
)
async def get_event_health(call: Call) -> models.EventHealth:
    """Read how many events were refused, and which counters were found to have drifted."""
    refused = await call.app.ports.refusal_counts.list()
    return wire.event_health(refused, await call.app.ports.recounts.list(call.instance))
