from __future__ import annotations

import datetime
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import (
    ClientAuthenticationError,
    ResourceNotFoundError,
)
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent, EventGridPublisherClient
from azure.eventgrid.aio import EventGridPublisherClient as AsyncPublisherClient

from tests.integration.eventgrid.conftest import TOPIC_KEY, Grid, an_event

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.certificates import Certificates
    from tests.integration.eventgrid.webhook import Webhook

    Send = Callable[..., Awaitable[None]]

WHEN = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)


@pytest.fixture
def send(grid: Grid, certificates: Certificates) -> Send:
    """Publish with the asynchronous client of the SDK."""

    async def send(events: Any, *, topic: str = "topic", key: str = TOPIC_KEY) -> None:
        async with AsyncPublisherClient(grid.topic(topic), AzureKeyCredential(key)) as client:
            await client.send(events, connection_verify=str(certificates.authority))

    return send


def _sdk_event(**fields: Any) -> EventGridEvent:
    return EventGridEvent(
        **{
            "subject": "devices/d1",
            "event_type": "OpenDeviceUpdate.TwinChanges",
            "data": {"number": 1},
            "data_version": "1.0",
            "id": "event-1",
            "event_time": WHEN,
            **fields,
        }
    )


async def test_event_of_the_async_client_arrives_as_an_array_of_one(
    grid: Grid, webhook: Webhook, send: Send
) -> None:
    await grid.subscribe("first", webhook.endpoint)

    await send([_sdk_event()])

    await webhook.wait_for_notifications(1)
    [notification] = webhook.notifications
    assert notification.document == [
        {
            "id": "event-1",
            "subject": "devices/d1",
            "eventType": "OpenDeviceUpdate.TwinChanges",
            "eventTime": "2026-01-02T03:04:05.000Z",
            "data": {"number": 1},
            "dataVersion": "1.0",
            "metadataVersion": "1",
            "topic": "/topics/topic",
        }
    ]
    headers = notification.headers
    assert headers["aeg-event-type"] == "Notification"
    assert headers["aeg-subscription-name"] == "FIRST"
    assert headers["aeg-delivery-count"] == "0"
    assert headers["aeg-data-version"] == "1.0"
    assert headers["aeg-metadata-version"] == "1"
    assert headers["content-type"] == "application/json; charset=utf-8"


async def test_events_of_the_sync_client_all_arrive(
    grid: Grid, webhook: Webhook, certificates: Certificates
) -> None:
    await grid.subscribe("first", webhook.endpoint)

    with EventGridPublisherClient(grid.topic("topic"), AzureKeyCredential(TOPIC_KEY)) as client:
        client.send(
            [_sdk_event(id=f"event-{number}") for number in range(3)],
            connection_verify=str(certificates.authority),
        )

    await webhook.wait_for_notifications(3)
    assert {event["id"] for event in webhook.events} == {"event-0", "event-1", "event-2"}


async def test_cloud_events_arrive_one_by_one_when_the_subscription_wants_them(
    grid: Grid, webhook: Webhook, send: Send
) -> None:
    await grid.subscribe("first", webhook.endpoint, schema="CloudEventSchemaV1_0")

    sent = CloudEvent(
        source="/odu", type="OpenDeviceUpdate.TwinChanges", id="c1", time=WHEN, subject="devices/d1"
    )
    await send([sent])

    await webhook.wait_for_notifications(1)
    [notification] = webhook.notifications
    assert CloudEvent.from_dict(notification.document).id == "c1"
    assert notification.headers["content-type"] == "application/cloudevents+json; charset=utf-8"


async def test_a_single_structured_cloud_event_is_accepted(grid: Grid, webhook: Webhook) -> None:
    await grid.subscribe("first", webhook.endpoint, schema="CloudEventSchemaV1_0")
    event = {"specversion": "1.0", "id": "c1", "source": "/odu", "type": "a.type"}

    async with grid.session.post(
        grid.topic("topic"),
        json=event,
        headers={"aeg-sas-key": TOPIC_KEY, "Content-Type": "application/cloudevents+json"},
    ) as response:
        assert response.status == 200

    await webhook.wait_for_notifications(1)
    assert webhook.events == [event]


async def test_wrong_key_is_refused(send: Send) -> None:
    with pytest.raises(ClientAuthenticationError):
        await send([_sdk_event()], key="wrong")


async def test_unknown_topic_is_refused(send: Send) -> None:
    with pytest.raises(ResourceNotFoundError):
        await send([_sdk_event()], topic="elsewhere")


async def test_request_above_a_megabyte_is_refused(grid: Grid) -> None:
    body = json.dumps([an_event(data="x" * 1024 * 1024)]).encode()

    async with grid.session.post(
        grid.topic("topic"),
        data=io.BytesIO(body),
        headers={"aeg-sas-key": TOPIC_KEY, "Content-Type": "application/json"},
    ) as response:
        assert response.status == 413
        assert (await response.json())["error"]["code"] == "RequestEntityTooLarge"


async def test_malformed_body_is_refused_with_the_place_of_the_fault(grid: Grid) -> None:
    async with grid.session.post(
        grid.topic("topic"),
        json=[an_event(1), an_event(2, subject=7)],
        headers={"aeg-sas-key": TOPIC_KEY},
    ) as response:
        assert response.status == 400
        error = (await response.json())["error"]

    assert error["code"] == "BadRequest"
    assert error["details"] == [
        {"code": "InputJsonInvalid", "message": "[1].subject must be a string that is not empty."}
    ]
