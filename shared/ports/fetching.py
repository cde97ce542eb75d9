"""What publishers link to."""

from __future__ import annotations

from typing import Protocol

from shared.ports.common import ByteStream


class SourceBytes(ByteStream, Protocol):
    """What a publisher's URL gives; its ETag is known with the first piece."""

    @property
    def etag(self) -> str | None: ...


class Fetcher(Protocol):
    """Reads what publishers link to."""

    async def read_small(self, url: str, *, max_bytes: int) -> bytes: ...

    def stream(
        self, url: str, *, size_bytes: int, offset: int = 0, etag: str | None = None
    ) -> SourceBytes: ...
