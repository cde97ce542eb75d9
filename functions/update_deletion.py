"""REST: deletion of updates, and the trigger that does it."""

from http import HTTPStatus

import azure.functions as func

from functions.api import POLL_SECONDS, Api, Call, Reply
from shared.container import container
from shared.domain.access import Action
from shared.domain.errors import DeviceUpdateError
from shared.topology import STATE_CONNECTION

api = Api()
bp = func.Blueprint()

_LAST_DELIVERY = 5
"""`maxDequeueCount` of host.json: after this delivery a message would become poison."""


@api.operation(
    "DELETE",
    "updates/providers/{provider}/names/{name}/versions/{version}",
    Action.UPDATES_DELETE,
    status=HTTPStatus.ACCEPTED,
    statuses=(HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT),
    is_long_running=True,
)
async def delete_update(call: Call) -> Reply:
    """Start the deletion of an update that nothing needs any more."""
    identity = await call.app.delete_update.start(
        call.instance, call.update_id(), call.app.clock.fresh_id()
    )
    location = call.path("updates", "operations", identity)
    return Reply(headers={"Operation-Location": location, "Retry-After": str(POLL_SECONDS)})


@bp.queue_trigger(arg_name="message", queue_name="delete", connection=STATE_CONNECTION)
async def run_update_deletion(message: func.QueueMessage) -> None:
    """Delete an update and what it alone needed."""
    order = message.get_json()
    service = container().delete_update
    try:
        await service.run(order["instance"], order["operation"])
    except DeviceUpdateError as error:
        if (message.dequeue_count or 0) < _LAST_DELIVERY:
            raise
        await service.fail(order["instance"], order["operation"], error)
