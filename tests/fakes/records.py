"""Log collections, recounts and refusals in memory."""

from __future__ import annotations

import asyncio
from collections.abc import (
    Mapping,
    Sequence,
)

from shared.domain.fleet.log_collection import LogCollection
from shared.domain.fleet.recount import Recounted
from shared.domain.refused_events import Refusal, RefusedEvents
from shared.ports import (
    Page,
    Stored,
)
from tests.fakes.rows import Rows, page_of, row_key


class MemoryLogCollections:
    def __init__(self) -> None:
        self._rows = Rows[tuple[str, str], LogCollection]()

    async def add(self, instance: str, collection: LogCollection) -> bool:
        await asyncio.sleep(0)
        return self._rows.insert((instance, collection.collection_id), collection)

    async def get(self, instance: str, collection_id: str) -> Stored[LogCollection] | None:
        await asyncio.sleep(0)
        return self._rows.get((instance, collection_id))

    async def save(self, instance: str, collection: LogCollection, etag: str) -> None:
        await asyncio.sleep(0)
        self._rows.replace((instance, collection.collection_id), collection, etag)

    async def list(self, instance: str, token: str | None, *, size: int) -> Page[LogCollection]:
        await asyncio.sleep(0)
        rows = sorted(self._rows.items(), key=row_key)
        return page_of([row.value for place, row in rows if place[0] == instance], token, size)

    async def created(self, instance: str) -> Sequence[tuple[str, str]]:
        await asyncio.sleep(0)
        return [
            (row.value.created_at, place[1])
            for place, row in self._rows.items()
            if place[0] == instance
        ]

    async def waiting(self, instance: str) -> Sequence[LogCollection]:
        await asyncio.sleep(0)
        return [row.value for _, row in self._rows.items() if row.value.waiting]


class MemoryRecounts:
    def __init__(self) -> None:
        self._reports: dict[tuple[str, int], Recounted] = {}

    async def save(self, instance: str, report: Recounted) -> None:
        await asyncio.sleep(0)
        self._reports[instance, report.bucket] = report

    async def get(self, instance: str, bucket: int) -> Recounted | None:
        await asyncio.sleep(0)
        return self._reports.get((instance, bucket))

    async def list(self, instance: str) -> Sequence[Recounted]:
        await asyncio.sleep(0)
        return [item for place, item in sorted(self._reports.items()) if place[0] == instance]


class MemoryRefusals:
    def __init__(self) -> None:
        self.counts: dict[Refusal, RefusedEvents] = {}

    async def add(self, counts: Mapping[Refusal, int], at: str) -> None:
        await asyncio.sleep(0)
        for reason, more in counts.items():
            before = self.counts[reason].count if reason in self.counts else 0
            self.counts[reason] = RefusedEvents(reason, before + more, at)

    async def list(self) -> Sequence[RefusedEvents]:
        await asyncio.sleep(0)
        return [self.counts[reason] for reason in sorted(self.counts)]
