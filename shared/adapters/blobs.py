"""The blob containers of the content account."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING

from shared.adapters.storage import StorageAccounts
from shared.adapters.table import translated
from shared.domain.errors import DependencyFailed, LimitExceeded, NotFound
from shared.domain.topology import Container

if TYPE_CHECKING:
    from azure.storage.blob.aio import BlobClient

_BLOCK_BYTES = 4 << 20
_COPY_POLL_SECONDS = 0.2
_CLOCK_SKEW = timedelta(minutes=5)


class AzureBlobs:
    """Implements `ports.Blobs`.

    Args:
        accounts: The storage accounts.
        link_hours: How long the links for devices work; a user delegation key allows 7 days.
    """

    def __init__(self, accounts: StorageAccounts, link_hours: float) -> None:
        self._accounts = accounts
        self._link_life = timedelta(hours=link_hours)

    def _blob(self, container: Container, name: str) -> BlobClient:
        return self._accounts.blobs.get_blob_client(container, name)

    async def read(
        self, container: Container, name: str, *, max_bytes: int = 1 << 20
    ) -> bytes | None:
        """See the port."""
        from azure.core.exceptions import HttpResponseError, ResourceNotFoundError

        async with translated():
            try:
                # one byte more than allowed tells a larger blob without reading it
                download = await self._blob(container, name).download_blob(0, max_bytes + 1)
            except ResourceNotFoundError:
                return None
            except HttpResponseError as error:
                if error.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                    return b""  # an empty blob has no range at all
                raise
            content: bytes = await download.readall()
        if len(content) > max_bytes:
            raise LimitExceeded(f"Blob '{name}' has more than {max_bytes} bytes.", target=name)
        return content

    async def write(self, container: Container, name: str, content: bytes) -> None:
        """See the port."""
        async with translated():
            await self._blob(container, name).upload_blob(content, overwrite=True)

    async def metadata(self, container: Container, name: str) -> Mapping[str, str] | None:
        """See the port."""
        from azure.core.exceptions import ResourceNotFoundError

        async with translated():
            try:
                properties = await self._blob(container, name).get_blob_properties()
            except ResourceNotFoundError:
                return None
            facts = {"size": str(properties.size), "etag": str(properties.etag)}
            return {**(properties.metadata or {}), **facts}

    async def touch(self, container: Container, name: str) -> bool:
        """See the port."""
        from azure.core.exceptions import ResourceNotFoundError

        blob = self._blob(container, name)
        async with translated():
            try:
                properties = await blob.get_blob_properties()
                await blob.set_blob_metadata(properties.metadata)
            except ResourceNotFoundError:
                return False
            return True

    async def delete(self, container: Container, name: str, etag: str) -> None:
        """See the port."""
        from azure.core import MatchConditions
        from azure.core.exceptions import ResourceModifiedError, ResourceNotFoundError

        async with translated():
            try:
                await self._blob(container, name).delete_blob(
                    etag=etag, match_condition=MatchConditions.IfNotModified
                )
            except (ResourceNotFoundError, ResourceModifiedError):
                return

    def open_write(self, container: Container, name: str) -> BlockBlobSink:
        """See the port."""
        return BlockBlobSink(self._blob(container, name))

    async def stream(self, container: Container, name: str) -> AsyncGenerator[bytes]:
        """See the port."""
        from azure.core.exceptions import ResourceNotFoundError

        async with translated():
            try:
                download = await self._blob(container, name).download_blob()
            except ResourceNotFoundError:
                raise NotFound(f"Blob '{name}' does not exist.", target=name) from None
            async for chunk in download.chunks():
                yield chunk

    async def download(self, container: Container, name: str, path: Path) -> None:
        """See the port."""
        with path.open("wb") as file:
            async for chunk in self.stream(container, name):
                await asyncio.to_thread(file.write, chunk)

    async def copy(self, source: tuple[Container, str], target: tuple[Container, str]) -> None:
        """See the port."""
        link = await self.link(*source, source[1].rpartition("/")[2])
        blob = self._blob(*target)
        async with translated():
            state = await blob.start_copy_from_url(link)
            status: str | None = str(state["copy_status"])
            while status == "pending":
                await asyncio.sleep(_COPY_POLL_SECONDS)
                status = (await blob.get_blob_properties()).copy.status
        if status != "success":
            raise DependencyFailed(f"Copying '{source[1]}' ended as '{status}'.")

    async def delete_all(self, container: Container, prefix: str) -> None:
        """See the port."""
        client = self._accounts.blobs.get_container_client(container)
        async with translated():
            names = [name async for name in client.list_blob_names(name_starts_with=prefix)]
        await asyncio.gather(*(self._delete(container, name) for name in names))

    async def _delete(self, container: Container, name: str) -> None:
        from azure.core.exceptions import ResourceNotFoundError

        async with translated():
            try:
                await self._blob(container, name).delete_blob()
            except ResourceNotFoundError:
                return

    async def link(self, container: Container, name: str, filename: str) -> str:
        """See the port."""
        from azure.storage.blob import BlobSasPermissions, generate_blob_sas

        service = self._accounts.blobs
        # rounded, so that devices of one run share a link and an unchanged twin stays unchanged
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        start, expiry = now - _CLOCK_SKEW, now + self._link_life
        key = getattr(service.credential, "account_key", None)
        async with translated():
            delegation = None if key else await service.get_user_delegation_key(start, expiry)
            token = generate_blob_sas(
                account_name=service.account_name or "",
                container_name=container,
                blob_name=name,
                account_key=key,
                user_delegation_key=delegation,
                permission=BlobSasPermissions(read=True),
                start=start,
                expiry=expiry,
                content_disposition=f'attachment; filename="{filename}"',
            )
        return f"{self._blob(container, name).url}?{token}"

    async def upload_link(self, container: Container, hours: float) -> str:
        """See the port."""
        from azure.storage.blob import ContainerSasPermissions, generate_container_sas

        service = self._accounts.blobs
        now = datetime.now(UTC)
        start, expiry = now - _CLOCK_SKEW, now + timedelta(hours=hours)
        key = getattr(service.credential, "account_key", None)
        async with translated():
            delegation = None if key else await service.get_user_delegation_key(start, expiry)
            token = generate_container_sas(
                account_name=service.account_name or "",
                container_name=container,
                account_key=key,
                user_delegation_key=delegation,
                permission=ContainerSasPermissions(write=True, create=True),
                start=start,
                expiry=expiry,
            )
        return f"{service.get_container_client(container).url}?{token}"

    def address(self, container: Container, name: str) -> str:
        """See the port."""
        return str(self._blob(container, name).url)


class BlockBlobSink:
    """Implements `ports.BlobSink` with blocks: memory stays at two of them, whatever the size."""

    def __init__(self, blob: BlobClient) -> None:
        self._blob = blob
        self._buffer = bytearray()
        self._blocks: list[str] = []
        self._upload: asyncio.Task[None] | None = None

    async def write(self, chunk: bytes) -> None:
        """See the port."""
        self._buffer += chunk
        while len(self._buffer) >= _BLOCK_BYTES:
            block = bytes(self._buffer[:_BLOCK_BYTES])
            del self._buffer[:_BLOCK_BYTES]
            await self._stage(block)

    async def commit(self, metadata: Mapping[str, str]) -> None:
        """See the port."""
        from azure.storage.blob import BlobBlock

        if self._buffer:
            await self._stage(bytes(self._buffer))
            self._buffer.clear()
        await self._settled()
        async with translated():
            await self._blob.commit_block_list(
                [BlobBlock(block_id=block) for block in self._blocks], metadata=dict(metadata)
            )

    async def _stage(self, block: bytes) -> None:
        """Upload a block while the next one is being read."""
        await self._settled()
        identity = base64.b64encode(f"{len(self._blocks):08d}".encode()).decode()
        self._blocks.append(identity)
        self._upload = asyncio.create_task(self._put(identity, block))

    async def _put(self, identity: str, block: bytes) -> None:
        async with translated():
            await self._blob.stage_block(identity, block, length=len(block))

    async def _settled(self) -> None:
        if self._upload is not None:
            await self._upload
            self._upload = None
