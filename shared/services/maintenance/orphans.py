"""Removes blobs that nothing needs any more: what crashes and failed imports have left behind.

One page of a container at a time; the next sweep of it goes on with the next page. Whatever an
import that still runs may need stays.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.ports import BlobFacts, Blobs, Clock, Updates, Verdicts
from shared.services.imports.operation import Imports
from shared.services.paging import every
from shared.topology import Container, quarantine_prefix

CONTENT_MARGIN = timedelta(days=1)
"""How long content may lie there before its update is published."""
VERDICT_MARGIN = timedelta(days=30)
"""How long a verdict is kept on content that is not published."""
_CONTENT_NAME = re.compile(r"[^/]+/[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Removed:
    """What a sweep has removed: imports with leftovers in quarantine, and blobs of content."""

    quarantined: int = 0
    content: int = 0

    def __add__(self, other: Removed) -> Removed:
        return Removed(self.quarantined + other.quarantined, self.content + other.content)


@dataclass(slots=True)
class Orphans:
    """Looks through quarantine and content."""

    imports: Imports
    updates: Updates
    blobs: Blobs
    verdicts: Verdicts
    clock: Clock
    _next: dict[tuple[str, str], str | None] = field(default_factory=dict, init=False)

    async def sweep(self, instance: str) -> Removed:
        """Look at the next page of quarantine, and of verdicts."""
        quarantined = await self._page(instance, "quarantine")
        await self._sweep_verdicts(instance)
        return Removed(quarantined=await self._sweep_quarantine(instance, quarantined))

    async def sweep_content(self, instance: str) -> Removed:
        """Look at the next page of content, which may mean to read all updates."""
        content = await self._page(instance, "content")
        return Removed(content=await self._sweep_content(instance, content))

    async def _page(self, instance: str, container: Container) -> Sequence[BlobFacts]:
        place = (instance, container)
        page = await self.blobs.list(container, f"{instance}/", self._next.get(place))
        self._next[place] = page.token
        return page.items

    async def _sweep_quarantine(self, instance: str, page: Sequence[BlobFacts]) -> int:
        removed = 0
        for identity in dict.fromkeys(item.name.split("/")[1] for item in page):
            # an operation is stored before its first blob, and its end tidies up: an ended one that
            # has blobs was cut short in that
            if await self.imports.unfinished(instance, identity) is None:
                await self.blobs.delete_all("quarantine", quarantine_prefix(instance, identity))
                removed += 1
        return removed

    async def _sweep_content(self, instance: str, page: Sequence[BlobFacts]) -> int:
        now = datetime.fromisoformat(self.clock.now())
        old = [
            item
            for item in page
            if _CONTENT_NAME.fullmatch(item.name)
            and now - datetime.fromisoformat(item.modified_at) > CONTENT_MARGIN
        ]
        if not old:
            return 0
        # read after the ETags: an import that publishes from now on gives its content new ones
        used = await self._used(instance)
        unused = [item for item in old if item.name not in used]
        for item in unused:
            await self.blobs.delete("content", item.name, item.etag)
        return len(unused)

    async def _sweep_verdicts(self, instance: str) -> None:
        """Forget what was said long ago of content that is not there."""
        place = (instance, "verdicts")
        page = await self.verdicts.list(instance, self._next.get(place))
        self._next[place] = page.token
        now = datetime.fromisoformat(self.clock.now())
        for item in page.items:
            is_old = now - datetime.fromisoformat(item.at) > VERDICT_MARGIN
            if is_old and not await self.blobs.metadata("content", f"{instance}/{item.sha256}"):
                await self.verdicts.forget(instance, item.sha256)

    async def _used(self, instance: str) -> set[str]:
        known = every(lambda token: self.updates.list(instance, token=token))
        return {
            f"{instance}/{digest}"
            async for stored in known
            for digest in stored.value.content.values()
        }
