"""The blob containers of the content account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.adapters.block_blob import (
    BLOCK_BYTES,
    BlockBlobSink,
    read_staged,
    source_metadata,
)
from shared.adapters.storage import StorageAccounts
from shared.adapters.table import translated
from shared.domain.errors import DependencyFailed, LimitExceeded, NotFound
from shared.domain.instant import instant
from shared.ports import BlobFacts, Page, Staged
from shared.topology import Container

if TYPE_CHECKING:
    from azure.storage.blob import BlobProperties, UserDelegationKey
    from azure.storage.blob.aio import BlobClient

_COPY_POLL_SECONDS = 0.2
_COPY_SECONDS = 600.0
"""Longest wait for a copy within the account; a later try begins it anew."""
_DELEGATION_LIFE = timedelta(days=6)
_PAGE = 500
_PARALLEL_RANGES = 4
"""Ranges of a large blob that a download to a file has on their way: each is held in memory."""
_CLOCK_SKEW = timedelta(minutes=5)


class AzureBlobs:
    """Implements `ports.Blobs`.

    Args:
        accounts: The storage accounts.
        link_hours: How long the links for devices work; a user delegation key allows 7 days.
        block_bytes: Size of the blocks that large blobs are written in.
    """

    def __init__(
        self, accounts: StorageAccounts, link_hours: float, block_bytes: int = BLOCK_BYTES
    ) -> None:
        self._accounts = accounts
        self._link_life = timedelta(hours=link_hours)
        self._block_bytes = block_bytes
        self._delegation: tuple[datetime, datetime, UserDelegationKey] | None = None
        self._asking = asyncio.Lock()

    def _blob(self, container: str, name: str) -> BlobClient:
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

    async def write(
        self,
        container: Container,
        name: str,
        content: bytes,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """See the port."""
        facts = dict(metadata) if metadata else None
        async with translated():
            written = await self._blob(container, name).upload_blob(
                content, overwrite=True, metadata=facts
            )
        return str(written["etag"])

    async def write_once(self, container: Container, name: str, content: bytes) -> bool:
        """See the port."""
        from azure.core.exceptions import ResourceExistsError

        async with translated():
            try:
                await self._blob(container, name).upload_blob(content, overwrite=False)
            except ResourceExistsError:
                return False
            return True

    async def metadata(self, container: Container, name: str) -> Mapping[str, str] | None:
        """See the port."""
        from azure.core.exceptions import ResourceNotFoundError

        async with translated():
            try:
                properties = await self._blob(container, name).get_blob_properties()
            except ResourceNotFoundError:
                return None
            if not _is_whole(properties):
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
                if not _is_whole(properties):
                    return False
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

    def open_write(
        self, container: Container, name: str, staged: Staged | None = None
    ) -> BlockBlobSink:
        """See the port."""
        return BlockBlobSink(self._blob(container, name), staged, self._block_bytes)

    async def staged(self, container: Container, name: str) -> Staged | None:
        """See the port."""
        return await read_staged(self._blob(container, name))

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

    async def download(self, container: Container, name: str, path: Path) -> str:
        """See the port."""
        from azure.core.exceptions import ResourceNotFoundError

        async with translated():
            try:
                download = await self._blob(container, name).download_blob(
                    max_concurrency=_PARALLEL_RANGES
                )
            except ResourceNotFoundError:
                raise NotFound(f"Blob '{name}' does not exist.", target=name) from None
            # the SDK asks for every further range of this very version
            with path.open("wb") as file:
                await download.readinto(file)
        return str(download.properties.etag)

    async def copy(
        self,
        source: tuple[Container, str],
        target: tuple[Container, str],
        *,
        etag: str | None = None,
    ) -> None:
        """See the port."""
        link = await self.link(*source)
        await self._copy(link, etag, self._blob(*target))

    async def stage_copy(self, url: str, etag: str, container: Container, name: str) -> None:
        """See the port."""
        await self._copy(url, etag, self._blob(container, name), source_metadata(etag))

    def is_own(self, url: str) -> bool:
        """See the port."""
        account = self._accounts.blobs.primary_endpoint.rstrip("/") + "/"
        return url.startswith(account)

    async def _copy(
        self, url: str, etag: str | None, blob: BlobClient, metadata: dict[str, str] | None = None
    ) -> None:
        from azure.core import MatchConditions

        unchanged: dict[str, Any] = (
            {"source_etag": etag, "source_match_condition": MatchConditions.IfNotModified}
            if etag
            else {}
        )
        async with translated():
            state = await blob.start_copy_from_url(url, metadata=metadata, **unchanged)
            status: str | None = str(state["copy_status"])
            deadline = asyncio.get_running_loop().time() + _COPY_SECONDS
            while status == "pending" and asyncio.get_running_loop().time() < deadline:
                await asyncio.sleep(_COPY_POLL_SECONDS)
                status = (await blob.get_blob_properties()).copy.status
            if status == "pending":
                await blob.abort_copy(str(state["copy_id"]))
        if status != "success":
            raise DependencyFailed(f"Copying to '{blob.blob_name}' ended as '{status}'.")

    async def list(self, container: str, prefix: str, token: str | None = None) -> Page[BlobFacts]:
        """See the port."""
        client = self._accounts.blobs.get_container_client(container)
        listing = client.list_blobs(name_starts_with=prefix, results_per_page=_PAGE)
        pages = listing.by_page(continuation_token=token)
        async with translated():
            async for page in pages:
                items = [
                    BlobFacts(item.name, f'"{item.etag}"', instant(item.last_modified.isoformat()))
                    async for item in page
                    if item.last_modified is not None
                ]
                return Page(items, getattr(pages, "continuation_token", None) or None)
        return Page([])

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

    async def link(
        self, container: str, name: str, filename: str = "", *, hours: float | None = None
    ) -> str:
        """See the port."""
        from azure.storage.blob import BlobSasPermissions, generate_blob_sas

        # rounded, so that devices of one run share a link and an unchanged twin stays unchanged
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        life = self._link_life if hours is None else timedelta(hours=hours + 1)
        signing = await self._signing(now - _CLOCK_SKEW, now + life)
        token = generate_blob_sas(
            container_name=container,
            blob_name=name,
            permission=BlobSasPermissions(read=True),
            content_disposition=f'attachment; filename="{filename}"' if filename else None,
            **signing,
        )
        return f"{self._blob(container, name).url}?{token}"

    async def _signing(self, start: datetime, expiry: datetime) -> dict[str, Any]:
        """What a link ends at and is signed by: the account's key, or one that it delegates."""
        service = self._accounts.blobs
        key = getattr(service.credential, "account_key", None)
        async with translated():
            delegation = None if key else await self._delegation_key(start, expiry)
        return {
            "account_name": service.account_name or "",
            "account_key": key,
            "user_delegation_key": delegation,
            "expiry": expiry,
        }

    async def _delegation_key(self, start: datetime, expiry: datetime) -> UserDelegationKey:
        """A key that signs links of this time; one request to the storage serves many links."""
        async with self._asking:
            known = self._delegation
            if known is None or start < known[0] or known[1] < expiry:
                until = max(expiry, start + _DELEGATION_LIFE)
                key = await self._accounts.blobs.get_user_delegation_key(start, until)
                known = self._delegation = (start, until, key)
            return known[2]

    async def upload_link(self, container: str, hours: float) -> str:
        """See the port."""
        from azure.storage.blob import ContainerSasPermissions, generate_container_sas

        now = datetime.now(UTC)
        start = now - _CLOCK_SKEW
        token = generate_container_sas(
            container_name=container,
            permission=ContainerSasPermissions(write=True, create=True),
            start=start,
            **await self._signing(start, now + timedelta(hours=hours)),
        )
        return f"{self._accounts.blobs.get_container_client(container).url}?{token}"

    async def write_link(self, container: Container, name: str, *, hours: float) -> str:
        """See the port."""
        from azure.storage.blob import BlobSasPermissions, generate_blob_sas

        now = datetime.now(UTC)
        start = now - _CLOCK_SKEW
        token = generate_blob_sas(
            container_name=container,
            blob_name=name,
            permission=BlobSasPermissions(create=True, write=True),
            start=start,
            **await self._signing(start, now + timedelta(hours=hours)),
        )
        return f"{self._blob(container, name).url}?{token}"

    def address(self, container: str, name: str) -> str:
        """See the port."""
        return str(self._accounts.blobs.get_blob_client(container, name).url)


def _is_whole(properties: BlobProperties) -> bool:
    """Whether a blob has its content: the target of a copy is there from the copy's start on."""
    return properties.copy.status in (None, "success")
