from __future__ import annotations

import contextlib
import uuid
from typing import TYPE_CHECKING

import pytest
from azure.storage.blob import ContentSettings
from azure.storage.blob.aio import BlobServiceClient, ContainerClient

from local.cloud.eventgrid.blob_watch import ContainerWatch, SeenBlobs
from local.cloud.eventgrid.publish import Publisher
from local.cloud.eventgrid.retry import RetryPolicy
from local.cloud.eventgrid.store import Store
from local.cloud.eventgrid.subscriptions import Subscription
from tests.integration.eventgrid.conftest import Grid

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
        yield storage.get_container_client(f"imports{uuid.uuid4().hex}")


def _names(webhook: Webhook) -> list[str]:
    """Names of the blobs of the events; an event that is delivered twice counts once."""
    subjects = {event["id"]: event["subject"] for event in webhook.events}
    return [subject.rpartition("/blobs/")[2] for subject in subjects.values()]


async def _wait_for_events(webhook: Webhook, number: int) -> None:
    await webhook.wait_until(lambda: len(_names(webhook)) >= number)


async def test_new_changed_and_recreated_blobs_are_raised_once_also_after_a_restart(
    start_grid: StartGrid, webhook: Webhook, container: ContainerClient, tmp_path: Path
) -> None:
    watch = ("--watch-container", container.container_name)
    async with start_grid(tmp_path, *watch) as grid:
        await grid.subscribe("drop", webhook.endpoint, topic="storage")
        await container.create_container()
        await container.upload_blob("a/ü b.json", b"one")
        await _wait_for_events(webhook, 1)
        await container.upload_blob("other", b"other")
        await _wait_for_events(webhook, 2)
        await container.upload_blob("a/ü b.json", b"two", overwrite=True)
        await _wait_for_events(webhook, 3)
        await grid.server.kill()

    await container.delete_blob("other")
    await container.upload_blob("while-away", b"three")
    async with start_grid(tmp_path, *watch) as grid:
        await _wait_for_events(webhook, 4)
        await container.upload_blob("other", b"other")
        await _wait_for_events(webhook, 5)
        assert await grid.server.stop() == 0

    assert _names(webhook) == ["a/ü b.json", "other", "a/ü b.json", "while-away", "other"]


async def test_event_has_the_fields_of_the_storage_service(
    start_grid: StartGrid, webhook: Webhook, container: ContainerClient, tmp_path: Path
) -> None:
    await container.create_container()
    async with start_grid(tmp_path, "--watch-container", container.container_name) as grid:
        await grid.subscribe(
            "drop",
            webhook.endpoint,
            topic="storage",
            eventTypes=["Microsoft.Storage.BlobCreated"],
            subjectBeginsWith=f"/blobServices/default/containers/{container.container_name}/blobs/",
        )
        settings = ContentSettings(content_type="application/json")
        blob = await container.upload_blob("x y.json", b"{}", content_settings=settings)
        await _wait_for_events(webhook, 1)
        etag = (await blob.get_blob_properties()).etag

    [event] = webhook.events
    assert event["subject"] == (
        f"/blobServices/default/containers/{container.container_name}/blobs/x y.json"
    )
    sequencer = event["data"].pop("sequencer")
    assert int(sequencer, 16) > 0
    assert event["data"] == {
        "api": "PutBlob",
        "eTag": etag.strip('"'),
        "contentType": "application/json",
        "contentLength": 2,
        "blobType": "BlockBlob",
        "url": blob.url,
    }


async def test_sweep_goes_through_all_pages_and_forgets_vanished_blobs(
    container: ContainerClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.cloud.eventgrid.blob_watch.PAGE", 2)
    await container.create_container()
    for number in range(5):
        await container.upload_blob(f"blob-{number}", b"")
    with contextlib.closing(Store(tmp_path / "state.db")) as store:
        store.put_subscription("drop", Subscription("storage", "https://localhost/"))
        publisher = Publisher(store, RetryPolicy(), wake=lambda _name: None)
        watch = ContainerWatch(store, publisher, container)
        seen = SeenBlobs(store, container.container_name)

        assert await watch.sweep()
        assert not await watch.sweep()
        await container.delete_blob("blob-1")
        await container.delete_blob("blob-4")
        assert not await watch.sweep()
        assert not await watch.sweep()

        assert seen.count() == 3
        assert store.counters("drop").pending == 5
