"""The clients of the storage accounts, each made when first used."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any

from shared.settings import Connection

if TYPE_CHECKING:
    from azure.data.tables.aio import TableServiceClient
    from azure.storage.blob.aio import BlobServiceClient
    from azure.storage.queue.aio import QueueServiceClient


class StorageAccounts:
    """Tables and queues of the state account, blobs of the content account.

    `on_request` is called for every request sent to storage; the benchmarks count with it.
    """

    def __init__(
        self,
        state: Connection,
        content: Connection,
        credential: Callable[[], Any],
        on_request: Callable[[Any], None] | None = None,
    ) -> None:
        self._state = state
        self._content = content
        self._credential = credential
        self._options: dict[str, Any] = {"raw_request_hook": on_request} if on_request else {}

    @cached_property
    def tables(self) -> TableServiceClient:
        """The table service."""
        from azure.data.tables.aio import TableServiceClient

        if self._state.connection_string:
            return TableServiceClient.from_connection_string(
                self._state.connection_string, **self._options
            )
        return TableServiceClient(
            self._state.table_uri or "", credential=self._credential(), **self._options
        )

    @cached_property
    def queues(self) -> QueueServiceClient:
        """The queue service."""
        from azure.storage.queue.aio import QueueServiceClient

        if self._state.connection_string:
            return QueueServiceClient.from_connection_string(
                self._state.connection_string, **self._options
            )
        return QueueServiceClient(
            self._state.queue_uri or "", credential=self._credential(), **self._options
        )

    @cached_property
    def blobs(self) -> BlobServiceClient:
        """The blob service."""
        from azure.storage.blob.aio import BlobServiceClient

        if self._content.connection_string:
            return BlobServiceClient.from_connection_string(
                self._content.connection_string, max_single_get_size=4 << 20, **self._options
            )
        return BlobServiceClient(
            self._content.blob_uri or "", credential=self._credential(), **self._options
        )
