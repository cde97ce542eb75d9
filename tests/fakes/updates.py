"""Operations, updates, verdicts and signatures in memory."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import (
    Mapping,
    Sequence,
)

from shared.domain.errors import ConcurrentUpdate, DependencyFailed
from shared.domain.operation import Operation
from shared.domain.scanning.scan import Verdict
from shared.domain.updates.keyring import SignatureRecord
from shared.domain.updates.update import Update
from shared.domain.updates.update_id import Family, UpdateId
from shared.ports import (
    JudgedContent,
    Page,
    Stored,
)
from tests.fakes.rows import Rows, page_of, row_key


class MemoryOperations:
    def __init__(self, page_size: int = 100) -> None:
        self._rows = Rows[tuple[str, str], Operation]()
        self._page_size = page_size

    async def add(self, instance: str, operation: Operation) -> bool:
        await asyncio.sleep(0)
        return self._rows.insert((instance, operation.operation_id), operation)

    async def get(self, instance: str, operation_id: str) -> Stored[Operation] | None:
        await asyncio.sleep(0)
        return self._rows.get((instance, operation_id))

    async def save(self, instance: str, operation: Operation, etag: str) -> str:
        await asyncio.sleep(0)
        return self._rows.replace((instance, operation.operation_id), operation, etag)

    async def list(
        self,
        instance: str,
        token: str | None,
        *,
        size: int = 100,
        kind: str | None = None,
        is_running: bool = False,
        is_unsettled: bool = False,
        newer_than: str | None = None,
    ) -> Page[Stored[Operation]]:
        await asyncio.sleep(0)
        found = [
            row
            for place, row in sorted(self._rows.items(), key=row_key)
            if place[0] == instance
            and kind in (None, row.value.kind)
            and not (is_running and row.value.is_finished)
            and not (is_unsettled and row.value.is_finished and not row.value.events)
            and (newer_than is None or place[1] < newer_than)
        ]
        return page_of(found, token, min(size, self._page_size))

    async def drop_ended(self, instance: str, *, older_than: str, size: int) -> int:
        old = [
            key
            for key, stored in self._rows.items()
            if key[0] == instance
            and key[1] > older_than
            and stored.value.is_finished
            and not stored.value.events
        ][:size]
        for each in old:
            self._rows.delete(each)
        return len(old)

    async def count_running(self, instance: str, *, newer_than: str, up_to: int) -> int:
        await asyncio.sleep(0)
        running = [
            place
            for place, row in self._rows.items()
            if place[0] == instance and place[1] < newer_than and not row.value.is_finished
        ]
        return min(up_to, len(running))


class MemoryUpdates:
    def __init__(self, page_size: int = 100) -> None:
        self._rows = Rows[tuple[str, UpdateId], Update]()
        self._page_size = page_size

    async def add(self, instance: str, update: Update) -> bool:
        await asyncio.sleep(0)
        return self._rows.insert((instance, update.update_id), update)

    async def get(self, instance: str, update_id: UpdateId) -> Stored[Update] | None:
        await asyncio.sleep(0)
        return self._rows.get((instance, update_id))

    async def list(
        self,
        instance: str,
        *,
        provider: str | None = None,
        name: str | None = None,
        is_deployable: bool | None = None,
        token: str | None = None,
        size: int = 100,
    ) -> Page[Stored[Update]]:
        await asyncio.sleep(0)
        found = [
            row
            for (owner, item), row in sorted(self._rows.items(), key=row_key)
            if owner == instance
            and provider in (None, item.provider)
            and name in (None, item.name)
            and is_deployable in (None, row.value.is_deployable and row.value.recall is None)
        ]
        return page_of(found, token, min(size, self._page_size))

    async def imported(
        self, instance: str, *, provider: str | None = None
    ) -> Sequence[tuple[str, UpdateId]]:
        await asyncio.sleep(0)
        return [
            (row.value.imported_at, item)
            for (owner, item), row in self._rows.items()
            if owner == instance and provider in (None, item.provider)
        ]

    async def names(
        self, instance: str, provider: str | None = None, *, after: str | None, size: int
    ) -> Sequence[str]:
        await asyncio.sleep(0)
        ids = [item for (owner, item), _ in self._rows.items() if owner == instance]
        found = {
            item.provider if provider is None else item.name
            for item in ids
            if provider in (None, item.provider)
        }
        return sorted(name for name in found if after is None or name > after)[:size]

    async def versions(
        self,
        instance: str,
        provider: str,
        name: str,
        *,
        is_deployable: bool | None = None,
        token: str | None = None,
        size: int = 100,
    ) -> Page[str]:
        page = await self.list(
            instance,
            provider=provider,
            name=name,
            is_deployable=is_deployable,
            token=token,
            size=size,
        )
        return Page([row.value.update_id.version for row in page.items], page.token)

    async def save(self, instance: str, update: Update, etag: str) -> str:
        await asyncio.sleep(0)
        return self._rows.replace((instance, update.update_id), update, etag)

    async def delete(self, instance: str, update_id: UpdateId) -> None:
        await asyncio.sleep(0)
        self._rows.delete((instance, update_id))


class MemoryHolders:
    def __init__(self) -> None:
        self._rows = Rows[tuple[str, frozenset[tuple[str, str]]], tuple[Family, ...]]()

    async def of(
        self, instance: str, properties: Mapping[str, str]
    ) -> Stored[tuple[Family, ...]] | None:
        await asyncio.sleep(0)
        return self._rows.get((instance, frozenset(properties.items())))

    async def save(
        self,
        instance: str,
        properties: Mapping[str, str],
        holders: tuple[Family, ...],
        etag: str | None,
    ) -> None:
        await asyncio.sleep(0)
        place = (instance, frozenset(properties.items()))
        self._rows.check(place, etag)
        self._rows.put(place, holders)


class MemoryVerdicts:
    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, bool, str], tuple[Verdict, str]] = {}

    async def on(
        self, instance: str, sha256: str, *, may_be_delta: bool | None = None
    ) -> Sequence[Verdict]:
        await asyncio.sleep(0)
        return [
            verdict
            for place, (verdict, _) in self._rows.items()
            if place[:2] == (instance, _hex(sha256)) and may_be_delta in (None, place[2])
        ]

    async def put(
        self, instance: str, sha256: str, verdict: Verdict, *, may_be_delta: bool, at: str
    ) -> None:
        await asyncio.sleep(0)
        self._rows[instance, _hex(sha256), may_be_delta, verdict.engine] = (verdict, at)

    async def list(self, instance: str, token: str | None = None) -> Page[JudgedContent]:
        await asyncio.sleep(0)
        rows = sorted(self._rows.items())
        found = [JudgedContent(place[1], at) for place, (_, at) in rows if place[0] == instance]
        return page_of(found, token, 2)

    async def forget(self, instance: str, sha256: str) -> None:
        await asyncio.sleep(0)
        for place in [place for place in self._rows if place[:2] == (instance, sha256)]:
            del self._rows[place]


def _hex(sha256: str) -> str:
    return base64.b64decode(sha256).hex()


class MemorySigning:
    """Stands for `Signing` with a keyring whose key never changes."""

    async def sign(self, manifest: str, asked_by: str) -> tuple[str, SignatureRecord]:
        await asyncio.sleep(0)
        digest = base64.b64encode(hashlib.sha256(manifest.encode()).digest()).decode()
        record = SignatureRecord(
            edition=1,
            kid="kid",
            key="key",
            root_key_version=1,
            manifest_sha256=digest,
            signed_at="2024-05-01T00:00:00+00:00",
            asked_by=asked_by,
        )
        return f"signature of {digest}", record

    async def renew(
        self, instance: str, update_id: UpdateId, *, signed_by: int | None = None
    ) -> bool:
        await asyncio.sleep(0)
        return False


class MemoryAcceptedPackages:
    def __init__(self) -> None:
        self.rows: Rows[str, str] = Rows()

    async def get(self) -> Stored[str] | None:
        await asyncio.sleep(0)
        return self.rows.get("")

    async def save(self, package: str, etag: str | None) -> None:
        await asyncio.sleep(0)
        if etag is not None:
            self.rows.replace("", package, etag)
        elif not self.rows.insert("", package):
            raise ConcurrentUpdate("Another process was the first.")


class MemorySealer:
    def seal(self, text: str) -> str:
        return "sealed:" + base64.b64encode(text.encode()).decode()

    def unseal(self, sealed: str) -> str:
        if not sealed.startswith("sealed:"):
            raise DependencyFailed("It was not sealed here.", retryable=False)
        return base64.b64decode(sealed.removeprefix("sealed:")).decode()
