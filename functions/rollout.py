"""Triggers that carry deployments to devices and figures to reports."""

import azure.functions as func

from shared.container import container
from shared.topology import STATE_CONNECTION

bp = func.Blueprint()


@bp.queue_trigger(arg_name="message", queue_name="fanout", connection=STATE_CONNECTION)
async def fan_out(message: func.QueueMessage) -> None:
    """Hand out the work of a new or changed deployment."""
    order = message.get_json()
    await container().deploy.fan_out(order["instance"], order["group"], order["deployment"])


@bp.queue_trigger(arg_name="message", queue_name="reconcile", connection=STATE_CONNECTION)
async def reconcile(message: func.QueueMessage) -> None:
    """Bring the twins of some devices, or of a group in one bucket, to what they should ask for."""
    order = message.get_json()
    app = container()
    if "unexplained" in order:
        await app.observe.look_again(order["instance"], order["bucket"], order["unexplained"])
    elif "devices" in order:
        await app.reconcile.some(order["instance"], order["bucket"], order["devices"])
    else:
        await app.reconcile.of_group(order["instance"], order["bucket"], order["group"])


@bp.queue_trigger(arg_name="message", queue_name="rollup", connection=STATE_CONNECTION)
async def roll_up(message: func.QueueMessage) -> None:
    """Sum up the counters of a group."""
    order = message.get_json()
    await container().rollup.group(order["instance"], order["group"])


@bp.timer_trigger(arg_name="timer", schedule="10 * * * * *", use_monitor=False)
async def recount(timer: func.TimerRequest) -> None:
    """Recount one bucket of devices, another each minute."""
    await container().recount.next()


@bp.timer_trigger(arg_name="timer", schedule="30 * * * * *", use_monitor=False)
async def sweep(timer: func.TimerRequest) -> None:
    """Set going again what was lost on the way."""
    app = container()
    await app.sweep.run()
    await app.collect_logs.sweep()
    await app.announcements.sweep()
