"""Queues and blobs in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import (
    AsyncGenerator,
    Mapping,
)
from pathlib import Path
from typing import Any, NamedTuple

from shared import messages
from shared.domain.errors import (
    ConcurrentUpdate,
    LimitExceeded,
    NotFound,
)
from shared.ports import (
    BlobFacts,
    Page,
    Staged,
)
from shared.topology import Container, Queue
from tests.fakes.clock import FixedClock
from tests.fakes.rows import etags, page_of

ADDRESS = "https://memory.example/"


class Message(NamedTuple):
    queue: Queue
    body: Mapping[str, Any]
    delay_seconds: float


class MemoryQueues:
    """Remembers messages; `take` hands them out in their order."""

    def __init__(self) -> None:
        self.messages: list[Message] = []

    async def put(self, message: messages.Message, *, delay_seconds: float = 0) -> None:
        await asyncio.sleep(0)
        body = json.loads(messages.encode(message))
        self.messages.append(Message(message.queue, body, delay_seconds))

    def of(self, queue: Queue) -> list[Mapping[str, Any]]:
        return [message.body for message in self.messages if message.queue == queue]

    def take(self) -> list[Message]:
        taken, self.messages = self.messages, []
        return taken


class MemorySink:
    """Keeps what was written when it is closed early, as the storage keeps blocks."""

    def __init__(
        self, blobs: MemoryBlobs, container: Container, name: str, staged: Staged | None
    ) -> None:
        self._blobs, self._place = blobs, (container, name)
        self.source = staged.source if staged else None
        self._content = bytearray()
        if staged is not None:
            self._content += blobs.contents[self._place][0]

    async def write(self, chunk: bytes) -> None:
        await asyncio.sleep(0)
        self._content += chunk
        self._blobs.contents[self._place] = (
            bytes(self._content),
            {"source": self.source or "", **self._blobs.fresh_facts()},
        )

    async def commit(self, metadata: Mapping[str, str]) -> str:
        await asyncio.sleep(0)
        self._blobs.put(*self._place, bytes(self._content), metadata)
        return self._blobs.contents[self._place][1]["etag"]

    async def close(self) -> None:
        await asyncio.sleep(0)


class MemoryBlobs:
    """Remembers blobs and, in `created`, the names of those that were written."""

    def __init__(self, clock: FixedClock | None = None) -> None:
        self._clock = clock or FixedClock()
        self.contents: dict[tuple[Container, str], tuple[bytes, Mapping[str, str]]] = {}
        self.created: list[tuple[Container, str]] = []
        self.link_padding = ""
        """What makes links as long as they are in Azure."""

    def put(
        self,
        container: Container,
        name: str,
        content: bytes,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        facts = {**(metadata or {}), **self.fresh_facts()}
        self.contents[container, name] = (content, facts)
        self.created.append((container, name))

    def fresh_facts(self) -> dict[str, str]:
        return {"etag": f"etag-{next(etags)}", "modified": self._clock.now()}

    def names(self, container: Container) -> list[str]:
        return sorted(name for place, name in self.contents if place == container)

    async def read(
        self, container: Container, name: str, *, max_bytes: int = 1 << 20
    ) -> bytes | None:
        await asyncio.sleep(0)
        content = self.contents.get((container, name), (None, {}))[0]
        if content is not None and len(content) > max_bytes:
            raise LimitExceeded(f"Blob '{name}' has more than {max_bytes} bytes.", target=name)
        return content

    async def write(
        self,
        container: Container,
        name: str,
        content: bytes,
        metadata: Mapping[str, str] | None = None,
    ) -> str:
        await asyncio.sleep(0)
        self.put(container, name, content, metadata)
        return self.contents[container, name][1]["etag"]

    async def write_once(self, container: Container, name: str, content: bytes) -> bool:
        await asyncio.sleep(0)
        if (container, name) in self.contents:
            return False
        self.put(container, name, content)
        return True

    async def metadata(self, container: Container, name: str) -> Mapping[str, str] | None:
        await asyncio.sleep(0)
        if (container, name) not in self.contents:
            return None
        content, metadata = self.contents[container, name]
        return {**metadata, "size": str(len(content))}

    async def touch(self, container: Container, name: str) -> bool:
        await asyncio.sleep(0)
        if (container, name) not in self.contents:
            return False
        content, facts = self.contents[container, name]
        self.contents[container, name] = (content, {**facts, **self.fresh_facts()})
        return True

    async def delete(self, container: Container, name: str, etag: str) -> None:
        await asyncio.sleep(0)
        if self.contents.get((container, name), (b"", {}))[1].get("etag") == etag:
            del self.contents[container, name]

    def open_write(
        self, container: Container, name: str, staged: Staged | None = None
    ) -> MemorySink:
        return MemorySink(self, container, name, staged)

    async def staged(self, container: Container, name: str) -> Staged | None:
        await asyncio.sleep(0)
        content, facts = self.contents.get((container, name), (b"", {}))
        if "source" not in facts:
            return None
        return Staged(len(content), facts["source"] or None, ("block",))

    async def stream(self, container: Container, name: str) -> AsyncGenerator[bytes]:
        await asyncio.sleep(0)
        if (container, name) not in self.contents:
            raise NotFound(f"Blob '{name}' does not exist.", target=name)
        content = self.contents[container, name][0]
        for at in range(0, len(content), 7):
            yield content[at : at + 7]

    async def download(self, container: Container, name: str, path: Path) -> str:
        await asyncio.sleep(0)
        if (container, name) not in self.contents:
            raise NotFound(f"Blob '{name}' does not exist.", target=name)
        content, facts = self.contents[container, name]
        await asyncio.to_thread(path.write_bytes, content)
        return facts["etag"]

    async def copy(
        self,
        source: tuple[Container, str],
        target: tuple[Container, str],
        *,
        etag: str | None = None,
    ) -> None:
        await asyncio.sleep(0)
        if source not in self.contents:
            raise ConcurrentUpdate("The blob is gone.")
        content, facts = self.contents[source]
        if etag not in (None, facts["etag"]):
            raise ConcurrentUpdate("The blob has changed.")
        self.put(*target, content, facts)

    async def stage_copy(self, url: str, etag: str, container: Container, name: str) -> None:
        await asyncio.sleep(0)
        place = url.removeprefix(ADDRESS).partition("?")[0].partition("/")
        content, facts = self.contents.get((place[0], place[2]), (b"", {}))  # type: ignore[arg-type]
        if facts.get("etag") != etag:
            raise ConcurrentUpdate("The blob is gone or has changed.")
        self.put(container, name, content, {"source": etag})

    def is_own(self, url: str) -> bool:
        return url.startswith(ADDRESS)

    async def list(self, container: str, prefix: str, token: str | None = None) -> Page[BlobFacts]:
        await asyncio.sleep(0)
        found = [
            BlobFacts(name, facts["etag"], facts["modified"])
            for (place, name), (_, facts) in sorted(self.contents.items())
            if place == container and name.startswith(prefix)
        ]
        return page_of(found, token, 2)

    async def delete_all(self, container: Container, prefix: str) -> None:
        await asyncio.sleep(0)
        for place in list(self.contents):
            if place[0] == container and place[1].startswith(prefix):
                del self.contents[place]

    async def link(
        self, container: str, name: str, filename: str = "", *, hours: float | None = None
    ) -> str:
        await asyncio.sleep(0)
        lasting = "" if hours is None else f"&hours={hours:g}"
        return f"{ADDRESS}{container}/{name}?filename={filename}{lasting}{self.link_padding}"

    async def upload_link(self, container: str, hours: float) -> str:
        await asyncio.sleep(0)
        return f"{ADDRESS}{container}?hours={hours}"

    async def write_link(self, container: Container, name: str, *, hours: float) -> str:
        return f"https://store/{container}/{name}?write-for={hours}"

    def address(self, container: str, name: str) -> str:
        return f"{ADDRESS}{container}/{name}"
