"""What an import has at hand that goes through all its stages in one message.

Its stages see the storage through these: what the same import has just written there is not read
back, and its row is not written for progress alone more than once a second. Everything that counts
is in the storage all the same, guarded as ever, so that a crash at any moment loses nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared.domain.errors import ConcurrentUpdate
from shared.domain.operation import Operation, Stage
from shared.ports import Blobs, BlobSink, Operations, Staged, Stored
from shared.topology import Container

_SECONDS_BETWEEN_WRITES = 1.0

type _Place = tuple[Container, str]


@dataclass(slots=True)
class OperationAtHand:
    """Stands for `ports.Operations` where one operation alone is worked on."""

    operations: Operations
    _known: Stored[Operation] | None = field(default=None, init=False)
    _written: Operation | None = field(default=None, init=False)
    _written_at: float = field(default=0.0, init=False)

    async def get(self, instance: str, operation_id: str) -> Stored[Operation] | None:
        """See the port."""
        if self._known is None:
            self._known = await self.operations.get(instance, operation_id)
            self._written = self._known.value if self._known else None
        return self._known

    async def save(self, instance: str, operation: Operation, etag: str) -> str:
        """See the port; what is mere progress may be written later."""
        if self._may_wait(operation):
            self._known = Stored(operation, etag)
            return etag
        return await self._write(instance, operation, etag)

    async def settle(self, instance: str) -> None:
        """Write what has waited; nothing where a newer try has taken over."""
        if self._known is not None and self._known.value != self._written:
            try:
                await self._write(instance, self._known.value, self._known.etag)
            except ConcurrentUpdate:
                return

    async def _write(self, instance: str, operation: Operation, etag: str) -> str:
        try:
            fresh = await self.operations.save(instance, operation, etag)
        except BaseException:
            self._known = None  # the storage knows better
            raise
        self._known, self._written = Stored(operation, fresh), operation
        self._written_at = time.monotonic()
        return fresh

    def _may_wait(self, operation: Operation) -> bool:
        """Whether nobody has to know: no new turn, no end, no failure, and all that recently.

        That publishing comes next is written when it begins.
        """
        before = self._written
        if before is None or time.monotonic() - self._written_at >= _SECONDS_BETWEEN_WRITES:
            return False
        is_next = operation.stage is Stage.PUBLISH and operation.tries == 0
        return (
            (operation.turn == before.turn or is_next)
            and operation.status is before.status
            and operation.last_error == before.last_error
            and operation.missing == before.missing
            and operation.missing_updates == before.missing_updates
            and operation.sources == before.sources
        )


class BlobsAtHand:
    """Stands for `ports.Blobs` where the blobs of one import alone are worked on.

    Args:
        blobs: The storage.
        prefix: Of the import's names in quarantine.
        most_bytes: How much content is held at most.
        is_first: Nothing of the import is in quarantine yet: no try came before.
    """

    def __init__(self, blobs: Blobs, prefix: str, *, most_bytes: int, is_first: bool) -> None:
        self._blobs = blobs
        self._prefix = prefix
        self._room = most_bytes
        self._is_first = is_first
        self._contents: dict[_Place, bytes] = {}
        self._facts: dict[_Place, Mapping[str, str]] = {}
        self._begun: set[_Place] = set()
        """Blobs that were written, or begun to be."""

    def __getattr__(self, name: str) -> Any:
        """Everything else is the storage's."""
        return getattr(self._blobs, name)

    async def read(
        self, container: Container, name: str, *, max_bytes: int = 1 << 20
    ) -> bytes | None:
        """See the port."""
        place = (container, name)
        if place in self._contents and len(self._contents[place]) <= max_bytes:
            return self._contents[place]
        if self._is_absent(place):
            return None
        return await self._blobs.read(container, name, max_bytes=max_bytes)

    async def write(
        self,
        container: Container,
        name: str,
        content: bytes,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        """See the port."""
        self._begun.add((container, name))
        etag = await self._blobs.write(container, name, content, metadata)
        if container == "quarantine":
            self._contents[container, name] = content
        return etag

    async def metadata(self, container: Container, name: str) -> Mapping[str, str] | None:
        """See the port."""
        place = (container, name)
        if place in self._facts:
            return self._facts[place]
        return None if self._is_absent(place) else await self._blobs.metadata(container, name)

    def open_write(self, container: Container, name: str, staged: Staged | None = None) -> BlobSink:
        """See the port."""
        self._begun.add((container, name))
        sink = self._blobs.open_write(container, name, staged)
        return sink if staged else _HoldingSink(self, (container, name), sink)

    async def stage_copy(self, url: str, etag: str, container: Container, name: str) -> None:
        """See the port."""
        self._begun.add((container, name))
        await self._blobs.stage_copy(url, etag, container, name)

    async def stream(self, container: Container, name: str) -> AsyncGenerator[bytes]:
        """See the port."""
        if (container, name) in self._facts:
            yield self._contents[container, name]
            return
        async for piece in self._blobs.stream(container, name):
            yield piece

    async def download(self, container: Container, name: str, path: Path) -> str:
        """See the port."""
        place = (container, name)
        if place not in self._facts:
            return await self._blobs.download(container, name, path)
        await asyncio.to_thread(path.write_bytes, self._contents[place])
        return self._facts[place]["etag"]

    async def touch(self, container: Container, name: str) -> bool:
        """See the port; content at hand is written again, whether it is still there or not."""
        if container == "content":
            if (container, name) in self._facts:
                await self._put((container, name), (container, name))
                return True
            digest = name.rpartition("/")[2]
            if any(facts["sha256"] == digest for facts in self._facts.values()):
                return False  # it is at hand: to write it costs no more than to look
        return await self._blobs.touch(container, name)

    async def copy(self, source: _Place, target: _Place, *, etag: str | None = None) -> None:
        """See the port; what is at hand is written instead: it is what the ETag stood for."""
        facts = self._facts.get(source)
        if facts is None or etag not in (None, facts["etag"]):
            await self._blobs.copy(source, target, etag=etag)
        else:
            await self._put(source, target)

    async def _put(self, source: _Place, target: _Place) -> None:
        content, facts = self._contents[source], self._facts[source]
        # at once: what a crash leaves half written would be taken for the content
        etag = await self._blobs.write(*target, content, {"sha256": facts["sha256"]})
        self._contents[target], self._facts[target] = content, {**facts, "etag": etag}

    def hold(self, place: _Place, content: bytes, facts: Mapping[str, str]) -> None:
        """Keep what was just written, if there is room."""
        if len(content) <= self._room:
            self._room -= len(content)
            self._contents[place], self._facts[place] = content, facts

    def has_room_for(self, size: int) -> bool:
        """Whether so many bytes more could be held."""
        return size <= self._room

    def _is_absent(self, place: _Place) -> bool:
        is_own = place[0] == "quarantine" and place[1].startswith(self._prefix)
        return self._is_first and is_own and place not in self._begun


class _HoldingSink:
    """A blob being written that is kept once it is whole, as long as it is small."""

    def __init__(self, blobs: BlobsAtHand, place: _Place, sink: BlobSink) -> None:
        self._blobs, self._place, self._sink = blobs, place, sink
        self._pieces: list[bytes] | None = []
        self._size = 0

    @property
    def source(self) -> str | None:
        """See the port."""
        return self._sink.source

    @source.setter
    def source(self, etag: str | None) -> None:
        self._sink.source = etag

    async def write(self, chunk: bytes) -> None:
        """See the port."""
        self._size += len(chunk)
        if self._pieces is not None and self._blobs.has_room_for(self._size):
            self._pieces.append(chunk)
        else:
            self._pieces = None
        await self._sink.write(chunk)

    async def commit(self, metadata: Mapping[str, str]) -> str:
        """See the port."""
        etag = await self._sink.commit(metadata)
        if self._pieces is not None:
            facts = {**metadata, "size": str(self._size), "etag": etag}
            self._blobs.hold(self._place, b"".join(self._pieces), facts)
        return etag

    async def close(self) -> None:
        """See the port."""
        await self._sink.close()
