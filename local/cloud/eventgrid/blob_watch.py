"""The storage account as an event source: Azurite raises no events, so its containers are listed.

A blob counts as created when its ETag is new. The listing and the events live in one transaction of
the state file, so a change made while nothing was watching is raised later, and raised once.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
import uuid
from typing import TYPE_CHECKING

from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob.aio import BlobServiceClient

from local.cloud.eventgrid.events import Event, utc_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from azure.storage.blob import BlobProperties
    from azure.storage.blob.aio import ContainerClient

    from local.cloud.eventgrid.publish import Publisher
    from local.cloud.eventgrid.store import Store

PAGE = 1_000
SHORTEST_PAUSE_SECONDS = 0.3
LONGEST_PAUSE_SECONDS = 1.0
PAUSE_GROWTH = 1.25

_log = logging.getLogger(__name__)


async def watch_containers(
    store: Store, publisher: Publisher, connection_string: str, containers: Sequence[str]
) -> None:
    """Publish `Microsoft.Storage.BlobCreated` to the topic `storage` until cancelled."""
    async with (
        BlobServiceClient.from_connection_string(connection_string, retry_total=0) as storage,
        asyncio.TaskGroup() as group,
    ):
        for name in containers:
            watch = ContainerWatch(store, publisher, storage.get_container_client(name))
            group.create_task(watch.run())


class ContainerWatch:
    """Lists one container over and over."""

    def __init__(self, store: Store, publisher: Publisher, container: ContainerClient) -> None:
        self._store = store
        self._publisher = publisher
        self._container = container
        self._seen = SeenBlobs(store, container.container_name)
        self._mark: int | None = None

    async def run(self) -> None:
        """Watch until cancelled; a storage account that cannot be reached is asked again."""
        pause = SHORTEST_PAUSE_SECONDS
        reachable = True
        while True:
            changed = False
            try:
                changed = await self.sweep()
                reachable = True
            except ResourceNotFoundError:
                reachable = True  # the container will be created
            except AzureError as error:
                if reachable:
                    name = self._container.container_name
                    _log.warning("cannot list container %s: %s", name, type(error).__name__)
                reachable = False
            pause = min(pause * PAUSE_GROWTH, LONGEST_PAUSE_SECONDS)
            if changed:
                pause = SHORTEST_PAUSE_SECONDS
            await asyncio.sleep(pause)

    async def sweep(self) -> bool:
        """List the container once, a page at a time; tell whether anything was new.

        When fewer blobs are listed than remembered, the next sweep marks what it lists and forgets
        the rest: names never have to be held in memory to find those that vanished.
        """
        listed = 0
        changed = False
        async for page in self._container.list_blobs(results_per_page=PAGE).by_page():
            blobs = [blob async for blob in page]
            listed += len(blobs)
            changed |= self._take_page(blobs)
        if self._mark is not None:
            self._seen.forget_unmarked(self._mark)
        self._mark = time.time_ns() if self._seen.count() > listed else None
        return changed

    def _take_page(self, blobs: Sequence[BlobProperties]) -> bool:
        with self._store.transaction():
            new = self._seen.remember({blob.name: blob.etag for blob in blobs}, self._mark)
            events = [self._created(blob) for blob in blobs if blob.name in new]
            self._publisher.accept("storage", events)
        return bool(new)

    def _created(self, blob: BlobProperties) -> Event:
        """Return the event that the service raises when a blob has been written.

        https://learn.microsoft.com/azure/event-grid/event-schema-blob-storage
        """
        container = self._container.container_name
        url = self._container.get_blob_client(blob.name).url
        assert blob.last_modified is not None
        body = {
            "id": str(uuid.uuid4()),
            "subject": f"/blobServices/default/containers/{container}/blobs/{blob.name}",
            "eventType": "Microsoft.Storage.BlobCreated",
            "eventTime": utc_text(blob.last_modified.timestamp()),
            "data": {
                "api": "PutBlob",
                "eTag": blob.etag.strip('"'),
                "contentType": blob.content_settings.content_type,
                "contentLength": blob.size,
                "blobType": blob.blob_type.value if blob.blob_type else None,
                "url": url.partition("?")[0],
                "sequencer": f"{time.time_ns():032X}",
            },
            "dataVersion": "",
        }
        return Event("EventGridSchema", body)


class SeenBlobs:
    """Names and ETags of the blobs of a container that events were raised for."""

    def __init__(self, store: Store, container: str) -> None:
        self._store = store
        self._connection = store.connection
        self._container = container

    def count(self) -> int:
        """Return the number of blobs remembered."""
        row = self._connection.execute(
            "SELECT count(*) FROM seen_blobs WHERE container = ?", (self._container,)
        ).fetchone()
        number: int = row[0]
        return number

    def remember(self, etags: Mapping[str, str], mark: int | None) -> set[str]:
        """Remember ETags by name and return the names whose ETag is new.

        Args:
            etags: of one page of a listing.
            mark: if given, all names of the page get it, so that `forget_unmarked` spares them.
        """
        known = dict(
            self._connection.execute(
                "SELECT name, etag FROM seen_blobs"
                " WHERE container = ? AND name IN (SELECT value FROM json_each(?))",
                (self._container, json.dumps(list(etags))),
            )
        )
        new = {name for name, etag in etags.items() if known.get(name) != etag}
        with self._store.transaction():
            self._connection.executemany(
                "INSERT INTO seen_blobs (container, name, etag, mark) VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET etag = excluded.etag, mark = excluded.mark",
                (
                    (self._container, name, etags[name], mark or 0)
                    for name in (new if mark is None else etags)
                ),
            )
        return new

    def forget_unmarked(self, mark: int) -> None:
        """Forget the blobs that no page listed since `mark`."""
        self._connection.execute(
            "DELETE FROM seen_blobs WHERE container = ? AND mark <> ?", (self._container, mark)
        )
