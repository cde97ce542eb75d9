"""Blob triggers fed by Event Grid, the only kind that the Flex Consumption plan has.

An event becomes a message in the internal queue of the host, once for each function and ETag: a
receipt blob in the host's account says so. From there on the rules are those of queues: so many
tries, then `webjobs-blobtrigger-poison`. A blob that is gone or has changed by then is left alone,
as the change has an event of its own.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from azure.core import MatchConditions
from azure.core.exceptions import (
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobProperties
from azure.storage.blob.aio import BlobClient, ContainerClient
from azure.storage.queue.aio import QueueClient

from local.cloud.functions_host.errors import BadDelivery
from local.cloud.functions_host.event_grid import Event
from local.cloud.functions_host.execution import Executor, TriggerData
from local.cloud.functions_host.index import BlobTrigger, Function
from local.cloud.functions_host.outputs import encode_message, send
from local.cloud.functions_host.queues import Delivery
from local.cloud.functions_host.storage import Storage
from local.cloud.functions_host.worker import bytes_datum, json_datum, text_datum

POISON_QUEUE = "webjobs-blobtrigger-poison"
HOSTS_CONTAINER = "azure-webjobs-hosts"
_CREATED = "Microsoft.Storage.BlobCreated"
_SUBJECT = re.compile(r"/blobServices/default/containers/([^/]+)/blobs/(.+)", re.DOTALL)
_COMPLETED = {"completed": "true"}

_logger = logging.getLogger("host.blobs")


def full_name(function: str) -> str:
    """Return the name under which the real host files a function."""
    return f"Host.Functions.{function}"


def work_queue(host_id: str) -> str:
    """Return the name of the internal queue."""
    return f"azure-webjobs-blobtrigger-{host_id}"


@dataclass(frozen=True, slots=True)
class _Target:
    function: Function
    trigger: BlobTrigger


def _targets(functions: Iterable[Function]) -> dict[str, _Target]:
    return {
        full_name(function.name): _Target(function, function.trigger)
        for function in functions
        if isinstance(function.trigger, BlobTrigger)
    }


class BlobTriggers:
    """The blob functions of an app: takes events in and runs the queued work."""

    def __init__(
        self,
        functions: Iterable[Function],
        host_id: str,
        hosts: ContainerClient,
        queue: QueueClient,
        storage: Storage,
        executor: Executor,
        notify: Callable[[], None],
    ) -> None:
        self._targets = _targets(functions)
        self._host_id = host_id
        self._hosts = hosts
        self._queue = queue
        self._storage = storage
        self._executor = executor
        self._notify = notify

    def __contains__(self, function_id: object) -> bool:
        return function_id in self._targets

    async def accept(self, function_id: str, event: Event) -> bool:
        """Queue the work that an event asks for; say whether it asked for any.

        Raises:
            BadDelivery: the event does not describe a blob.
        """
        if event.get("eventType", event.get("type")) != _CREATED:
            return False
        container, name = _blob_of(event)
        if self._targets[function_id].trigger.pattern.match(container, name) is None:
            return False
        etag = _etag_of(event)
        receipt = self._hosts.get_blob_client(
            f"blobreceipts/{self._host_id}/{function_id}/{etag}/{container}/{name}"
        )
        if not await _claim(receipt):
            return False
        work = {
            "Type": "BlobTrigger",
            "FunctionId": function_id,
            "BlobType": "BlockBlob",
            "ContainerName": container,
            "BlobName": name,
            "ETag": etag,
        }
        await send(self._queue, encode_message(json.dumps(work).encode(), "base64"))
        await receipt.set_blob_metadata(_COMPLETED)
        self._notify()
        return True

    async def run(self, delivery: Delivery) -> bool:
        """Run one piece of queued work; say whether it is done with."""
        try:
            work = json.loads(delivery.body)
            function_id, etag = str(work["FunctionId"]), str(work["ETag"])
            container, name = str(work["ContainerName"]), str(work["BlobName"])
        except (ValueError, KeyError, TypeError):
            _logger.warning("message %s of the blob queue is not ours", delivery.message.id)
            return False
        target = self._targets.get(function_id)
        if target is None:
            _logger.warning("queued work for %s, which is not in the app", function_id)
            return True
        values = target.trigger.pattern.match(container, name)
        client = self._storage.container(target.trigger.connection, container)
        blob = client.get_blob_client(name)
        try:
            stream = await blob.download_blob(
                etag=etag, match_condition=MatchConditions.IfNotModified
            )
            content = await stream.readall()
        except (ResourceNotFoundError, ResourceModifiedError):
            _logger.info("blob %s/%s is gone or has changed", container, name)
            return True
        data = TriggerData(bytes_datum(content), _metadata(blob, stream.properties, values or {}))
        return (await self._executor.run(target.function, data)).ok


def _blob_of(event: Event) -> tuple[str, str]:
    match = _SUBJECT.fullmatch(str(event.get("subject", "")))
    if match is None:
        raise BadDelivery(f"subject {event.get('subject')!r} does not name a blob")
    return match[1], match[2]


def _etag_of(event: Event) -> str:
    data = event.get("data")
    etag = data.get("eTag") if isinstance(data, dict) else None
    if not isinstance(etag, str) or not etag.strip('"'):
        raise BadDelivery("the event has no data.eTag")
    return '"{}"'.format(etag.strip('"'))


async def _claim(receipt: BlobClient) -> bool:
    """Create the receipt; an existing one still counts as ours until its work was queued."""
    try:
        await receipt.upload_blob(b"", overwrite=False)
    except ResourceExistsError:
        properties = await receipt.get_blob_properties()
        return dict(properties.metadata or {}) != _COMPLETED
    return True


def _metadata(
    blob: BlobClient, properties: BlobProperties, values: Mapping[str, str]
) -> dict[str, Any]:
    modified = properties.last_modified
    described = {
        "Length": properties.size,
        "ContentLength": properties.size,
        "ContentType": properties.content_settings.content_type,
        "ETag": properties.etag,
        "LastModified": modified.isoformat() if modified else None,
    }
    return {
        **{name: text_datum(value) for name, value in values.items()},
        "BlobTrigger": text_datum(f"{blob.container_name}/{blob.blob_name}"),
        "Uri": json_datum(blob.url.partition("?")[0]),
        "Properties": json_datum(described),
        "Metadata": json_datum(dict(properties.metadata or {})),
    }
