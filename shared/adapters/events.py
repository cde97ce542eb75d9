"""The service's own Event Grid topic."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from shared.adapters.table import translated

if TYPE_CHECKING:
    from azure.eventgrid.aio import EventGridPublisherClient

SOURCE = "/open-device-update"


class EventGridTopic:
    """Implements `ports.Events` with CloudEvents 1.0."""

    def __init__(self, endpoint: str, key: str | None, credential: Callable[[], Any]) -> None:
        self._endpoint = endpoint
        self._key = key
        self._credential = credential
        self._publisher: EventGridPublisherClient | None = None

    async def publish(
        self, event_type: str, subject: str, payloads: Sequence[Mapping[str, Any]]
    ) -> None:
        """See the port."""
        from azure.core.messaging import CloudEvent

        events = [
            CloudEvent(source=SOURCE, type=event_type, subject=subject, data=payload)
            for payload in payloads
        ]
        async with translated():
            await self._client().send(events)

    def _client(self) -> EventGridPublisherClient:
        if self._publisher is None:
            from azure.core.credentials import AzureKeyCredential
            from azure.eventgrid.aio import EventGridPublisherClient

            credential = AzureKeyCredential(self._key) if self._key else self._credential()
            self._publisher = EventGridPublisherClient(self._endpoint, credential)
        return self._publisher
