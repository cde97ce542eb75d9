"""Sources of imports in memory."""

from __future__ import annotations

import asyncio
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
)

from shared.domain.errors import (
    DependencyFailed,
    DeviceUpdateError,
)


class MemoryStream:
    """The pieces of a source, with its ETag."""

    def __init__(self, pieces: AsyncGenerator[bytes], etag: str | None) -> None:
        self.etag = etag
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    async def aclose(self) -> None:
        await self._pieces.aclose()


class MemoryFetcher:
    """Sources by URL: their bytes, or the error that reading them ends with."""

    def __init__(self) -> None:
        self.sources: dict[str, bytes | DeviceUpdateError] = {}
        self.etags: dict[str, str] = {}
        self.breaks: dict[str, DeviceUpdateError] = {}
        """Errors that reading a URL ends with once, after its first piece."""
        self.asked: list[tuple[str, int]] = []
        """URLs and offsets that were read from."""

    async def read_small(self, url: str, *, max_bytes: int) -> bytes:
        await asyncio.sleep(0)
        content = self._source(url)
        if len(content) > max_bytes:
            raise DependencyFailed("The source is larger than allowed.", retryable=False)
        return content

    def stream(
        self, url: str, *, size_bytes: int, offset: int = 0, etag: str | None = None
    ) -> MemoryStream:
        return MemoryStream(self._pieces(url, offset, etag), self.etags.get(url))

    async def _pieces(self, url: str, offset: int, etag: str | None) -> AsyncGenerator[bytes]:
        await asyncio.sleep(0)
        content = self._source(url)
        if etag not in (None, self.etags.get(url)):
            raise DependencyFailed("The source has changed.", code="SourceChanged")
        self.asked.append((url, offset))
        for at in range(offset, len(content), 7):
            yield content[at : at + 7]
            failure = self.breaks.pop(url, None)
            if failure is not None:
                raise failure

    def _source(self, url: str) -> bytes:
        source = self.sources.get(url)
        if source is None:
            raise DependencyFailed("The source answered with status 404.", retryable=False)
        if isinstance(source, DeviceUpdateError):
            raise source
        return source
