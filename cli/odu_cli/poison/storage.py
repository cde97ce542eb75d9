"""Poison queues, dead letters and the rows of operations, in the storage of a service."""

from __future__ import annotations

import base64
import binascii
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from odu_cli.exit_codes import ExitCode
from odu_cli.failures import Refused
from shared.domain.instant import instant
from shared.messages import ReplayEvents, encode

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from azure.data.tables.aio import TableClient
    from azure.storage.blob.aio import BlobServiceClient
    from azure.storage.queue import QueueMessage
    from azure.storage.queue.aio import QueueServiceClient

    from odu_cli.storage import ServiceStorage

MOST_PEEKED = 32
"""What the storage shows of a queue without taking messages out of it."""
_HIDDEN_SECONDS = 60
_LETTERS = "deadletter"
_MOST_LETTER_BYTES = 4 << 20
_OPERATIONS = "Operations"


@dataclass(frozen=True, slots=True)
class DeadMessage:
    """A message that failed for good. `content` is as it is stored, `text` its body."""

    queue: str
    identity: str
    receipt: str
    content: str
    text: str
    inserted_at: str


@dataclass(frozen=True, slots=True)
class OperationNote:
    """What the row of an operation says of it; `error` is the last one, with its code."""

    status: str
    stage: str
    error: str | None

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True)
class PoisonStorage:
    """The places where things lie that failed for good."""

    queues: QueueServiceClient
    blobs: BlobServiceClient
    operations: TableClient

    async def peek(self, queue: str) -> list[DeadMessage]:
        """The first messages, left where they are."""
        from azure.core.exceptions import ResourceNotFoundError

        client = self.queues.get_queue_client(queue)
        try:
            found = await client.peek_messages(max_messages=MOST_PEEKED)
        except ResourceNotFoundError:  # the host creates it with its first message
            return []
        return [_dead(queue, message) for message in found]

    async def count(self, queue: str) -> int:
        """About how many messages there are."""
        from azure.core.exceptions import ResourceNotFoundError

        client = self.queues.get_queue_client(queue)
        try:
            return int((await client.get_queue_properties()).approximate_message_count or 0)
        except ResourceNotFoundError:
            return 0

    async def take(self, queue: str) -> DeadMessage | None:
        """One message, hidden from others for a minute."""
        client = self.queues.get_queue_client(queue)
        message = await client.receive_message(visibility_timeout=_HIDDEN_SECONDS)
        return _dead(queue, message) if message is not None else None

    async def release(self, message: DeadMessage) -> None:
        """Let others see a taken message again."""
        client = self.queues.get_queue_client(message.queue)
        await client.update_message(message.identity, message.receipt, visibility_timeout=0)

    async def put_back(self, queue: str, message: DeadMessage) -> None:
        """Put a message into a work queue again."""
        client = self.queues.get_queue_client(queue)
        await client.send_message(message.content, time_to_live=-1)

    async def delete(self, message: DeadMessage) -> None:
        """Delete a taken message."""
        client = self.queues.get_queue_client(message.queue)
        await client.delete_message(message.identity, message.receipt)

    async def order_replay(self, letter: str) -> None:
        """Have the service handle the events of a blob of dead letters."""
        message = ReplayEvents(blob=letter)
        content = base64.b64encode(encode(message)).decode()
        await self.queues.get_queue_client(message.queue).send_message(content, time_to_live=-1)

    async def letters(self) -> AsyncIterator[str]:
        """The names of the blobs of dead letters."""
        async for name in self.blobs.get_container_client(_LETTERS).list_blob_names():
            yield name

    async def read_letter(self, name: str) -> bytes | None:
        """A blob of dead letters; None if it is gone."""
        return await self._read(_LETTERS, name, _MOST_LETTER_BYTES)

    async def delete_letter(self, name: str) -> None:
        """Delete a blob of dead letters, if it is still there."""
        from azure.core.exceptions import ResourceNotFoundError

        try:
            await self.blobs.get_blob_client(_LETTERS, name).delete_blob()
        except ResourceNotFoundError:
            return

    async def write_again(self, container: str, name: str) -> bool:
        """Write a small blob again, whose creation triggers something; False if it is gone."""
        content = await self._read(container, name, None)
        if content is None:
            return False
        await self.blobs.get_blob_client(container, name).upload_blob(content, overwrite=True)
        return True

    async def operation(self, instance: str, identity: str) -> OperationNote | None:
        """What is known of an operation; None if it is not known."""
        from azure.core.exceptions import HttpResponseError

        try:
            row = await self.operations.get_entity(instance, identity)
        except HttpResponseError:  # gone, or the message names what can be no key
            return None
        return _note(row)

    async def _read(self, container: str, name: str, most: int | None) -> bytes | None:
        from azure.core.exceptions import ResourceNotFoundError

        try:
            download = await self.blobs.get_blob_client(container, name).download_blob(
                offset=0, length=most
            )
            return await download.readall()
        except ResourceNotFoundError:
            return None


@asynccontextmanager
async def open_poison_storage(storage: ServiceStorage) -> AsyncIterator[PoisonStorage]:
    """Connect to the storage.

    Raises:
        Refused: It cannot be reached, or lets nobody in.
    """
    from azure.core.exceptions import AzureError, ClientAuthenticationError, HttpResponseError
    from azure.data.tables.aio import TableServiceClient
    from azure.storage.blob.aio import BlobServiceClient
    from azure.storage.queue.aio import QueueServiceClient

    credential: Any = None
    if storage.connection_string is not None:
        text = storage.connection_string
        queues = QueueServiceClient.from_connection_string(text)
        blobs = BlobServiceClient.from_connection_string(text)
        tables = TableServiceClient.from_connection_string(text)
    else:
        from azure.identity.aio import DefaultAzureCredential

        credential = DefaultAzureCredential()
        queues = QueueServiceClient(storage.queues_url, credential=credential)
        blobs = BlobServiceClient(storage.content_url, credential=credential)
        tables = TableServiceClient(storage.tables_url, credential=credential)
    try:
        async with queues, blobs, tables:
            yield PoisonStorage(queues, blobs, tables.get_table_client(_OPERATIONS))
    except ClientAuthenticationError as error:
        raise Refused(ExitCode.TOKEN, "the storage lets nobody in; sign in (az login)") from error
    except HttpResponseError as error:
        code = ExitCode.ROLE if error.status_code == 403 else ExitCode.ERROR
        raise Refused(code, f"the storage refuses: {_first_line(error)}") from error
    except AzureError as error:
        reason = _first_line(error)
        raise Refused(ExitCode.UNREACHABLE, f"the storage cannot be reached: {reason}") from error
    finally:
        if credential is not None:
            await credential.close()


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _dead(queue: str, message: QueueMessage) -> DeadMessage:
    content = str(message.content)
    inserted = message.inserted_on
    return DeadMessage(
        queue=queue,
        identity=str(message.id),
        receipt=message.pop_receipt or "",
        content=content,
        text=_decoded(content),
        inserted_at=instant(inserted.isoformat()) if inserted else "",
    )


def _decoded(content: str) -> str:
    """The body; a message that is not base64 is shown as it came."""
    try:
        return base64.b64decode(content, validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        return content


def _note(row: Mapping[str, Any]) -> OperationNote:
    """Read a row: its document is one JSON text, cut into the properties doc0, doc1 and so on."""
    chunks: list[str] = []
    while isinstance(chunk := row.get(f"doc{len(chunks)}"), str):
        chunks.append(chunk)
    found = json.loads("".join(chunks) or "{}")
    failure = found.get("failure") or found.get("last_error")
    return OperationNote(
        status=str(found.get("status", "")),
        stage=str(found.get("stage", "")),
        error=f"{failure['code']}: {failure['message']}" if failure else None,
    )
