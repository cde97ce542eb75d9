"""The clients of the storage accounts, each made when first used."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from shared.facts import current
from shared.ports.telemetry import NO_TELEMETRY, Telemetry
from shared.settings import Connection
from shared.signals import Metric

if TYPE_CHECKING:
    from azure.data.tables.aio import TableServiceClient
    from azure.storage.blob.aio import BlobServiceClient
    from azure.storage.queue.aio import QueueServiceClient


_RANGES: dict[str, Any] = {"max_single_get_size": 8 << 20, "max_chunk_get_size": 8 << 20}
"""Bytes of a blob that are asked for at once: what one download holds in memory."""

_RETRIES: dict[str, Any] = {
    "initial_backoff": 0.5,
    "increment_base": 1.5,
    "random_jitter_range": 0.5,
}
"""Three retries within about 9 s. By default the SDKs of blobs and queues let a caller wait for a
minute before they say that the account is busy.
"""


def transport_options() -> dict[str, Any]:
    """Options of every asynchronous client of an Azure SDK.

    One that heeds the environment asks two threads, for ~/.netrc and for a proxy, at every request:
    so only where there is a proxy. A list of hosts that need none (`no_proxy`) is not one.
    """
    from urllib.request import getproxies

    return {"use_env_settings": bool(getproxies().keys() - {"no"})}


class StorageAccounts:
    """Tables and queues of the state account, blobs of the content account.

    `on_request` is called for every request sent to storage; the benchmarks count with it.
    `telemetry` counts them too.
    """

    def __init__(
        self,
        state: Connection,
        content: Connection,
        credential: Callable[[], Any],
        on_request: Callable[[Any], None] | None = None,
        telemetry: Telemetry = NO_TELEMETRY,
    ) -> None:
        self._state = state
        self._content = content
        self._credential = credential
        self._on_request = on_request
        self._telemetry = telemetry

    def _options(self, service: str) -> dict[str, Any]:
        options: dict[str, Any] = transport_options()
        if self._on_request is not None:
            options["raw_request_hook"] = self._on_request
        elif self._telemetry.is_on:
            options["raw_request_hook"] = partial(self._count, service)
        return options

    def _count(self, service: str, request: Any) -> None:
        self._telemetry.record(
            Metric.STORAGE_REQUESTS,
            service=service,
            method=request.http_request.method,
            function=current().get("function", ""),
        )

    @cached_property
    def tables(self) -> TableServiceClient:
        """The table service."""
        from azure.data.tables.aio import TableServiceClient

        if self._state.connection_string:
            return TableServiceClient.from_connection_string(
                self._state.connection_string, **self._options("table")
            )
        return TableServiceClient(
            self._state.table_uri or "", credential=self._credential(), **self._options("table")
        )

    @cached_property
    def queues(self) -> QueueServiceClient:
        """The queue service."""
        from azure.storage.queue.aio import QueueServiceClient

        if self._state.connection_string:
            return QueueServiceClient.from_connection_string(
                self._state.connection_string, **_RETRIES, **self._options("queue")
            )
        return QueueServiceClient(
            self._state.queue_uri or "",
            credential=self._credential(),
            **_RETRIES,
            **self._options("queue"),
        )

    @cached_property
    def blobs(self) -> BlobServiceClient:
        """The blob service."""
        from azure.storage.blob.aio import BlobServiceClient

        if self._content.connection_string:
            return BlobServiceClient.from_connection_string(
                self._content.connection_string, **_RANGES, **_RETRIES, **self._options("blob")
            )
        return BlobServiceClient(
            self._content.blob_uri or "",
            credential=self._credential(),
            **_RANGES,
            **_RETRIES,
            **self._options("blob"),
        )

    async def close(self) -> None:
        """Close the clients that were made."""
        for name in ("tables", "queues", "blobs"):
            client = self.__dict__.pop(name, None)
            if client is not None:
                await client.close()
