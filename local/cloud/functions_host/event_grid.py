"""Event Grid deliveries: their protocol, and the functions that they trigger.

Both webhooks of the host (Event Grid triggers and blob triggers) receive the same kind of delivery:
a handshake, an array of events, or the news that a subscription is gone.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local.cloud.functions_host.errors import BadDelivery
from local.cloud.functions_host.execution import Executor, TriggerData
from local.cloud.functions_host.faults import Faults
from local.cloud.functions_host.index import Function
from local.cloud.functions_host.worker import json_datum

EVENT_TYPE_HEADER = "aeg-event-type"
_CLOUD_EVENTS = ("application/cloudevents+json", "application/cloudevents-batch+json")

Event = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Handshake:
    """Event Grid asks whether the endpoint wants its events; the code has to be sent back."""

    validation_code: str


@dataclass(frozen=True, slots=True)
class Notification:
    """Events, in the Event Grid schema or as CloudEvents."""

    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """A subscription that led here was deleted."""


Delivery = Handshake | Notification | Unsubscribe


def parse_delivery(event_type: str | None, content_type: str, body: bytes) -> Delivery:
    """Read a delivery, or raise `BadDelivery`.

    Args:
        event_type: the header `aeg-event-type`, which CloudEvents may come without.
        content_type: the media type without parameters.
        body: the JSON text.
    """
    if event_type == "Unsubscribe":
        return Unsubscribe()
    if event_type is None and content_type in _CLOUD_EVENTS:
        event_type = "Notification"
    if event_type not in ("SubscriptionValidation", "Notification"):
        raise BadDelivery(f"{EVENT_TYPE_HEADER} {event_type!r} is not known")
    events = _events(body)
    if event_type == "Notification":
        return Notification(events)
    code = events[0].get("data") if events else None
    if not isinstance(code, dict) or not isinstance(code.get("validationCode"), str):
        raise BadDelivery("a subscription validation needs data.validationCode")
    return Handshake(code["validationCode"])


def _events(body: bytes) -> tuple[Event, ...]:
    try:
        document = json.loads(body)
    except ValueError as error:
        raise BadDelivery(f"the body is not JSON: {error}") from error
    events = document if isinstance(document, list) else [document]
    if not all(isinstance(event, dict) for event in events):
        raise BadDelivery("the body is neither an event nor an array of events")
    return tuple(events)


class EventGridTriggers:
    """Runs Event Grid functions, one invocation for each event."""

    def __init__(self, executor: Executor, faults: Faults) -> None:
        self._executor = executor
        self._faults = faults

    async def receive(self, function: Function, notification: Notification) -> bool:
        """Run the function for all events side by side; say whether all runs went well."""
        results = await asyncio.gather(
            *(self._run(function, event) for event in notification.events)
        )
        return all(results)

    async def _run(self, function: Function, event: Event) -> bool:
        data = TriggerData(json_datum(event), {"data": json_datum(event.get("data"))})
        ok = (await self._executor.run(function, data)).ok
        if ok and self._faults.duplicates_events(function.name):
            ok = (await self._executor.run(function, data)).ok
        return ok
