"""Event Hubs triggers: reading partitions in order and remembering how far.

The source is an HTTPS log of partitions with a long poll, which stands for an event hub on one
machine. As in the real host a partition has one batch at a time, and its checkpoint moves on after
the batch whatever became of it; only the retry policy of the function stands between a failure and
the loss of the batch.
"""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from typing import Any
from urllib.parse import quote

import aiohttp
from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.storage.blob.aio import BlobClient, ContainerClient

from local.cloud.functions_host.event_hub_endpoint import Endpoint
from local.cloud.functions_host.execution import Executor, TriggerData
from local.cloud.functions_host.index import EventHubTrigger, Function
from local.cloud.functions_host.storage import is_transient
from local.cloud.functions_host.tasks import Backoff, TaskSet
from local.cloud.functions_host.worker import bytes_datum, bytes_list_datum, json_datum, text_datum

CHECKPOINT_CONTAINER = "azure-webjobs-eventhub"
_POLL_SECONDS = 20
_LONGEST_PAGE = 1000
_BEFORE_THE_FIRST = 0
"""The log counts its events from 1."""
_TOKEN_SECONDS = 3600
_LONGEST_PAUSE_SECONDS = 10.0

_logger = logging.getLogger("host.event_hubs")

Event = dict[str, Any]


class SourceError(Exception):
    """The event source answered in a way that cannot be used."""


class EventSource:
    """Reads the partitions of one event hub."""

    def __init__(self, session: aiohttp.ClientSession, endpoint: Endpoint, event_hub: str) -> None:
        self._session = session
        self._endpoint = endpoint
        self._event_hub = event_hub
        self._base = f"https://{endpoint.host}:{endpoint.port}/{quote(event_hub, safe='')}"

    async def partitions(self) -> list[str]:
        """Return the ids of the partitions."""
        partitions = await self._get("/partitions", {}, 10, "partitions")
        return [str(partition) for partition in partitions]

    async def events(self, partition: str, after: int, most: int) -> list[Event]:
        """Return up to `most` events after a sequence number; none if none came for a while."""
        query = {
            "after": str(after),
            "max": str(min(most, _LONGEST_PAGE)),
            "wait": str(_POLL_SECONDS),
        }
        path = f"/partitions/{quote(partition, safe='')}/events"
        return await self._get(path, query, _POLL_SECONDS + 15, "events")

    async def _get(self, path: str, query: dict[str, str], seconds: float, field: str) -> list[Any]:
        expires = int(time.time()) + _TOKEN_SECONDS
        async with self._session.get(
            self._base + path,
            params=query,
            headers={"Authorization": self._endpoint.authorization(self._event_hub, expires)},
            timeout=aiohttp.ClientTimeout(total=seconds),
        ) as response:
            if response.status != 200:
                raise SourceError(f"{path} was answered with {response.status}")
            answer = await response.json()
        if not isinstance(answer, dict) or not isinstance(answer.get(field), list):
            raise SourceError(f"{path} was answered without {field}")
        found: list[Any] = answer[field]
        return found


class Checkpoints:
    """How far each partition was read, kept in blobs as the real host keeps it.

    The name has no port, since the source may come back on another one.
    """

    def __init__(self, container: ContainerClient, trigger: EventHubTrigger) -> None:
        self._container = container
        owner = f"{trigger.endpoint.host}/{trigger.event_hub}/{trigger.consumer_group}".lower()
        self._prefix = f"{owner}/checkpoint"

    def _blob(self, partition: str) -> BlobClient:
        return self._container.get_blob_client(f"{self._prefix}/{partition}")

    async def read(self, partition: str) -> int | None:
        """Return the sequence number of the last event that was dealt with, if any."""
        try:
            properties = await self._blob(partition).get_blob_properties()
        except ResourceNotFoundError:
            return None
        return int(properties.metadata["sequencenumber"])

    async def write(self, partition: str, event: Event) -> None:
        """Remember an event as dealt with."""
        metadata = {
            "sequencenumber": str(event["sequenceNumber"]),
            "offset": str(event.get("offset", event["sequenceNumber"])),
        }
        await self._blob(partition).upload_blob(b"", overwrite=True, metadata=metadata)


class EventHubListener:
    """Feeds one function with all partitions of its event hub."""

    def __init__(
        self,
        function: Function,
        trigger: EventHubTrigger,
        source: EventSource,
        checkpoints: Checkpoints,
        executor: Executor,
        work: TaskSet,
        max_batch: int,
    ) -> None:
        self._function = function
        self._trigger = trigger
        self._source = source
        self._checkpoints = checkpoints
        self._executor = executor
        self._work = work
        self._max_batch = max_batch

    async def listen(self) -> None:
        """Read all partitions side by side for ever."""
        backoff = Backoff(0.2, _LONGEST_PAUSE_SECONDS)
        while True:
            try:
                partitions = await self._source.partitions()
                break
            except (aiohttp.ClientError, TimeoutError, SourceError) as error:
                await self._pause(backoff, "partitions", error)
        async with asyncio.TaskGroup() as group:
            for partition in partitions:
                group.create_task(self._read(partition))

    async def _read(self, partition: str) -> None:
        backoff = Backoff(0.2, _LONGEST_PAUSE_SECONDS)
        position: int | None = None
        while True:
            try:
                if position is None:
                    position = await self._start_position(partition)
                events = await self._source.events(partition, position, self._max_batch)
                if events:
                    await self._work.finish(
                        self._process(partition, events), f"events of partition {partition}"
                    )
                    position = int(events[-1]["sequenceNumber"])
                backoff.reset()
            except AzureError as error:
                if not is_transient(error):
                    raise
                await self._pause(backoff, partition, error)
            except (aiohttp.ClientError, TimeoutError, SourceError) as error:
                await self._pause(backoff, partition, error)

    async def _start_position(self, partition: str) -> int:
        position = await self._checkpoints.read(partition)
        return _BEFORE_THE_FIRST if position is None else position

    async def _pause(self, backoff: Backoff, what: str, error: Exception) -> None:
        seconds = backoff.pause()
        _logger.warning(
            "event hub %s, %s: %s: %s; next try in %.1f s",
            self._trigger.event_hub,
            what,
            type(error).__name__,
            error,
            seconds,
        )
        await asyncio.sleep(seconds)

    async def _process(self, partition: str, events: list[Event]) -> None:
        if self._trigger.many:
            batches = [self._batch_data(partition, events)]
        else:
            batches = [self._single_data(partition, event) for event in events]
        await asyncio.gather(
            *(self._executor.run_with_retries(self._function, data) for data in batches)
        )
        await self._checkpoints.write(partition, events[-1])

    def _batch_data(self, partition: str, events: list[Event]) -> TriggerData:
        properties = [_system_properties(event) for event in events]
        metadata = {
            "PartitionContext": self._partition_context(partition),
            "SystemPropertiesArray": json_datum(properties),
            "PropertiesArray": json_datum([event.get("properties", {}) for event in events]),
        }
        for name in ("PartitionKey", "SequenceNumber", "Offset", "EnqueuedTimeUtc"):
            metadata[f"{name}Array"] = json_datum([item[name] for item in properties])
        return TriggerData(bytes_list_datum([_body(event) for event in events]), metadata)

    def _single_data(self, partition: str, event: Event) -> TriggerData:
        properties = _system_properties(event)
        metadata = {
            "PartitionContext": self._partition_context(partition),
            "SystemProperties": json_datum(properties),
            "Properties": json_datum(event.get("properties", {})),
            "SequenceNumber": json_datum(properties["SequenceNumber"]),
        }
        for name in ("PartitionKey", "Offset", "EnqueuedTimeUtc"):
            if properties[name] is not None:
                metadata[name] = text_datum(properties[name])
        return TriggerData(bytes_datum(_body(event)), metadata)

    def _partition_context(self, partition: str) -> Any:
        return json_datum(
            {
                "PartitionId": partition,
                "EventHubName": self._trigger.event_hub,
                "ConsumerGroup": self._trigger.consumer_group,
            }
        )


def _body(event: Event) -> bytes:
    return base64.b64decode(event["body"])


def _system_properties(event: Event) -> dict[str, Any]:
    return {
        **event.get("systemProperties", {}),
        "EnqueuedTimeUtc": event.get("enqueuedTimeUtc"),
        "PartitionKey": event.get("partitionKey"),
        "SequenceNumber": event["sequenceNumber"],
        "Offset": str(event.get("offset", event["sequenceNumber"])),
    }
