"""Queue triggers: read the message, call one service."""

import functools
from collections.abc import Awaitable, Callable

import azure.functions as func

from functions.events import replay
from functions.work import work
from shared import messages
from shared.container import container
from shared.domain.errors import DeviceUpdateError
from shared.topology import STATE_CONNECTION, Queue

bp = func.Blueprint()

_LAST_DELIVERY = 5
"""`maxDequeueCount` of host.json: after this delivery a message would become poison."""


Handler = Callable[[func.QueueMessage], Awaitable[None]]


def _on(queue: Queue) -> Callable[[Handler], Handler]:
    """Have the messages of a queue handled; why the last delivery of one fails is kept.

    After that delivery the host moves the message to a poison queue, and says nowhere why.
    """

    def declare(handler: Handler) -> Handler:
        @functools.wraps(handler)
        async def run(message: func.QueueMessage) -> None:
            body = message.get_body()
            parent, facts = messages.trace_of(body)
            facts["function"], facts["queue"] = handler.__name__, queue
            try:
                with work(container().telemetry, facts, parent=parent):
                    await handler(message)
            except Exception as error:
                if (message.dequeue_count or 0) >= _LAST_DELIVERY:
                    text = body.decode("utf-8", "replace")
                    await container().maintenance.failure_notes.write(queue, text, error)
                raise

        trigger = bp.queue_trigger(
            arg_name="message", queue_name=queue, connection=STATE_CONNECTION
        )
        trigger(run)
        return run

    return declare


@_on("import")
async def fetch_import(message: func.QueueMessage) -> None:
    """Fetch what an import names into quarantine; a small one is scanned and published as well."""
    order = _read(messages.FetchImport, message)
    await container().imports.at_once.run(order.instance, order.operation)


@_on("scan")
async def go_on_scanning(message: func.QueueMessage) -> None:
    """Look whether the verdicts have come that an import waits for."""
    order = _read(messages.ScanImport, message)
    await container().imports.scan.run(order.instance, order.operation)


@_on("publish")
async def publish_import(message: func.QueueMessage) -> None:
    """Publish what was scanned."""
    order = _read(messages.PublishImport, message)
    await container().imports.publish.run(order.instance, order.operation)


@_on("delete")
async def run_update_deletion(message: func.QueueMessage) -> None:
    """Delete an update and what it alone needed."""
    order = _read(messages.DeleteUpdate, message)
    service = container().updates.deletion
    await _or_end(
        message,
        service.run(order.instance, order.operation),
        lambda error: service.fail(order.instance, order.operation, error),
    )


@_on("recall")
async def stop_recalled_update(message: func.QueueMessage) -> None:
    """Stop whatever hands out a recalled update."""
    await container().updates.recalls.run(_read(messages.StopRecalled, message))


@_on("rescan")
async def rescan(message: func.QueueMessage) -> None:
    """Scan one published file again."""
    order = _read(messages.RescanStep, message)
    service = container().scanning.rescan
    await _or_end(
        message,
        service.run(order.instance, order.operation, order.step),
        lambda error: service.fail(order.instance, order.operation, error),
    )


@_on("delta")
async def make_delta(message: func.QueueMessage) -> None:
    """Make the deltas between two versions of an update, or attach them."""
    order = _read(messages.MakeDelta, message)
    await container().imports.deltas.run(order.instance, order.operation)


@_on("fanout")
async def fan_out(message: func.QueueMessage) -> None:
    """Hand out the work of a new or changed deployment."""
    await container().deployments.fan_outs.run(_read(messages.FanOut, message))


@_on("reconcile")
async def reconcile(message: func.QueueMessage) -> None:
    """Bring the twins of some devices, or of a group in one bucket, to what they should ask for."""
    order = _read(messages.Reconcile, message)
    app = container()
    if order.unexplained:
        await app.devices.observe.look_again(order.instance, order.bucket, order.unexplained)
    elif order.held:
        await app.devices.observe.look_at_held(order.instance, order.bucket, order.held)
    else:
        await app.deployments.reconcile.run(order)


@_on("rollup")
async def roll_up(message: func.QueueMessage) -> None:
    """Sum up the counters of a group."""
    app, order = container(), _read(messages.RollUp, message)
    await app.reporting.rollup.run(order)
    await app.overviews.trends.record_progress(order.instance, order.group)


@_on("resign")
async def resign(message: func.QueueMessage) -> None:
    """Sign published updates anew, and hand the signatures to devices that still need them."""
    app = container()
    await app.keyring_watch.look()
    await app.updates.resign.run(_read(messages.Resign, message))


@_on("registry")
async def run_device_import(message: func.QueueMessage) -> None:
    """Read one page of the registry."""
    order = _read(messages.RegistryStep, message)
    service = container().devices.registry_sync
    await _or_end(
        message,
        service.run(order.instance, order.operation, order.step),
        lambda error: service.fail(order.instance, order.operation, error),
    )


@_on("export")
async def export_devices(message: func.QueueMessage) -> None:
    """Write a list of devices into a file."""
    order = _read(messages.ExportDevices, message)
    service = container().devices.exports
    await _or_end(
        message,
        service.run(order.instance, order.operation),
        lambda error: service.fail(order.instance, order.operation, error),
    )


@_on("logs")
async def ask_for_logs(message: func.QueueMessage) -> None:
    """Ask the devices of a log collection."""
    order = _read(messages.CollectLogs, message)
    await container().devices.log_collections.run(order.instance, order.collection)


@_on("replay")
async def replay_events(message: func.QueueMessage) -> None:
    """Handle events that Event Grid has given up delivering, as if it had delivered them."""
    await replay(_read(messages.ReplayEvents, message).blob)


@_on("announce")
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
