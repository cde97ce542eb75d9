"""Event Grid topics: the service's own, and that of its customers. CloudEvents 1.0."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.adapters.storage import transport_options
from shared.adapters.table import translated
from shared.domain.domain_event import DomainEvent
from shared.domain.events.catalog import source_of
from shared.ports.telemetry import NO_TELEMETRY, Telemetry

if TYPE_CHECKING:
    from azure.core.messaging import CloudEvent
    from azure.eventgrid.aio import EventGridPublisherClient

SOURCE = "/open-device-update"


@dataclass(slots=True)
class Topic:
    """A topic: its address, its key, or else what makes the app's identity.

    `options` go to the SDK's client.
    """

    endpoint: str
    key: str | None = field(repr=False)
    credential: Callable[[], Any] = field(repr=False)
    options: Mapping[str, Any] = field(default_factory=dict)
    _client: EventGridPublisherClient | None = field(default=None, init=False)

    async def send(self, events: list[CloudEvent[Any]]) -> None:
        """Publish events in one request.

        Raises:
            DependencyFailed: The topic refuses them or takes no more for now.
        """
        async with translated():
            await self._publisher().send(events)

    def _publisher(self) -> EventGridPublisherClient:
        if self._client is None:
            from azure.core.credentials import AzureKeyCredential
            from azure.eventgrid.aio import EventGridPublisherClient

            credential = AzureKeyCredential(self.key) if self.key else self.credential()
            self._client = EventGridPublisherClient(
                self.endpoint, credential, **transport_options(), **self.options
            )
        return self._client


class EventGridTopic:
    """Implements `ports.Events`. Events carry on the trace that goes on, as CloudEvents do: in the
    extension `traceparent`.
    """

    def __init__(
        self,
        endpoint: str,
        key: str | None,
        credential: Callable[[], Any],
        telemetry: Telemetry = NO_TELEMETRY,
    ) -> None:
        self._topic = Topic(endpoint, key, credential)
        self._telemetry = telemetry

    async def publish(
        self, event_type: str, subject: str, payloads: Sequence[Mapping[str, Any]]
    ) -> None:
        """See the port."""
        from azure.core.messaging import CloudEvent

        traceparent = self._telemetry.traceparent
        extensions = {"traceparent": traceparent} if traceparent else None
        await self._topic.send(
            [
                CloudEvent(
                    source=SOURCE,
                    type=event_type,
                    subject=subject,
                    data=payload,
                    extensions=extensions,
                )
                for payload in payloads
            ]
        )


class EventGridCustomerTopic:
    """Implements `ports.CustomerTopic`. It does not retry: what is due stays written down."""

    def __init__(self, endpoint: str, key: str | None, credential: Callable[[], Any]) -> None:
        self._topic = Topic(endpoint, key, credential, {"retry_total": 0})

    async def publish(self, instance: str, events: Sequence[DomainEvent]) -> None:
        """See the port."""
        await self._topic.send(list(_cloud_events(instance, events)))


def _cloud_events(instance: str, events: Sequence[DomainEvent]) -> Iterator[CloudEvent[Any]]:
    from azure.core.messaging import CloudEvent

    for event in events:
        yield CloudEvent(
            source=source_of(instance),
            type=event.kind.value,
            id=event.identity,
            subject=event.subject,
            time=datetime.fromisoformat(event.at) if event.at else None,
            data=dict(event.data),
        )
