"""What the service has stored, read with the storage SDKs behind its back."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from azure.core.exceptions import ResourceExistsError
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient
from azure.storage.queue import QueueServiceClient

from shared.adapters.table import unpack
from shared.domain.fleet.counters import (
    History,
    contribution,
    history_contribution,
    total,
)
from shared.domain.fleet.device import DeviceRecord
from shared.domain.rollouts.ledger import LEDGER
from shared.topology import QUEUES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.stack.running import Stack


class Storage:
    """The storage account of a stack."""

    def __init__(self, stack: Stack) -> None:
        self._connection = stack.storage_connection_string

    @property
    def blob_endpoint(self) -> str:
        """Address of the account's blob service, without a slash at its end."""
        with BlobServiceClient.from_connection_string(self._connection) as service:
            return str(service.url).rstrip("/")

    async def blobs(self, container: str, prefix: str = "") -> list[str]:
        """Names of blobs."""
        return await asyncio.to_thread(self._blobs, container, prefix)

    def _blobs(self, container: str, prefix: str) -> list[str]:
        with BlobServiceClient.from_connection_string(self._connection) as service:
            client = service.get_container_client(container)
            return list(client.list_blob_names(name_starts_with=prefix))

    async def rows(self, table: str) -> list[Mapping[str, Any]]:
        """Every row of a table."""
        return await asyncio.to_thread(self._rows, table)

    def _rows(self, table: str) -> list[Mapping[str, Any]]:
        with TableServiceClient.from_connection_string(self._connection) as service:
            return list(service.get_table_client(table).list_entities())

    async def messages(self) -> dict[str, int]:
        """Messages by queue, poison queues included; queues without any are left out."""
        return await asyncio.to_thread(self._messages)

    def _messages(self) -> dict[str, int]:
        found = {}
        with QueueServiceClient.from_connection_string(self._connection) as service:
            for name in [item.name for item in service.list_queues()]:
                count = service.get_queue_client(name).get_queue_properties()
                if name.removesuffix("-poison") in QUEUES and count.approximate_message_count:
                    found[str(name)] = count.approximate_message_count
        return found

    async def put_blob(self, container: str, name: str, content: bytes) -> None:
        """Write a blob."""
        await asyncio.to_thread(self._put_blob, container, name, content)

    def _put_blob(self, container: str, name: str, content: bytes) -> None:
        with BlobServiceClient.from_connection_string(self._connection) as service:
            service.get_blob_client(container, name).upload_blob(content, overwrite=True)

    async def read_blob(self, container: str, name: str) -> bytes:
        """The content of a blob."""
        return await asyncio.to_thread(self._read_blob, container, name)

    def _read_blob(self, container: str, name: str) -> bytes:
        with BlobServiceClient.from_connection_string(self._connection) as service:
            content: bytes = service.get_blob_client(container, name).download_blob().readall()
            return content

    async def delete_blob(self, container: str, name: str) -> None:
        """Delete a blob."""
        await asyncio.to_thread(self._delete_blob, container, name)

    def _delete_blob(self, container: str, name: str) -> None:
        with BlobServiceClient.from_connection_string(self._connection) as service:
            service.get_blob_client(container, name).delete_blob()

    async def put_message(self, queue: str, text: str) -> None:
        """Put a message into a queue of the service, as it stands."""
        await asyncio.to_thread(self._put_message, queue, text)

    def _put_message(self, queue: str, text: str) -> None:
        with QueueServiceClient.from_connection_string(self._connection) as service:
            client = service.get_queue_client(queue)
            with suppress(ResourceExistsError):
                client.create_queue()  # of failed messages, with the first one
            client.send_message(text)

    async def recount(
        self, group: str | None = None
    ) -> tuple[dict[Any, dict[str, int]], dict[Any, dict[str, int]]]:
        """The counters of all buckets, and the same counted from the device rows; of one group if
        asked, where other tests have done damage to their own devices.
        """
        stored, counted = [], []
        for row in await self.rows("Devices"):
            match row["RowKey"].split(".")[0]:
                case "c" if not row.get("listed"):
                    counters = unpack(row, dict[str, Any])
                    if counters["class_id"] == LEDGER:
                        continue
                    stored.append({(counters["group"], counters["class_id"]): counters["cells"]})
                case "d":
                    counted.append(contribution(unpack(row, DeviceRecord)))
                case "h":
                    counted.append(history_contribution(unpack(row, History)))
        return _of_group(total(stored), group), _of_group(total(counted), group)


def _of_group(
    counts: Mapping[Any, Mapping[str, int]], group: str | None
) -> dict[Any, dict[str, int]]:
    return {
        key: dict(cells)
        for key, cells in counts.items()
        if any(cells.values()) and group in (None, key[0])
    }
