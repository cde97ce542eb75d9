"""Taking events in: the publish endpoint of the topics, and the fan-out to subscriptions."""

from __future__ import annotations

import hmac
import random
import time
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web

from local.cloud.eventgrid.events import MalformedEventsError, parse_publication, render
from local.cloud.eventgrid.store import NewDelivery
from local.cloud.eventgrid.subscriptions import KEPT_TOPIC, TOPICS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from local.cloud.eventgrid.events import Event
    from local.cloud.eventgrid.retry import RetryPolicy
    from local.cloud.eventgrid.store import Store

MAX_REQUEST_BYTES = 1024 * 1024
"""Of a publish request; a quota of the service."""

KEY_HEADER = "aeg-sas-key"

SHUFFLE_SECONDS = 0.5
"""Longest delay that the fault "shuffle" adds to a first delivery."""

_random = random.SystemRandom()


@dataclass(slots=True)
class Faults:
    """What the service may do to its subscribers at any time, here on demand."""

    duplicate: bool = False
    shuffle: bool = False


class Publisher:
    """Queues events for every subscription that selects them."""

    def __init__(self, store: Store, policy: RetryPolicy, wake: Callable[[str], None]) -> None:
        self.faults = Faults()
        self._store = store
        self._policy = policy
        self._wake = wake

    def accept(self, topic: str, events: Sequence[Event]) -> None:
        """Queue events; they are safe when this returns outside of a transaction."""
        deliveries = list(self._deliveries(topic, events))
        with self._store.transaction():
            self._store.add_deliveries(deliveries)
            if topic == KEPT_TOPIC:
                self._store.keep_events(
                    render(event, topic, "CloudEventSchemaV1_0") for event in events
                )
        for name in {delivery.subscription for delivery in deliveries}:
            self._wake(name)

    def _deliveries(self, topic: str, events: Sequence[Event]) -> Iterator[NewDelivery]:
        now = time.time()
        copies = 2 if self.faults.duplicate else 1
        longest_delay = SHUFFLE_SECONDS if self.faults.shuffle else 0.0
        for name, subscription in self._store.subscriptions().items():
            if subscription.topic != topic:
                continue
            for event in filter(subscription.selects, events):
                body = render(event, topic, subscription.schema)
                for _ in range(copies):
                    yield NewDelivery(
                        subscription=name,
                        event_type=event.type,
                        data_version=event.data_version,
                        body=body,
                        accepted_at=now,
                        expires_at=self._policy.expires_at(subscription, now),
                        due_at=now + _random.uniform(0, longest_delay),
                    )


class PublishEndpoint:
    """`POST /topics/{topic}/api/events`, as the publisher clients of the SDKs call it."""

    def __init__(self, publisher: Publisher, key: str) -> None:
        self._publisher = publisher
        self._key = key.encode()

    async def __call__(self, request: web.Request) -> web.Response:
        """Answer 200 once the events are safe."""
        topic = request.match_info["topic"]
        if topic not in TOPICS:
            return _problem(404, "NotFound", f"There is no topic {topic!r}.")
        given = request.headers.get(KEY_HEADER, "").encode(errors="surrogateescape")
        if not hmac.compare_digest(given, self._key):
            message = f"The request authorization key is not authorized for topic {topic}."
            return _problem(401, "Unauthorized", message)
        try:
            events = parse_publication(request.content_type, await request.read())
        except web.HTTPRequestEntityTooLarge:
            message = f"The maximum size of a request, {MAX_REQUEST_BYTES} bytes, is exceeded."
            return _problem(413, "RequestEntityTooLarge", message)
        except MalformedEventsError as error:
            detail = {"code": "InputJsonInvalid", "message": str(error)}
            message = "The JSON received does not conform to the expected schema."
            return _problem(400, "BadRequest", f"{message} {error}", detail)
        self._publisher.accept(topic, events)
        return web.Response()


def _problem(status: int, code: str, message: str, *details: dict[str, str]) -> web.Response:
    """Return an error in the service's form; the id lets a log line be found."""
    error: dict[str, Any] = {
        "code": code,
        "message": f"{message} Report {uuid.uuid4()}.",
        "details": list(details) or [{"code": code, "message": message}],
    }
    return web.json_response({"error": error}, status=status)
