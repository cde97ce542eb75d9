"""Writes blobs of any size as blocks, and takes up again what an earlier attempt has left.

A blob begins with an empty commit that carries what its source was then, so that nothing is ever
left behind that a listing does not show. Names of blocks hold their number and the attempt that
wrote them: attempts that run at the same time cannot mix their bytes.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from shared.adapters.table import translated
from shared.domain.errors import ConcurrentUpdate
from shared.ports import Staged

if TYPE_CHECKING:
    from azure.storage.blob import BlobBlock
    from azure.storage.blob.aio import BlobClient

BLOCK_BYTES = 8 << 20
PARALLEL_BLOCKS = 2
"""Blocks of one blob on their way while the next is gathered."""
_SOURCE = "source"
_NUMBER_DIGITS = 8


class BlockBlobSink:
    """Implements `ports.BlobSink`: memory stays at three blocks, whatever the size.

    Args:
        blob: Where to write.
        staged: What to go on from.
        block_bytes: Size of all blocks but the last.
    """

    def __init__(
        self, blob: BlobClient, staged: Staged | None = None, block_bytes: int = BLOCK_BYTES
    ) -> None:
        self.source: str | None = staged.source if staged else None
        self._blob = blob
        self._block_bytes = block_bytes
        self._attempt = secrets.token_hex(4)
        self._is_begun = staged is not None
        self._blocks = list(staged.blocks) if staged else []
        self._staged_blocks = len(self._blocks)
        self._pieces: list[bytes] = []
        self._held_bytes = 0
        self._uploads: deque[asyncio.Task[None]] = deque()

    async def write(self, chunk: bytes) -> None:
        """See the port."""
        self._pieces.append(chunk)
        self._held_bytes += len(chunk)
        while self._held_bytes >= self._block_bytes:
            await self._stage(self._take(self._block_bytes))

    async def commit(self, metadata: Mapping[str, str]) -> str:
        """See the port."""
        if not self._is_begun:
            async with translated():
                written = await self._blob.upload_blob(
                    self._take(self._held_bytes), overwrite=True, metadata=dict(metadata)
                )
            return str(written["etag"])
        if self._held_bytes:
            await self._stage(self._take(self._held_bytes))
        await self._room(0)
        if len(self._blocks) > self._staged_blocks:
            return await commit(self._blob, self._blocks, metadata)
        async with translated():
            touched = await self._blob.set_blob_metadata(dict(metadata))
        return str(touched["etag"])

    async def close(self) -> None:
        """See the port."""
        if self._uploads:
            await asyncio.wait(self._uploads)
        for upload in self._uploads:
            if not upload.cancelled():
                upload.exception()  # whoever closes early has an error of its own

    def _take(self, size: int) -> bytes:
        """The first bytes held, copied once; all pieces but the last are among them."""
        beyond = self._held_bytes - size
        rest: list[bytes] = []
        if beyond:
            last = self._pieces[-1]
            self._pieces[-1], rest = last[:-beyond], [last[-beyond:]]
        taken = b"".join(self._pieces)
        self._pieces, self._held_bytes = rest, beyond
        return taken

    async def _stage(self, block: bytes) -> None:
        """Upload a block while the next ones are being read."""
        if not self._is_begun:
            await commit(self._blob, [], source_metadata(self.source))
            self._is_begun = True
        await self._room(PARALLEL_BLOCKS - 1)
        name = f"{len(self._blocks):0{_NUMBER_DIGITS}d}{self._attempt}"
        self._blocks.append(name)
        self._uploads.append(asyncio.create_task(self._put(name, block)))

    async def _put(self, name: str, block: bytes) -> None:
        async with translated():
            await self._blob.stage_block(name, block, length=len(block))

    async def _room(self, most: int) -> None:
        """Wait until at most so many blocks are on their way."""
        while len(self._uploads) > most:
            await self._uploads[0]
            self._uploads.popleft()


async def commit(blob: BlobClient, names: Sequence[str], metadata: Mapping[str, str]) -> str:
    """Make a blob of blocks; its ETag.

    Raises:
        ConcurrentUpdate: Another attempt has discarded some of them.
    """
    from azure.core.exceptions import HttpResponseError
    from azure.storage.blob import BlobBlock, StorageErrorCode

    blocks = [BlobBlock(block_id=name) for name in names]
    async with translated():
        try:
            written = await blob.commit_block_list(blocks, metadata=dict(metadata))
        except HttpResponseError as error:
            if getattr(error, "error_code", None) != StorageErrorCode.INVALID_BLOCK_LIST:
                raise
            raise ConcurrentUpdate("Another attempt writes the same blob.") from error
    return str(written["etag"])


async def read_staged(blob: BlobClient) -> Staged | None:
    """What an earlier attempt has written; its blocks are committed, so that they can be read.

    None if there is nothing to go on from.
    """
    from azure.core.exceptions import ResourceNotFoundError

    async with translated():
        try:
            properties = await blob.get_blob_properties()
            committed, uncommitted = await blob.get_block_list("all")
        except ResourceNotFoundError:
            return None
    metadata = properties.metadata or {}
    if _SOURCE not in metadata:
        return None
    size = int(properties.size)
    names = [str(block.id) for block in committed]
    added = _following(len(names), uncommitted)
    if added:
        names += [str(block.id) for block in added]
        size += sum(int(block.size or 0) for block in added)
        await commit(blob, names, metadata)
    return Staged(size, source_of(metadata), tuple(names))


def source_metadata(source: str | None) -> dict[str, str]:
    """Metadata that says which version of its source a blob is being made from."""
    return {_SOURCE: base64.urlsafe_b64encode((source or "").encode()).decode()}


def source_of(metadata: Mapping[str, str]) -> str | None:
    """What `source_metadata` has written."""
    return base64.urlsafe_b64decode(metadata[_SOURCE]).decode() or None


def _following(first: int, blocks: Sequence[BlobBlock]) -> list[BlobBlock]:
    """Blocks from a number on without a gap; of those with the same number, any."""
    by_number = {str(block.id)[:_NUMBER_DIGITS]: block for block in blocks}
    found: list[BlobBlock] = []
    while block := by_number.get(f"{first + len(found):0{_NUMBER_DIGITS}d}"):
        found.append(block)
    return found
