"""Events in the two schemas that Event Grid knows: reading a request body, and writing one event.

Event Grid schema: https://learn.microsoft.com/azure/event-grid/event-schema
CloudEvents 1.0, structured JSON mode: https://github.com/cloudevents/spec
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

Schema = Literal["EventGridSchema", "CloudEventSchemaV1_0"]

MAX_EVENTS = 5_000
"""Events in one request; a quota of the service."""

CLOUD_EVENT = "application/cloudevents+json"
CLOUD_EVENTS = "application/cloudevents-batch+json"

_REQUIRED: dict[Schema, tuple[str, ...]] = {
    "EventGridSchema": ("id", "subject", "eventType", "eventTime"),
    "CloudEventSchemaV1_0": ("id", "source", "type", "specversion"),
}


class MalformedEventsError(Exception):
    """The body of a publish request does not hold events; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event as it was published."""

    schema: Schema
    body: dict[str, Any]

    @property
    def type(self) -> str:
        """The type that subscriptions select by."""
        event_type: str = self.body["eventType" if self.schema == "EventGridSchema" else "type"]
        return event_type

    @property
    def subject(self) -> str:
        """The subject that subscriptions select by; optional in CloudEvents."""
        subject: str = self.body.get("subject") or ""
        return subject

    @property
    def data_version(self) -> str:
        """The publisher's version of the data; CloudEvents have none."""
        version: str = self.body.get("dataVersion") or ""
        return version


def parse_publication(content_type: str, body: bytes) -> list[Event]:
    """Return the events of a publish request.

    Args:
        content_type: media type without parameters; it tells the two schemas apart.
        body: a JSON array, or one JSON object for a single CloudEvent.

    Raises:
        MalformedEventsError: the body is no such JSON, too long, or an event lacks a field.
    """
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedEventsError(f"The body is not valid JSON: {error}.") from error
    schema: Schema = "EventGridSchema"
    if content_type in (CLOUD_EVENT, CLOUD_EVENTS):
        schema = "CloudEventSchemaV1_0"
    if content_type == CLOUD_EVENT:
        document = [document]
    if not isinstance(document, list):
        raise MalformedEventsError("The body must be an array of events.")
    if len(document) > MAX_EVENTS:
        raise MalformedEventsError(f"A request may hold {MAX_EVENTS} events, not {len(document)}.")
    return [_parse_event(schema, f"[{index}]", event) for index, event in enumerate(document)]


def _parse_event(schema: Schema, where: str, event: Any) -> Event:
    if not isinstance(event, dict):
        raise MalformedEventsError(f"{where} must be an object.")
    for name in _REQUIRED[schema]:
        if not isinstance(event.get(name), str) or (not event[name] and name != "subject"):
            raise MalformedEventsError(f"{where}.{name} must be a string that is not empty.")
    for name in ("subject", "dataVersion", "metadataVersion", "topic"):
        if not isinstance(event.get(name, ""), str | None):
            raise MalformedEventsError(f"{where}.{name} must be a string.")
    if not (event.get("dataVersion") or "").isprintable():  # it is sent on as a header
        raise MalformedEventsError(f"{where}.dataVersion must be printable.")
    if event.get("specversion", "1.0") != "1.0":
        raise MalformedEventsError(f"{where}.specversion must be 1.0.")
    time = event.get("eventTime" if schema == "EventGridSchema" else "time")
    if time is not None and not _is_time(time):
        raise MalformedEventsError(f"{where}: {time!r} is no ISO 8601 time.")
    return Event(schema, event)


def _is_time(text: object) -> bool:
    try:
        return isinstance(text, str) and bool(datetime.fromisoformat(text))
    except ValueError:
        return False


def render(event: Event, topic: str, schema: Schema) -> str:
    """Return the JSON text of an event in a subscription's schema.

    Args:
        event: a published event.
        topic: name of the topic that it was published to; stands in for a missing topic id.
        schema: what the subscription asks for; an event in the other schema is converted.
    """
    if schema == "EventGridSchema":
        body = _event_grid_body(event, topic)
    else:
        body = _cloud_event_body(event, topic)
    return msgspec.json.encode(body).decode()


def _event_grid_body(event: Event, topic: str) -> dict[str, Any]:
    if event.schema == "EventGridSchema":
        fixed = {"dataVersion": event.data_version, "metadataVersion": "1"}
        return {**event.body, "topic": event.body.get("topic") or f"/topics/{topic}", **fixed}
    body = event.body
    return {
        "id": body["id"],
        "topic": body["source"],
        "subject": event.subject,
        "eventType": event.type,
        "eventTime": body.get("time") or utc_text(datetime.now(UTC).timestamp()),
        "data": body.get("data", body.get("data_base64")),
        "dataVersion": "",
        "metadataVersion": "1",
    }


def _cloud_event_body(event: Event, topic: str) -> dict[str, Any]:
    if event.schema == "CloudEventSchemaV1_0":
        return event.body
    body = event.body
    return {
        "specversion": "1.0",
        "id": body["id"],
        "source": body.get("topic") or f"/topics/{topic}",
        "type": event.type,
        "subject": event.subject,
        "time": body["eventTime"],
        "data": body.get("data"),
    }


def utc_text(seconds: float) -> str:
    """Return a time (seconds since 1970) in the form of the service's own time fields."""
    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")
    return text.replace("+00:00", "Z")
