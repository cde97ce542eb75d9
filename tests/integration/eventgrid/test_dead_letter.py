from __future__ import annotations

import asyncio
import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from azure.storage.blob.aio import BlobServiceClient, ContainerClient

from tests.integration.eventgrid.conftest import Grid, an_event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.azurite import Azurite
    from tests.integration.eventgrid.webhook import Webhook

    StartGrid = Callable[..., AbstractAsyncContextManager[Grid]]


@pytest.fixture
async def container(azurite: Azurite) -> AsyncIterator[ContainerClient]:
    async with BlobServiceClient.from_connection_string(azurite.connection_string) as storage:
        name = f"deadletter{uuid.uuid4().hex}"
        yield await storage.create_container(name)


async def _written(grid: Grid, subscription: str, number: int) -> list[dict[str, Any]]:
    """Wait until a subscription has dead letters whose blobs exist."""
    async with asyncio.timeout(10):
        while True:
            _, listing = await grid.call("GET", f"/dead-letters?subscription={subscription}")
            written = [letter for letter in listing["value"] if letter["written"]]
            if len(written) == number:
                return written
            await asyncio.sleep(0.02)


async def _blob(container: ContainerClient, letter: dict[str, Any]) -> Any:
    name = letter["blob"].removeprefix(f"{container.container_name}/")
    downloaded = await container.download_blob(name)
    return json.loads(await downloaded.readall())


async def test_refused_event_becomes_a_dead_letter_at_once(
    grid: Grid, webhook: Webhook, container: ContainerClient
) -> None:
    await grid.subscribe("refused", webhook.endpoint, deadLetterContainer=container.container_name)
    webhook.answers = [400]

    await grid.publish(an_event())

    [letter] = await _written(grid, "refused", 1)
    assert letter["eventId"] == "event-1"
    assert f"{container.container_name}/TOPIC/REFUSED/" in letter["blob"]
    [event] = await _blob(container, letter)
    for name in ("publishTime", "lastDeliveryAttemptTime"):
        assert event.pop(name).endswith("Z")
    assert event == {
        **an_event(),
        "topic": "/topics/topic",
        "metadataVersion": "1",
        "deadLetterReason": "UndeliverableDueToHttpBadRequest",
        "deliveryAttempts": 1,
        "lastDeliveryOutcome": "BadRequest",
        "lastHttpStatusCode": 400,
    }


async def test_dead_letter_is_delivered_anew_on_replay(
    grid: Grid, webhook: Webhook, container: ContainerClient
) -> None:
    await grid.subscribe(
        "replayed",
        webhook.endpoint,
        deadLetterContainer=container.container_name,
        maxDeliveryAttempts=2,
    )
    webhook.answers = [500, 500]
    await grid.publish(an_event())
    [letter] = await _written(grid, "replayed", 1)
    assert letter["deadLetterReason"] == "MaxDeliveryAttemptsExceeded"
    assert letter["deliveryAttempts"] == 2

    status, answer = await grid.call("POST", "/dead-letters/replay", {"subscription": "replayed"})

    assert (status, answer) == (200, {"replayed": 1})
    await webhook.wait_for_notifications(3)
    assert webhook.notifications[-1].headers["aeg-delivery-count"] == "0"
    assert (await grid.call("GET", "/dead-letters?subscription=replayed"))[1] == {"value": []}
    assert (await grid.subscription("replayed"))["deadLettered"] == 1


async def test_event_is_given_up_when_its_time_to_live_is_over(
    grid: Grid, webhook: Webhook, container: ContainerClient
) -> None:
    await grid.subscribe(
        "expired",
        webhook.endpoint,
        deadLetterContainer=container.container_name,
        eventTimeToLiveMinutes=1,
        schema="CloudEventSchemaV1_0",
    )
    webhook.answers = [500] * 30

    await grid.publish(an_event())

    [letter] = await _written(grid, "expired", 1)
    assert 1 <= letter["deliveryAttempts"] < 30
    [event] = await _blob(container, letter)
    assert event["deadletterreason"] == "TimeToLiveExceeded"
    assert event["lastdeliveryoutcome"] == "GenericError"


async def test_dead_letter_waits_for_its_container(
    grid: Grid, webhook: Webhook, azurite: Azurite
) -> None:
    name = f"late{uuid.uuid4().hex}"
    await grid.subscribe("late", webhook.endpoint, deadLetterContainer=name)
    webhook.answers = [400]
    await grid.publish(an_event())
    await grid.server.wait_for_log(f"{name}/TOPIC/LATE/")

    async with BlobServiceClient.from_connection_string(azurite.connection_string) as storage:
        container = await storage.create_container(name)
        [letter] = await _written(grid, "late", 1)
        [event] = await _blob(container, letter)

    assert event["id"] == "event-1"


async def test_dead_letter_is_dropped_when_its_container_never_comes(
    start_grid: StartGrid, webhook: Webhook, tmp_path: Path
) -> None:
    async with start_grid(tmp_path, time_scale=1e-5) as grid:
        await grid.subscribe("lost", webhook.endpoint, deadLetterContainer="never-created")
        webhook.answers = [400]

        await grid.publish(an_event())

        await grid.server.wait_for_log("dead letter dropped: ResourceNotFoundError")
        assert (await grid.call("GET", "/dead-letters"))[1] == {"value": []}
