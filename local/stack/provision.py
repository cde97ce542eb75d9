"""Makes the queues, tables and containers that the service expects, as a deployment does."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from azure.core.exceptions import AzureError, ResourceExistsError
from azure.data.tables import TableServiceClient
from azure.storage.blob import BlobServiceClient, CorsRule
from azure.storage.queue import QueueServiceClient

from local.stack.errors import StackError
from shared.topology import CONTAINERS, QUEUES, TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


_CORS_SECONDS = 3600


def provision(
    connection_string: str, further_containers: Iterable[str] = (), *, origins: Iterable[str] = ()
) -> None:
    """Create what is missing of `shared.domain.topology` and further containers in an account.

    Pages of `origins` may upload to it.

    Raises:
        StackError: the account refuses it or does not answer.
    """
    try:
        _create_all(connection_string, {*CONTAINERS, *further_containers})
        _allow_uploads(connection_string, tuple(origins))
    except AzureError as error:
        raise StackError(f"the storage cannot be provisioned: {error}") from error


def _create_all(connection_string: str, containers: Iterable[str]) -> None:
    with TableServiceClient.from_connection_string(connection_string) as tables:
        for table in TABLES:
            tables.create_table_if_not_exists(table)
    with QueueServiceClient.from_connection_string(connection_string) as queues:
        for queue in QUEUES:
            with suppress(ResourceExistsError):
                queues.create_queue(queue)
    with BlobServiceClient.from_connection_string(connection_string) as blobs:
        for container in containers:
            with suppress(ResourceExistsError):
                blobs.create_container(container)


def _allow_uploads(connection_string: str, origins: Sequence[str]) -> None:
    rule = CorsRule(list(origins), ["PUT"], allowed_headers=["*"], max_age_in_seconds=_CORS_SECONDS)
    with BlobServiceClient.from_connection_string(connection_string) as blobs:
        blobs.set_service_properties(cors=[rule] if origins else [])
