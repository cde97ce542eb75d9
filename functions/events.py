"""Triggers on the hub's stream and on Event Grid: twin changes, lifecycle, malware results."""

import logging
import typing

import azure.functions as func

from functions.work import work
from shared.container import container
from shared.domain.dead_letter import blob_of
from shared.domain.errors import InvalidInput
from shared.domain.instant import instant
from shared.domain.refused_events import Refusal
from shared.topology import (
    TWINS_CONNECTION,
    TWINS_CONSUMER_GROUP,
    TWINS_EVENT_HUB,
    EventType,
)

bp = func.Blueprint()
log = logging.getLogger(__name__)


@bp.event_hub_message_trigger(
    arg_name="events",
    event_hub_name=TWINS_EVENT_HUB,
    connection=TWINS_CONNECTION,
    consumer_group=TWINS_CONSUMER_GROUP,
    cardinality=func.Cardinality.MANY,
)
@bp.retry(
    strategy="exponential_backoff",
    max_retry_count="5",
    minimum_interval="00:00:01",
    maximum_interval="00:01:00",
)
async def relay_twin_changes(events: typing.List[func.EventHubEvent]) -> None:  # noqa: UP006
    """Relay twin changes from the hub's stream to Event Grid, one event for each device bucket."""
    if not events:
        return
    from shared.services.devices.relay import HubEvent

    # the metadata of every event is that of the whole batch
    properties = (events[0].metadata or {})["PropertiesArray"]
    batch = [
        HubEvent(each, event.get_body()) for each, event in zip(properties, events, strict=True)
    ]
    with work(container().telemetry, {"function": "relay_twin_changes"}):
        await container().devices.relay.relay(batch)


@bp.event_grid_trigger(arg_name="event")
async def apply_twin_changes(event: func.CloudEvent) -> None:
    """Fold the twin changes, or deletions of modules, of one device bucket."""
    parent = str(event.extension_attrs.get("traceparent") or "")
    with work(container().telemetry, {"function": "apply_twin_changes"}, parent=parent):
        await _fold_twin_changes(event.get_json())


@bp.event_grid_trigger(arg_name="event")
async def apply_device_event(event: func.EventGridEvent) -> None:
    """Fold a device's deletion, connection or disconnection; a new one is heard of by its twin."""
    at = event.event_time
    with work(container().telemetry, {"function": "apply_device_event"}):
        await _fold_device_event(event.event_type, event.get_json(), at.isoformat() if at else "")


@bp.event_grid_trigger(arg_name="event")
async def apply_malware_result(event: func.EventGridEvent) -> None:
    """Take in a result of Microsoft Defender for Storage."""
    with work(container().telemetry, {"function": "apply_malware_result"}):
        await container().scanning.defender_results.receive(event.get_json())


async def replay(blob_name: str) -> None:
    """Handle the events of a dead-letter blob as if they had been delivered, then remove it."""
    letters = container().maintenance.dead_letters
    for event in await letters.read(blob_name):
        blob = blob_of(event.subject)
        if event.kind == EventType.TWIN_CHANGES:
            await _fold_twin_changes(event.data)
        elif event.kind == EventType.MALWARE_SCANNED:
            await container().scanning.defender_results.receive(event.data)
        elif blob is not None:
            await letters.raise_again(*blob)
        else:
            await _fold_device_event(event.kind, event.data, event.at)
    await letters.remove(blob_name)


async def _fold_twin_changes(data: object) -> None:
    app = container()
    chunk = app.devices.relay.chunk_of(data)
    if chunk is None:
        await _refuse(Refusal.MALFORMED)
        return
    try:
        await app.devices.observe.twin_changes(chunk.instance, chunk.bucket, chunk.changes)
        await app.devices.log_collections.reported(chunk.instance, chunk.changes)
        for gone in chunk.deletions:
            await app.devices.observe.deleted(
                chunk.instance, gone.device_id, gone.module_id, gone.at
            )
        times = [change.at for change in chunk.changes]
        times += [gone.at for gone in chunk.deletions]
        await app.maintenance.lag_meter.folded(chunk.instance, max(times))
    except InvalidInput:
        await _refuse(Refusal.MALFORMED)


async def _fold_device_event(kind: str, data: object, at: str) -> None:
    app = container()
    found = data if isinstance(data, dict) else {}
    instance, device_id = (
        app.devices.relay.instances.get(str(found.get("hubName"))),
        found.get("deviceId"),
    )
    if instance is None:
        await _refuse(Refusal.FOREIGN)
    elif not isinstance(device_id, str) or not device_id:
        await _refuse(Refusal.MALFORMED)
    else:
        try:
            await _fold_lifecycle(kind, instance, device_id, found, at)
        except InvalidInput:
            await _refuse(Refusal.MALFORMED)


async def _fold_lifecycle(
    kind: str, instance: str, device_id: str, data: dict[str, typing.Any], at: str
) -> None:
    app = container()
    module_id = data.get("moduleId") or None
    if module_id is not None and not isinstance(module_id, str):
        raise InvalidInput("A module's id is a string.", target="moduleId")
    when = instant(at) if at else ""
    if kind == EventType.DEVICE_DELETED:
        await app.devices.observe.deleted(
            instance, device_id, module_id, when or app.ports.clock.now()
        )
    elif kind in (EventType.DEVICE_CONNECTED, EventType.DEVICE_DISCONNECTED):
        state = data.get("deviceConnectionStateEventInfo")
        number = state.get("sequenceNumber", "") if isinstance(state, dict) else ""
        await app.devices.observe.connection(
            instance,
            device_id,
            module_id,
            is_connected=kind == EventType.DEVICE_CONNECTED,
            sequence_number=str(number),
            at=when,
        )


async def _refuse(reason: Refusal) -> None:
    log.warning("refused an event: %s", reason)
    await container().devices.refusals.count({reason: 1})
