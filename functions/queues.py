"""Queue triggers: read the message, call one service."""

from collections.abc import Awaitable, Callable

import azure.functions as func

from functions.events import replay
from shared import messages
from shared.container import container
from shared.domain.errors import DeviceUpdateError
from shared.topology import STATE_CONNECTION

bp = func.Blueprint()

_LAST_DELIVERY = 5
"""`maxDequeueCount` of host.json: after this delivery a message would become poison."""


@bp.queue_trigger(arg_name="message", queue_name="import", connection=STATE_CONNECTION)
async def fetch_import(message: func.QueueMessage) -> None:
    """Fetch what an import names into quarantine."""
    order = _read(messages.FetchImport, message)
    await container().imports.fetch.run(order.instance, order.operation)


@bp.queue_trigger(arg_name="message", queue_name="scan", connection=STATE_CONNECTION)
async def go_on_scanning(message: func.QueueMessage) -> None:
    """Look whether the verdicts have come that an import waits for."""
    order = _read(messages.ScanImport, message)
    await container().imports.scan.run(order.instance, order.operation)


@bp.queue_trigger(arg_name="message", queue_name="publish", connection=STATE_CONNECTION)
async def publish_import(message: func.QueueMessage) -> None:
    """Publish what was scanned."""
    order = _read(messages.PublishImport, message)
    await container().imports.publish.run(order.instance, order.operation)


@bp.queue_trigger(arg_name="message", queue_name="delete", connection=STATE_CONNECTION)
async def run_update_deletion(message: func.QueueMessage) -> None:
    """Delete an update and what it alone needed."""
    order = _read(messages.DeleteUpdate, message)
    service = container().updates.deletion
    await _or_end(
        message,
        service.run(order.instance, order.operation),
        lambda error: service.fail(order.instance, order.operation, error),
    )


@bp.queue_trigger(arg_name="message", queue_name="recall", connection=STATE_CONNECTION)
async def stop_recalled_update(message: func.QueueMessage) -> None:
    """Stop whatever hands out a recalled update."""
    await container().updates.recalls.run(_read(messages.StopRecalled, message))


@bp.queue_trigger(arg_name="message", queue_name="rescan", connection=STATE_CONNECTION)
async def rescan(message: func.QueueMessage) -> None:
    """Scan one published file again."""
    order = _read(messages.RescanStep, message)
    service = container().scanning.rescan
    await _or_end(
        message,
        service.run(order.instance, order.operation, order.step),
        lambda error: service.fail(order.instance, order.operation, error),
    )


@bp.queue_trigger(arg_name="message", queue_name="fanout", connection=STATE_CONNECTION)
async def fan_out(message: func.QueueMessage) -> None:
    """Hand out the work of a new or changed deployment."""
    await container().deployments.fan_outs.run(_read(messages.FanOut, message))


@bp.queue_trigger(arg_name="message", queue_name="reconcile", connection=STATE_CONNECTION)
async def reconcile(message: func.QueueMessage) -> None:
    """Bring the twins of some devices, or of a group in one bucket, to what they should ask for."""
    order = _read(messages.Reconcile, message)
    app = container()
    if order.unexplained:
        await app.devices.observe.look_again(order.instance, order.bucket, order.unexplained)
    else:
        await app.deployments.reconcile.run(order)


@bp.queue_trigger(arg_name="message", queue_name="rollup", connection=STATE_CONNECTION)
async def roll_up(message: func.QueueMessage) -> None:
    """Sum up the counters of a group."""
    order = _read(messages.RollUp, message)
    await container().reporting.rollup.group(order.instance, order.group)


@bp.queue_trigger(arg_name="message", queue_name="resign", connection=STATE_CONNECTION)
async def resign(message: func.QueueMessage) -> None:
    """Sign published updates anew, and hand the signatures to devices that still need them."""
    await container().updates.resign.run(_read(messages.Resign, message))


@bp.queue_trigger(arg_name="message", queue_name="registry", connection=STATE_CONNECTION)
async def run_device_import(message: func.QueueMessage) -> None:
    """Read one page of the registry."""
    order = _read(messages.RegistryStep, message)
    service = container().devices.registry_sync
    await _or_end(
        message,
        service.run(order.instance, order.operation, order.step),
        lambda error: service.fail(order.instance, order.operation, error),
    )


@bp.queue_trigger(arg_name="message", queue_name="logs", connection=STATE_CONNECTION)
async def ask_for_logs(message: func.QueueMessage) -> None:
    """Ask the devices of a log collection."""
    order = _read(messages.CollectLogs, message)
    await container().devices.log_collections.run(order.instance, order.collection)


@bp.queue_trigger(arg_name="message", queue_name="replay", connection=STATE_CONNECTION)
async def replay_events(message: func.QueueMessage) -> None:
    """Handle events that Event Grid has given up delivering, as if it had delivered them."""
    await replay(_read(messages.ReplayEvents, message).blob)


@bp.queue_trigger(arg_name="message", queue_name="announce", connection=STATE_CONNECTION)
async def announce(message: func.QueueMessage) -> None:
    """Publish events that are written down."""
    await container().announcements.run(_read(messages.Announce, message))


def _read[T: messages.Message](kind: type[T], message: func.QueueMessage) -> T:
    return messages.decode(kind, message.get_body())


async def _or_end(
    message: func.QueueMessage,
    work: Awaitable[None],
    end: Callable[[DeviceUpdateError], Awaitable[None]],
) -> None:
    """Await the work of an operation; a failure of the last delivery ends the operation.

    Raises:
        DeviceUpdateError: The message is to be delivered again.
    """
    try:
        await work
    except DeviceUpdateError as error:
        if (message.dequeue_count or 0) < _LAST_DELIVERY:
            raise
        await end(error)
