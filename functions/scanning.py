"""Triggers of the scanners, and REST: re-scans of what is published, recalls."""

from http import HTTPStatus

import azure.functions as func

from functions.api import POLL_SECONDS, Api, Call, Reply
from shared.container import container
from shared.domain.access import Action
from shared.domain.errors import DeviceUpdateError
from shared.domain.updates.update_id import UpdateId
from shared.http import models, wire
from shared.topology import STATE_CONNECTION

api = Api()
bp = func.Blueprint()

_LAST_DELIVERY = 5
"""`maxDequeueCount` of host.json: after this delivery a message would become poison."""


@api.operation(
    "POST",
    "updates:scan",
    Action.UPDATES_WRITE,
    status=HTTPStatus.ACCEPTED,
    is_long_running=True,
)
async def scan_updates(call: Call) -> Reply:
    """Scan what is published again; what is found bad is recalled. Additional."""
    identity = await call.app.rescan.start(call.instance, call.app.clock.fresh_id())
    location = call.path("updates", "operations", identity)
    return Reply(headers={"Operation-Location": location, "Retry-After": str(POLL_SECONDS)})


@api.operation(
    "POST",
    "updates/providers/{provider}/names/{name}/versions/{version}:recall",
    Action.UPDATES_WRITE,
    answer=models.Update,
    body=models.RecallInput,
    statuses=(HTTPStatus.NOT_FOUND,),
)
async def recall_update(call: Call) -> models.Update:
    """Take an update back: no new deployments, running ones are cancelled. Additional."""
    reason = call.body(models.RecallInput).reason
    update_id = UpdateId(call.part("provider"), call.part("name"), call.part("version"))
    return wire.update(await call.app.recalls.start(call.instance, update_id, reason))


@bp.queue_trigger(arg_name="message", queue_name="scan", connection=STATE_CONNECTION)
async def go_on_scanning(message: func.QueueMessage) -> None:
    """Look whether the verdicts have come that an import waits for."""
    order = message.get_json()
    await container().import_scan.run(order["instance"], order["operation"])


@bp.event_grid_trigger(arg_name="event")
async def apply_malware_result(event: func.EventGridEvent) -> None:
    """Take in a result of Microsoft Defender for Storage."""
    await container().defender_results.receive(event.get_json())


@bp.queue_trigger(arg_name="message", queue_name="recall", connection=STATE_CONNECTION)
async def stop_recalled_update(message: func.QueueMessage) -> None:
    """Stop whatever hands out a recalled update."""
    await container().recalls.run(message.get_json())


@bp.queue_trigger(arg_name="message", queue_name="rescan", connection=STATE_CONNECTION)
async def rescan(message: func.QueueMessage) -> None:
    """Scan one published file again."""
    order = message.get_json()
    service = container().rescan
    try:
        await service.run(order["instance"], order["operation"], order["step"])
    except DeviceUpdateError as error:
        if (message.dequeue_count or 0) < _LAST_DELIVERY:
            raise
        await service.fail(order["instance"], order["operation"], error)


@bp.timer_trigger(arg_name="timer", schedule="15 */5 * * * *", use_monitor=False)
async def check_scanners(timer: func.TimerRequest) -> None:
    """Begin a re-scan where the scanners know more than at the last one."""
    await container().rescan.check()
