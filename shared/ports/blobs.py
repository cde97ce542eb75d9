"""Blob containers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from shared.ports.common import ByteStream, Page
    from shared.topology import Container


@dataclass(frozen=True, slots=True)
class Staged:
    """The beginning of a blob that was never finished.

    `source` is what the sink that wrote it was told of its source; `blocks` is for the storage. A
    blob that came by `stage_copy` has its whole content but need not have blocks to add to.
    """

    size_bytes: int
    source: str | None
    blocks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BlobFacts:
    """A blob as a listing shows it."""

    name: str
    etag: str
    modified_at: str


class BlobSink(Protocol):
    """A blob being written; it is finished with `commit`.

    `source` is the ETag of where the bytes come from, kept for whoever goes on after a crash: to be
    set before the first write.
    """

    source: str | None

    async def write(self, chunk: bytes) -> None:
        """Append bytes."""
        ...

    async def commit(self, metadata: Mapping[str, str]) -> str:
        """Finish the blob; its ETag. Raises ConcurrentUpdate where another attempt began it
        anew.
        """
        ...

    async def close(self) -> None:
        """Stop writing, whether it is finished or not."""
        ...


class Blobs(Protocol):
    """The blob containers."""

    async def read(
        self, container: Container, name: str, *, max_bytes: int = 1 << 20
    ) -> bytes | None:
        """The content of a small blob; None if there is none. Raises LimitExceeded above the
        bound.
        """
        ...

    async def write(
        self,
        container: Container,
        name: str,
        content: bytes,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """Write a small blob, replacing any, all or nothing; its ETag."""
        ...

    async def write_once(self, container: Container, name: str, content: bytes) -> bool:
        """Write a small blob if there is none; False if there is."""
        ...

    async def metadata(self, container: Container, name: str) -> Mapping[str, str] | None:
        """Metadata, `size` and `etag` of a blob; None if there is none."""
        ...

    async def touch(self, container: Container, name: str) -> bool:
        """Give a blob a new ETag; False if there is none."""
        ...

    async def delete(self, container: Container, name: str, etag: str) -> None:
        """Delete a blob, unless it has changed since its ETag was read."""
        ...

    def open_write(self, container: Container, name: str, staged: Staged | None = None) -> BlobSink:
        """Start writing a blob of any size, or go on after what is staged."""
        ...

    async def staged(self, container: Container, name: str) -> Staged | None:
        """What there is of a blob that was begun; from now on it can be read."""
        ...

    def stream(self, container: Container, name: str) -> ByteStream:
        """The content of a blob in pieces. Raises NotFound."""
        ...

    async def download(self, container: Container, name: str, path: Path) -> str:
        """Copy a blob into a file; its ETag. Raises NotFound."""
        ...

    async def copy(
        self,
        source: tuple[Container, str],
        target: tuple[Container, str],
        *,
        etag: str | None = None,
    ) -> None:
        """Copy a blob within the account, metadata included.

        Raises:
            ConcurrentUpdate: It is gone, or no longer what the ETag says.
        """
        ...

    async def stage_copy(self, url: str, etag: str, container: Container, name: str) -> None:
        """Begin a blob with the whole content of another one of this account.

        The URL is used as it is; the caller has made sure that it may be read by whoever gave it.

        Raises:
            ConcurrentUpdate: That blob is gone, or no longer what the ETag says.
        """
        ...

    def is_own(self, url: str) -> bool:
        """Whether a URL is that of a blob of this account."""
        ...

    async def list(self, container: str, prefix: str, token: str | None = None) -> Page[BlobFacts]:
        """Blobs by name."""
        ...

    async def delete_all(self, container: Container, prefix: str) -> None:
        """Delete every blob whose name begins with the prefix."""
        ...

    async def link(
        self, container: str, name: str, filename: str = "", *, hours: float | None = None
    ) -> str:
        """A read-only address of a blob, good for some hours, by default for as long as devices
        may take to download an update. Browsers save it under the file name; devices need none,
        and every byte of a link counts in their twins.
        """
        ...

    async def upload_link(self, container: str, hours: float) -> str:
        """An address of a container with which blobs can be written, not read, for some hours."""
        ...

    async def write_link(self, container: Container, name: str, *, hours: float) -> str:
        """An address with which one blob can be written, not read, for some hours."""
        ...

    def address(self, container: str, name: str) -> str:
        """The address of a blob or of the blobs below a name; it opens nothing by itself."""
        ...
