"""Clients of the storage accounts that the app settings name."""

from __future__ import annotations

from typing import Any

from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceExistsError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.storage.blob.aio import BlobServiceClient, ContainerClient
from azure.storage.queue.aio import QueueClient, QueueServiceClient

from local.cloud.functions_host.errors import StartError
from local.cloud.functions_host.settings import Settings

_TRANSIENT = frozenset({408, 429})

_OPTIONS: dict[str, Any] = {
    "retry_total": 2,
    "initial_backoff": 1,
    "increment_base": 2,
    "random_jitter_range": 1,
    "use_env_settings": False,
}
"""Whole seconds: the SDK's own pauses of 15 seconds and more are meant for a throttled account. The
environment's proxy is no way to a storage on this machine, and to ask for it costs two threads at
every request.
"""


def is_transient(error: AzureError) -> bool:
    """Say whether a storage error may go away by itself, so that a loop may try again later."""
    if isinstance(error, ServiceRequestError | ServiceResponseError):
        return True
    if isinstance(error, HttpResponseError) and error.status_code is not None:
        return error.status_code >= 500 or error.status_code in _TRANSIENT
    return False


async def ensure_queue(queue: QueueClient) -> None:
    """Create a queue that may exist already."""
    try:
        await queue.create_queue()
    except ResourceExistsError:
        return


async def ensure_container(container: ContainerClient) -> None:
    """Create a container that may exist already."""
    try:
        await container.create_container()
    except ResourceExistsError:
        return


class Storage:
    """One client for each account and service, made at first use and closed together."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._queues: dict[str, QueueServiceClient] = {}
        self._blobs: dict[str, BlobServiceClient] = {}

    def queue(self, connection: str, name: str) -> QueueClient:
        """Return the client of a queue."""
        if connection not in self._queues:
            text = self._settings.connection(connection)
            try:
                self._queues[connection] = QueueServiceClient.from_connection_string(
                    text, **_OPTIONS
                )
            except ValueError as error:
                raise _refused(connection) from error
        return self._queues[connection].get_queue_client(name)

    def container(self, connection: str, name: str) -> ContainerClient:
        """Return the client of a container."""
        if connection not in self._blobs:
            text = self._settings.connection(connection)
            try:
                self._blobs[connection] = BlobServiceClient.from_connection_string(text, **_OPTIONS)
            except ValueError as error:
                raise _refused(connection) from error
        return self._blobs[connection].get_container_client(name)

    async def close(self) -> None:
        """Close all connections."""
        for queues in self._queues.values():
            await queues.close()
        for blobs in self._blobs.values():
            await blobs.close()


def _refused(connection: str) -> StartError:
    # The SDK's message would repeat the connection string, and with it the account key.
    return StartError(f"the app setting {connection} is not a storage connection string")
