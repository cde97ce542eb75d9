"""What an event subscription is and which events it selects."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args
from urllib.parse import urlsplit

import msgspec

from local.cloud.eventgrid.events import Schema

if TYPE_CHECKING:
    from local.cloud.eventgrid.events import Event

Topic = Literal["topic", "customers", "iothub", "storage", "defender"]
TOPICS: tuple[Topic, ...] = get_args(Topic)
"""The custom topics, the service's own, that of customers and that of Microsoft Defender, and the
system topics of the hub and of the content storage account.
"""
KEPT_TOPIC: Topic = "customers"
"""Its newest events are kept to be looked at, whether anybody subscribes or not."""

_NAME = re.compile(r"[A-Za-z0-9-]{3,64}")


class InvalidSubscriptionError(Exception):
    """A subscription breaks a rule of the service; the message names the field at fault."""


class Subscription(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A webhook that wants some events of a topic; bounds and defaults are the service's."""

    topic: Topic
    endpoint: str
    event_types: tuple[str, ...] = ()
    subject_begins_with: str = ""
    subject_ends_with: str = ""
    schema: Schema = "EventGridSchema"
    dead_letter_container: str | None = None
    max_delivery_attempts: Annotated[int, msgspec.Meta(ge=1, le=30)] = 30
    event_time_to_live_minutes: Annotated[int, msgspec.Meta(ge=1, le=1440)] = 1440
    max_events_per_batch: Annotated[int, msgspec.Meta(ge=1, le=5000)] = 1

    def selects(self, event: Event) -> bool:
        """Tell whether an event of the topic is to be delivered; case matters in types alone."""
        subject = event.subject.casefold()
        return (
            (not self.event_types or event.type in self.event_types)
            and subject.startswith(self.subject_begins_with.casefold())
            and subject.endswith(self.subject_ends_with.casefold())
        )

    def public(self) -> dict[str, Any]:
        """Return the subscription without the key in its endpoint's query."""
        document: dict[str, Any] = msgspec.to_builtins(self)
        return {**document, "endpoint": self.endpoint.partition("?")[0]}


def parse_subscription(name: str, body: bytes) -> Subscription:
    """Return the subscription that a request describes.

    Raises:
        InvalidSubscriptionError: its name, a field, or the endpoint is not acceptable.
    """
    if not _NAME.fullmatch(name):
        raise InvalidSubscriptionError("name: 3 to 64 letters, digits and hyphens")
    try:
        subscription = msgspec.json.decode(body, type=Subscription)
        endpoint = urlsplit(subscription.endpoint)
        usable = endpoint.scheme == "https" and endpoint.hostname and endpoint.port != 0
    except ValueError as error:
        raise InvalidSubscriptionError(str(error)) from error
    if not usable or endpoint.username is not None or endpoint.fragment:
        raise InvalidSubscriptionError("endpoint: an https URL without user name and fragment")
    return subscription
