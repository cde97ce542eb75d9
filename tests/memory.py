"""The ports in memory: small, but honest about ETags, missing things and what survives a crash.

Values are kept as they are, for they are immutable; messages pass through JSON. Every call gives
other tasks a turn, so that races show.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Mapping,
    Sequence,
    Set,
)
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from shared import messages
from shared.domain.domain_event import DomainEvent
from shared.domain.errors import (
    ConcurrentUpdate,
    DependencyFailed,
    DeviceUpdateError,
    InvalidInput,
    LimitExceeded,
    NotFound,
)
from shared.domain.fleet.asking import may_have_past
from shared.domain.fleet.counters import (
    Cell,
    CounterKey,
    Counts,
    History,
    apply,
    contribution,
    difference,
    history_contribution,
    net,
    taken_up,
)
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device import (
    DeviceRecord,
    DeviceState,
    TwinChange,
    view,
)
from shared.domain.fleet.device_class import DeviceClass
from shared.domain.fleet.device_history import Installation
from shared.domain.fleet.health import health_of
from shared.domain.fleet.log_collection import LogCollection
from shared.domain.fleet.recount import Recounted
from shared.domain.fleet.twin_content import kept_content
from shared.domain.operation import Operation
from shared.domain.refused_events import Refusal, RefusedEvents
from shared.domain.rollouts.ledger import LEDGER, has_room, with_booking
from shared.domain.rollouts.selection import rank_of
from shared.domain.rollouts.transition import Transition
from shared.domain.scanning.scan import Knowledge, Verdict
from shared.domain.updates.keyring import SignatureRecord
from shared.domain.updates.update import Update
from shared.domain.updates.update_id import Family, UpdateId
from shared.ports import (
    BlobFacts,
    Correction,
    DeviceQuery,
    DeviceWrite,
    DueQuery,
    JudgedContent,
    KnownClass,
    KnownGroup,
    LastRollup,
    Page,
    Rollup,
    Sample,
    Staged,
    Stored,
    TwinSource,
)
from shared.topology import Container, Queue

CLEAN = Verdict("clean", "memory", "1", "1")
_etags = count(1)
_ADDRESS = "https://memory.example/"


class FixedClock:
    """A clock that moves on by a step each time it is looked at."""

    def __init__(self, start: str = "2024-05-01T12:00:00+00:00", step_seconds: float = 0.001):
        self._now = datetime.fromisoformat(start)
        self._step = timedelta(seconds=step_seconds)
        self._ids = count(1)

    def now(self) -> str:
        self._now += self._step
        return self._now.isoformat(timespec="microseconds")

    def fresh_id(self) -> str:
        return f"{next(self._ids):032x}"

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)


class Rows[K, V]:
    """Values with ETags."""

    def __init__(self) -> None:
        self._rows: dict[K, Stored[V]] = {}

    def near(self, *place: Any) -> list[tuple[K, Stored[V]]]:
        """The rows whose key begins with a place."""
        many = len(place)
        return [(key, row) for key, row in self._rows.items() if key[:many] == place]  # type: ignore[index]

    def get(self, key: K) -> Stored[V] | None:
        return self._rows.get(key)

    def insert(self, key: K, value: V) -> bool:
        if key in self._rows:
            return False
        self.put(key, value)
        return True

    def put(self, key: K, value: V) -> Stored[V]:
        self._rows[key] = Stored(value, f"etag-{next(_etags)}")
        return self._rows[key]

    def check(self, key: K, etag: str | None) -> None:
        known = self._rows.get(key)
        if (known.etag if known else None) != etag:
            raise ConcurrentUpdate("The row changed meanwhile.")

    def replace(self, key: K, value: V, etag: str) -> str:
        self.check(key, etag)
        return self.put(key, value).etag

    def delete(self, key: K) -> Stored[V] | None:
        return self._rows.pop(key, None)

    def items(self) -> list[tuple[K, Stored[V]]]:
        return list(self._rows.items())


class BucketRows[K, V](Rows[K, V]):
    """Rows whose keys begin with instance and bucket, quickly found by those."""

    def __init__(self) -> None:
        super().__init__()
        self._by_bucket: dict[Any, dict[K, Stored[V]]] = {}

    def near(self, *place: Any) -> list[tuple[K, Stored[V]]]:
        return list(self._by_bucket.get(place, {}).items())

    def put(self, key: K, value: V) -> Stored[V]:
        stored = super().put(key, value)
        self._by_bucket.setdefault(key[:2], {})[key] = stored  # type: ignore[index]
        return stored

    def delete(self, key: K) -> Stored[V] | None:
        self._by_bucket.get(key[:2], {}).pop(key, None)  # type: ignore[index]
        return super().delete(key)


def _page[T](items: Sequence[T], token: str | None, size: int) -> Page[T]:
    try:
        start = int(token or 0)
    except ValueError:
        raise InvalidInput("The page token is not one of ours.", target="token") from None
    end = start + size
    return Page(items[start:end], str(end) if end < len(items) else None)


def _page_after[T](rows: Sequence[tuple[str, T]], token: str | None, size: int) -> Page[T]:
    """A page that begins after a key, whatever rows came and went since the page before."""
    left = [row for row in rows if row[0] > (token or "")]
    return Page([row for _, row in left[:size]], left[size - 1][0] if len(left) > size else None)


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

    async def commit(self, metadata: Mapping[str, str]) -> None:
        await asyncio.sleep(0)
        self._blobs.put(*self._place, bytes(self._content), metadata)

    async def close(self) -> None:
        await asyncio.sleep(0)


class MemoryBlobs:
    """Remembers blobs and, in `created`, the names of those that were written."""

    def __init__(self, clock: FixedClock | None = None) -> None:
        self._clock = clock or FixedClock()
        self.contents: dict[tuple[Container, str], tuple[bytes, Mapping[str, str]]] = {}
        self.created: list[tuple[Container, str]] = []

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
        return {"etag": f"etag-{next(_etags)}", "modified": self._clock.now()}

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

    async def write(self, container: Container, name: str, content: bytes) -> None:
        await asyncio.sleep(0)
        self.put(container, name, content)

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
        place = url.removeprefix(_ADDRESS).partition("?")[0].partition("/")
        content, facts = self.contents.get((place[0], place[2]), (b"", {}))  # type: ignore[arg-type]
        if facts.get("etag") != etag:
            raise ConcurrentUpdate("The blob is gone or has changed.")
        self.put(container, name, content, {"source": etag})

    def is_own(self, url: str) -> bool:
        return url.startswith(_ADDRESS)

    async def list(self, container: str, prefix: str, token: str | None = None) -> Page[BlobFacts]:
        await asyncio.sleep(0)
        found = [
            BlobFacts(name, facts["etag"], facts["modified"])
            for (place, name), (_, facts) in sorted(self.contents.items())
            if place == container and name.startswith(prefix)
        ]
        return _page(found, token, 2)

    async def delete_all(self, container: Container, prefix: str) -> None:
        await asyncio.sleep(0)
        for place in list(self.contents):
            if place[0] == container and place[1].startswith(prefix):
                del self.contents[place]

    async def link(
        self, container: str, name: str, filename: str, *, hours: float | None = None
    ) -> str:
        await asyncio.sleep(0)
        lasting = "" if hours is None else f"&hours={hours:g}"
        return f"{_ADDRESS}{container}/{name}?filename={filename}{lasting}"

    async def upload_link(self, container: str, hours: float) -> str:
        await asyncio.sleep(0)
        return f"{_ADDRESS}{container}?hours={hours}"

    async def write_link(self, container: Container, name: str, *, hours: float) -> str:
        return f"https://store/{container}/{name}?write-for={hours}"

    def address(self, container: str, name: str) -> str:
        return f"{_ADDRESS}{container}/{name}"


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
            for place, row in sorted(self._rows.items(), key=_key)
            if place[0] == instance
            and kind in (None, row.value.kind)
            and not (is_running and row.value.is_finished)
            and not (is_unsettled and row.value.is_finished and not row.value.events)
            and (newer_than is None or place[1] < newer_than)
        ]
        return _page(found, token, min(size, self._page_size))

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
            for (owner, item), row in sorted(self._rows.items(), key=_key)
            if owner == instance
            and provider in (None, item.provider)
            and name in (None, item.name)
            and is_deployable in (None, row.value.is_deployable and row.value.recall is None)
        ]
        return _page(found, token, min(size, self._page_size))

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


def _key(item: tuple[Any, Any]) -> Any:
    return item[0]


LARGEST_ROW = 450_000


class MemoryDevices:
    def __init__(self, page_size: int = 100) -> None:
        self.rows = BucketRows[tuple[str, int, str], DeviceRecord]()
        self._history = BucketRows[tuple[str, int, str, str], History]()
        self.counts_rows = BucketRows[tuple[str, int, CounterKey], Mapping[Cell, int]]()
        self._events: dict[tuple[str, int, str], DomainEvent] = {}
        self._past: dict[tuple[str, int, str, str], Installation] = {}
        self._memory: dict[tuple[str, int, str], Stored[DeviceRecord]] = {}
        self._page_size = page_size

    def of_another_process(self) -> MemoryDevices:
        """The same rows as another process sees them, which remembers others."""
        other = copy(self)
        other._memory = {}
        return other

    def remembered(
        self, instance: str, bucket: int, keys: Iterable[str]
    ) -> Mapping[str, Stored[DeviceRecord]]:
        found = {key: self._memory.get((instance, bucket, key)) for key in keys}
        return {key: row for key, row in found.items() if row is not None}

    async def load(
        self, instance: str, bucket: int, keys: Sequence[str]
    ) -> Mapping[str, Stored[DeviceRecord]]:
        await asyncio.sleep(0)
        found = {key: self.rows.get((instance, bucket, key)) for key in keys}
        known = {key: row for key, row in found.items() if row is not None}
        self._memory |= {(instance, bucket, key): row for key, row in known.items()}
        return known

    async def commit(
        self, instance: str, bucket: int, writes: Sequence[DeviceWrite]
    ) -> Mapping[str, Stored[DeviceRecord]]:
        await asyncio.sleep(0)
        for write in writes:
            if len(msgspec.json.encode(write.after)) > LARGEST_ROW:
                raise InvalidInput("The row is too large.", target=write.after.key)
        places = [(instance, bucket, write.after.key) for write in writes]
        try:
            for place, write in zip(places, writes, strict=True):
                self.rows.check(place, write.before.etag if write.before else None)
                self._check_revisions(place, write)
            self._check_room(instance, bucket, writes)
        except ConcurrentUpdate:
            for place in places:
                self._memory.pop(place, None)
            raise
        for place, write in zip(places, writes, strict=True):
            self._write(instance, bucket, write)
            self._memory[place] = self.rows.put(place, write.after)
        return {place[2]: self._memory[place] for place in places}

    def _check_room(self, instance: str, bucket: int, writes: Sequence[DeviceWrite]) -> None:
        changes = net(with_booking(write.booking, {}) for write in writes)
        after = {
            place: apply(self._cells((instance, bucket, place)), cells)
            for place, cells in changes.items()
        }
        if not has_room((write.booking for write in writes), after):
            raise ConcurrentUpdate("The roll-out has no room here any more.")

    def _cells(self, place: tuple[str, int, CounterKey]) -> Mapping[Cell, int]:
        known = self.counts_rows.get(place)
        return known.value if known else {}

    def _write(self, instance: str, bucket: int, write: DeviceWrite) -> None:
        before, after = write.before.value if write.before else None, write.after
        workflow_id = taken_up(before, after) or ""
        gone = self._history.delete((instance, bucket, workflow_id, after.key))
        assert gone is None or may_have_past(before, workflow_id), "a history would be overlooked"
        was = contribution(before) if before else {}
        revised = [(item.before.value, item.after) for item in write.revisions]
        gone_value = gone.value if gone else None
        changes = difference(was, contribution(after), write.history, gone_value, revised)
        for place, cells in with_booking(write.booking, changes).items():
            row = (instance, bucket, place)
            known = self.counts_rows.get(row)
            self.counts_rows.put(row, apply(known.value if known else {}, cells))
        made = [*([write.history] if write.history else []), *(new for _, new in revised)]
        for item in made:
            self._history.put((instance, bucket, item.workflow_id, after.key), item)
        for past in write.installations:
            self._past[instance, bucket, after.key, past.position] = past
        for event in write.events:
            self._events[instance, bucket, event.identity] = event

    def _check_revisions(self, place: tuple[str, int, str], write: DeviceWrite) -> None:
        for item in write.revisions:
            known = self._history.get((*place[:2], item.before.value.workflow_id, place[2]))
            if known is None or known.value != item.before.value:
                raise ConcurrentUpdate("The history changed meanwhile.")

    async def of_bucket(
        self, instance: str, bucket: int, *, group: str | None = None, token: str | None = None
    ) -> Page[Stored[DeviceRecord]]:
        await asyncio.sleep(0)
        found = [
            (place[2], row)
            for place, row in sorted(self.rows.near(instance, bucket), key=_key)
            if place[:2] == (instance, bucket)
            and (group is None or _listed_group(row.value) == group)
        ]
        return _page_after(found, token, self._page_size)

    async def find(
        self, instance: str, bucket: int, query: DeviceQuery, *, after: str, size: int
    ) -> Sequence[Stored[DeviceRecord]]:
        await asyncio.sleep(0)
        found = [
            row
            for place, row in sorted(self.rows.near(instance, bucket), key=_key)
            if place[:2] == (instance, bucket) and place[2] > after and _meets(row.value, query)
        ]
        return found[:size]

    async def modules(
        self, instance: str, bucket: int, device_id: str
    ) -> Sequence[Stored[DeviceRecord]]:
        await asyncio.sleep(0)
        return [
            row
            for place, row in self.rows.items()
            if place[:2] == (instance, bucket) and place[2].startswith(device_id + "/")
        ]

    async def history(
        self,
        instance: str,
        bucket: int,
        workflow_id: str,
        *,
        after: str = "",
        size: int | None = None,
    ) -> Sequence[History]:
        await asyncio.sleep(0)
        wanted = (instance, bucket, workflow_id)
        found = [
            item.value
            for place, item in sorted(self._history.near(instance, bucket), key=_key)
            if place[:3] == wanted and place[3] > after
        ]
        return found[:size]

    async def past(
        self, instance: str, bucket: int, workflow_id: str, device: str
    ) -> Stored[History] | None:
        await asyncio.sleep(0)
        return self._history.get((instance, bucket, workflow_id, device))

    async def installations(
        self, instance: str, bucket: int, device: str, *, after: str = "", size: int
    ) -> Sequence[Installation]:
        await asyncio.sleep(0)
        rows = sorted(self._past.items(), key=_key)
        wanted = (instance, bucket, device)
        return [item for place, item in rows if place[:3] == wanted and place[3] > after][:size]

    async def events(self, instance: str, bucket: int, size: int) -> Sequence[DomainEvent]:
        await asyncio.sleep(0)
        rows = sorted(self._events.items(), key=_key)
        return [item for place, item in rows if place[:2] == (instance, bucket)][:size]

    async def forget_events(
        self, instance: str, bucket: int, events: Sequence[DomainEvent]
    ) -> None:
        await asyncio.sleep(0)
        places = [(instance, bucket, item.identity) for item in events]
        if any(place not in self._events for place in places):
            raise ConcurrentUpdate("A row is gone.")
        for place in places:
            del self._events[place]

    async def counts(self, instance: str, bucket: int, group: str) -> Counts:
        await asyncio.sleep(0)
        return {
            place: row.value
            for (owner, number, place), row in self.counts_rows.near(instance, bucket)
            if (owner, number, place[0]) == (instance, bucket, group) and place[1] != LEDGER
        }

    async def due(
        self, instance: str, bucket: int, query: DueQuery, *, token: str | None = None
    ) -> Page[Stored[DeviceRecord]]:
        await asyncio.sleep(0)
        found = [
            (place[2], row)
            for place, row in sorted(self.rows.near(instance, bucket), key=_key)
            if place[:2] == (instance, bucket)
            and _listed_group(row.value) == query.group
            and (row.value.is_pending or _is_due(row.value, query))
        ]
        return _page_after(found, token, self._page_size)

    async def ledger(self, instance: str, bucket: int, group: str) -> Stored[Mapping[Cell, int]]:
        await asyncio.sleep(0)
        return self.counts_rows.get((instance, bucket, (group, LEDGER))) or Stored({}, "")

    async def save_ledger(
        self, instance: str, bucket: int, group: str, cells: Mapping[Cell, int], etag: str
    ) -> None:
        await asyncio.sleep(0)
        place = (instance, bucket, (group, LEDGER))
        self.counts_rows.check(place, etag or None)
        self.counts_rows.put(place, cells)

    async def tally(
        self, instance: str, bucket: int, group: str
    ) -> tuple[Counts, Mapping[Cell, int]]:
        ledger = self._cells((instance, bucket, (group, LEDGER)))
        return await self.counts(instance, bucket, group), ledger

    async def histories(
        self, instance: str, bucket: int, *, token: str | None = None
    ) -> Page[Stored[History]]:
        await asyncio.sleep(0)
        rows = sorted(self._history.near(instance, bucket), key=_key)
        found = [
            ("\n".join(place[2:]), item) for place, item in rows if place[:2] == (instance, bucket)
        ]
        return _page_after(found, token, self._page_size)

    async def counter_rows(
        self, instance: str, bucket: int
    ) -> Mapping[CounterKey, Stored[Mapping[Cell, int]]]:
        await asyncio.sleep(0)
        rows = self.counts_rows.near(instance, bucket)
        return {
            place[2]: row
            for place, row in rows
            if place[:2] == (instance, bucket) and place[2][1] != LEDGER
        }

    async def correct(self, instance: str, bucket: int, corrections: Sequence[Correction]) -> None:
        await asyncio.sleep(0)
        for item in corrections:
            etag = item.found.etag if item.found else None
            self.counts_rows.check((instance, bucket, item.place), etag)
        for item in corrections:
            self._set_counts((instance, bucket, item.place), item.counted)

    async def forget(
        self, instance: str, bucket: int, histories: Sequence[Stored[History]]
    ) -> None:
        await asyncio.sleep(0)
        rows = [
            ((instance, bucket, row.value.workflow_id, row.value.key), row) for row in histories
        ]
        for place, row in rows:
            self._history.check(place, row.etag)
        for place, row in rows:
            self._history.delete(place)
            for key, cells in history_contribution(row.value).items():
                known = self.counts_rows.get((instance, bucket, key))
                less = {cell: -count for cell, count in cells.items()}
                left = apply(known.value if known else {}, less)
                self._set_counts((instance, bucket, key), left)

    async def drop(
        self, instance: str, bucket: int, devices: Sequence[Stored[DeviceRecord]]
    ) -> None:
        await asyncio.sleep(0)
        for row in devices:
            self.rows.check((instance, bucket, row.value.key), row.etag)
        for row in devices:
            self.rows.delete((instance, bucket, row.value.key))

    def _set_counts(self, place: tuple[str, int, CounterKey], cells: Mapping[Cell, int]) -> None:
        if cells:
            self.counts_rows.put(place, cells)
        else:
            self.counts_rows.delete(place)


def _meets(record: DeviceRecord, query: DeviceQuery) -> bool:
    seen, commanded = view(record), record.commanded
    columns = {
        "group": seen.group_id if seen.device_class else "",
        "class_id": seen.device_class.class_id if seen.device_class else "",
        "deployment_id": commanded.deployment_id if commanded else "",
        "state": seen.state or "",
        "health": health.state if (health := health_of(record, seen)) else "",
    }
    asked = {name: getattr(query, name) for name in columns}
    if not record.device_id.startswith(query.device_id or ""):
        return False
    if not any(value is not None for value in asked.values()):
        return seen.device_class is not None
    return all(value in (None, columns[name]) for name, value in asked.items())


def _is_due(record: DeviceRecord, query: DueQuery) -> bool:
    rank, seen = rank_of(record.device_id), view(record)
    if record.commanded is not None and record.commanded.workflow_id == query.workflow_id:
        return query.asked and seen.state is not DeviceState.SUCCEEDED
    is_within = query.ranks is None or any(first <= rank < end for first, end in query.ranks)
    return query.unasked and is_within


def _listed_group(record: DeviceRecord) -> str | None:
    seen = view(record)
    return seen.group_id if seen.device_class else None


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
        raise NotImplementedError

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


class MemoryFleet:
    def __init__(self, clock: FixedClock) -> None:
        self._clock = clock
        self._buckets: dict[tuple[str, str], set[int]] = {}
        self._groups: dict[tuple[str, str], KnownGroup] = {}
        self._classes: dict[tuple[str, str], KnownClass] = {}
        self._rollups: dict[tuple[str, str], Rollup] = {}
        self._deleted: set[tuple[str, ...]] = set()

    async def note(self, instance: str, group: str, bucket: int, device_class: DeviceClass) -> bool:
        await asyncio.sleep(0)
        now = self._clock.now()
        self._buckets.setdefault((instance, group), set()).add(bucket)
        self._groups.setdefault((instance, group), KnownGroup(group, now))
        place = (instance, device_class.class_id)
        is_new = place not in self._classes
        self._classes.setdefault(place, KnownClass(device_class, now))
        return is_new

    async def buckets(self, instance: str, group: str) -> Sequence[int]:
        await asyncio.sleep(0)
        return sorted(self._buckets.get((instance, group), ()))

    async def groups(self, instance: str, *, with_deleted: bool = False) -> Sequence[KnownGroup]:
        await asyncio.sleep(0)
        return [
            group
            for place, group in sorted(self._groups.items(), key=_key)
            if place[0] == instance and (with_deleted or ("group", *place) not in self._deleted)
        ]

    async def classes(self, instance: str, *, with_deleted: bool = False) -> Sequence[KnownClass]:
        await asyncio.sleep(0)
        return [
            item
            for place, item in sorted(self._classes.items(), key=_key)
            if place[0] == instance and (with_deleted or ("class", *place) not in self._deleted)
        ]

    async def rename_class(self, instance: str, class_id: str, friendly_name: str) -> None:
        await asyncio.sleep(0)
        known = self._classes[instance, class_id]
        self._classes[instance, class_id] = replace(known, friendly_name=friendly_name)

    async def delete_class(self, instance: str, class_id: str) -> None:
        await asyncio.sleep(0)
        self._deleted.add(("class", instance, class_id))

    async def delete_group(self, instance: str, group: str) -> None:
        await asyncio.sleep(0)
        self._deleted.add(("group", instance, group))
        self._rollups.pop((instance, group), None)

    async def delete_subgroup(self, instance: str, group: str, class_id: str) -> None:
        await asyncio.sleep(0)
        self._deleted.add(("subgroup", instance, group, class_id))

    async def revive(self, instance: str, group: str, present: Set[str]) -> Set[str] | None:
        await asyncio.sleep(0)
        if ("group", instance, group) in self._deleted:
            if not present:
                return None
            self._deleted.remove(("group", instance, group))
            self._groups[instance, group] = KnownGroup(group, self._clock.now())
        for class_id in present:
            if ("class", instance, class_id) in self._deleted:
                self._deleted.remove(("class", instance, class_id))
                known = self._classes[instance, class_id]
                self._classes[instance, class_id] = replace(
                    known, created_at=self._clock.now(), friendly_name=None
                )
            self._deleted.discard(("subgroup", instance, group, class_id))
        marks = (mark for mark in self._deleted if mark[:3] == ("subgroup", instance, group))
        return {mark[3] for mark in marks}

    async def drop_rollup(self, instance: str, group: str) -> None:
        await asyncio.sleep(0)
        self._rollups.pop((instance, group), None)

    async def class_page(
        self, instance: str, friendly_name: str | None, *, token: str | None, size: int
    ) -> Page[KnownClass]:
        classes = await self.classes(instance)
        wanted = [item for item in classes if friendly_name in (None, item.friendly_name)]
        return _page(wanted, token, size)

    async def set_best_update(self, instance: str, class_id: str, best: UpdateId | None) -> None:
        await asyncio.sleep(0)
        known = self._classes[instance, class_id]
        self._classes[instance, class_id] = replace(known, best_update=best)

    async def save_rollup(self, instance: str, group: str, rollup: Rollup) -> None:
        await asyncio.sleep(0)
        known = self._rollups.get((instance, group))
        if known is None or known.as_of < rollup.as_of:
            self._rollups[instance, group] = rollup

    async def last_rollup(self, instance: str, group: str) -> LastRollup | None:
        await asyncio.sleep(0)
        known = self._rollups.get((instance, group))
        return LastRollup(known.as_of, known.buckets) if known else None

    async def rollups(self, instance: str, group: str | None = None) -> Mapping[str, Rollup]:
        await asyncio.sleep(0)
        return {
            name: rollup
            for (owner, name), rollup in self._rollups.items()
            if owner == instance and group in (None, name)
        }


class MemoryHubBudget:
    """A timeline of commands, in seconds of a clock."""

    def __init__(self, clock: FixedClock) -> None:
        self._clock = clock
        self._free: dict[str, datetime] = {}

    async def reserve(self, instance: str, seconds: float) -> float:
        await asyncio.sleep(0)
        now = datetime.fromisoformat(self._clock.now())
        begins = max(now, self._free.get(instance, now))
        self._free[instance] = begins + timedelta(seconds=seconds)
        return (begins - now).total_seconds()


class MemoryDeployments:
    def __init__(self) -> None:
        self._rows = Rows[tuple[str, str, str], Deployment]()
        self._history: dict[tuple[str, str], list[Transition]] = {}

    async def add(
        self, instance: str, deployment: Deployment, transitions: Sequence[Transition] = ()
    ) -> bool:
        await asyncio.sleep(0)
        if not self._rows.insert(
            (instance, deployment.group_id, deployment.deployment_id), deployment
        ):
            return False
        self._history[(instance, deployment.workflow_id)] = [*transitions]
        return True

    async def get(self, instance: str, group: str, deployment_id: str) -> Stored[Deployment] | None:
        await asyncio.sleep(0)
        return self._rows.get((instance, group, deployment_id))

    async def save(
        self,
        instance: str,
        deployment: Deployment,
        etag: str,
        transitions: Sequence[Transition] = (),
    ) -> None:
        await asyncio.sleep(0)
        self._rows.replace(
            (instance, deployment.group_id, deployment.deployment_id), deployment, etag
        )
        self._history.setdefault((instance, deployment.workflow_id), []).extend(transitions)

    async def history(
        self, instance: str, deployment: Deployment, *, token: str | None, size: int
    ) -> Page[Transition]:
        await asyncio.sleep(0)
        return _page(self._history[(instance, deployment.workflow_id)], token, size)

    async def of_group(self, instance: str, group: str) -> Sequence[Stored[Deployment]]:
        await asyncio.sleep(0)
        rows = sorted(self._rows.items(), key=_key)
        return [row for place, row in rows if place[:2] == (instance, group)]

    async def page(
        self, instance: str, group: str, *, token: str | None, size: int
    ) -> Page[Stored[Deployment]]:
        return _page(await self.of_group(instance, group), token, size)

    async def starts(self, instance: str, group: str) -> Sequence[tuple[str, str]]:
        rows = await self.of_group(instance, group)
        return [(row.value.starts_at, row.value.deployment_id) for row in rows]

    async def count(self, instance: str, group: str, up_to: int) -> int:
        return min(up_to, len(await self.of_group(instance, group)))

    async def of_instance(self, instance: str) -> Sequence[Stored[Deployment]]:
        await asyncio.sleep(0)
        return [row for place, row in sorted(self._rows.items(), key=_key) if place[0] == instance]

    async def delete(self, instance: str, group: str, deployment_id: str) -> None:
        await asyncio.sleep(0)
        self._rows.delete((instance, group, deployment_id))


@dataclass
class Twin:
    """A twin; `desired_at` and `reported_at` are when the section last changed, empty for never."""

    version: int = 1
    tags: dict[str, Any] = field(default_factory=dict)
    reported: dict[str, Any] = field(default_factory=dict)
    desired: dict[str, Any] = field(default_factory=dict)
    desired_at: str = ""
    reported_at: str = ""


class MemoryHub:
    """Twins; `patches` are the accepted ones, `throttled` the devices that are turned away."""

    def __init__(self) -> None:
        self.twins: dict[tuple[str, str | None], Twin] = {}
        self.patches: list[tuple[str, Mapping[str, Any]]] = []
        self.throttled: set[str] = set()
        self.on_patch: Callable[[str], None] | None = None
        """Is told of each patch that was accepted."""
        self.refused: dict[str, tuple[str, str | None]] = {}
        """Commands that the whole twins of devices show to be refused."""
        self.indexed: list[TwinChange] | None = None
        """What queries find; by default every twin as it is."""

    async def patch_desired(
        self, instance: str, device_id: str, module_id: str | None, desired: Mapping[str, Any]
    ) -> None:
        await asyncio.sleep(0)
        twin = self.twins.get((device_id, module_id))
        if twin is None:
            raise NotFound(f"Device '{device_id}' is not in the hub.")
        if device_id in self.throttled:
            raise DependencyFailed("The hub answered 429.", retry_after=0.01)
        twin.version += 1
        twin.desired = merge_patch(twin.desired, desired)
        self.patches.append((device_id, desired))
        if self.on_patch is not None:
            self.on_patch(device_id)

    async def read_twin(
        self, instance: str, device_id: str, module_id: str | None
    ) -> TwinChange | None:
        await asyncio.sleep(0)
        return self.whole(device_id, module_id)

    def whole(self, device_id: str, module_id: str | None) -> TwinChange | None:
        """The twin as a read finds it."""
        twin = self.twins.get((device_id, module_id))
        if twin is None:
            return None
        content = kept_content({"tags": twin.tags, "properties": {"reported": twin.reported}})
        return TwinChange(
            device_id,
            module_id,
            twin.version,
            content,
            is_whole=True,
            at=max(twin.desired_at, twin.reported_at),
            heard_at=twin.reported_at,
            refused=self.refused.get(device_id),
        )

    async def query_twins(
        self, instance: str, source: TwinSource, token: str | None
    ) -> Page[TwinChange]:
        found = [
            twin
            for device_id, module_id in sorted(self.twins, key=str)
            if (module_id is not None) == (source == "devices.modules")
            and (twin := await self.read_twin(instance, device_id, module_id)) is not None
        ]
        return _page(self.indexed if self.indexed is not None else found, token, 2)


def merge_patch(target: Any, patch: Any) -> Any:
    """JSON merge patch, RFC 7396."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


class MemoryEvents:
    def __init__(self) -> None:
        self.published: list[tuple[str, str, list[Mapping[str, Any]]]] = []

    async def publish(
        self, event_type: str, subject: str, payloads: Sequence[Mapping[str, Any]]
    ) -> None:
        await asyncio.sleep(0)
        self.published.append((event_type, subject, list(payloads)))


class MemoryCustomerTopic:
    """Remembers what customers were told; refuses it with the errors that are prepared."""

    def __init__(self) -> None:
        self.published: list[tuple[str, DomainEvent]] = []
        self.refusals: list[DeviceUpdateError] = []

    async def publish(self, instance: str, events: Sequence[DomainEvent]) -> None:
        await asyncio.sleep(0)
        if self.refusals:
            raise self.refusals.pop(0)
        self.published += [(instance, event) for event in events]


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


class MemoryScanner:
    """Gives the verdict prepared for a content; clean if there is none."""

    engine = "memory"
    reads_files = True

    def __init__(self) -> None:
        self.verdicts: dict[bytes, Verdict] = {}
        self.rules_version = "1"
        self.scans = 0

    async def knowledge(self) -> Knowledge:
        return Knowledge(self.engine, "1", self.rules_version)

    async def scan(self, sample: Sample, *, deadline_seconds: float) -> Verdict:
        await asyncio.sleep(0)
        assert sample.path is not None
        self.scans += 1
        content = await asyncio.to_thread(sample.path.read_bytes)
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        assert (digest, len(content)) == (sample.sha256, sample.size_bytes)
        assert deadline_seconds > 0
        verdict = self.verdicts.get(content, CLEAN)
        return replace(verdict, rules_version=self.rules_version)


class MemoryVerdicts:
    def __init__(self) -> None:
        self._rows: dict[tuple[str, str, bool, str], tuple[Verdict, str]] = {}

    async def on(self, instance: str, sha256: str, *, may_be_delta: bool) -> Sequence[Verdict]:
        await asyncio.sleep(0)
        wanted = (instance, _hex(sha256), may_be_delta)
        return [verdict for place, (verdict, _) in self._rows.items() if place[:3] == wanted]

    async def put(
        self, instance: str, sha256: str, verdict: Verdict, *, may_be_delta: bool, at: str
    ) -> None:
        await asyncio.sleep(0)
        self._rows[instance, _hex(sha256), may_be_delta, verdict.engine] = (verdict, at)

    async def list(self, instance: str, token: str | None = None) -> Page[JudgedContent]:
        await asyncio.sleep(0)
        rows = sorted(self._rows.items())
        found = [JudgedContent(place[1], at) for place, (_, at) in rows if place[0] == instance]
        return _page(found, token, 2)

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

    async def renew(self, instance: str, update_id: UpdateId) -> bool:
        await asyncio.sleep(0)
        return False


class MemorySealer:
    def seal(self, text: str) -> str:
        return "sealed:" + base64.b64encode(text.encode()).decode()

    def unseal(self, sealed: str) -> str:
        return base64.b64decode(sealed.removeprefix("sealed:")).decode()


class Crash(Exception):
    """The process died at a port call."""


class Faults:
    """Counts the calls of the ports that it wraps, and dies at one of them, once.

    What a port did before the crash stays done; the call at which it comes does nothing.
    """

    def __init__(self) -> None:
        self.calls = 0
        self._at: int | None = None

    def crash_at(self, call: int | None) -> None:
        """Die at the call of this number, counted from now on; None ends it."""
        self.calls, self._at = 0, call

    def step(self) -> None:
        self.calls += 1
        if self.calls == self._at:
            raise Crash(f"at call {self.calls}")

    def around[T](self, port: T) -> T:
        """The port, each call of which may be the last."""
        return _Wrapped(port, self)  # type: ignore[return-value]


class _Wrapped:
    def __init__(self, port: Any, faults: Faults) -> None:
        self._port, self._faults = port, faults

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._port, name)
        if isasyncgenfunction(member):
            return self._stream(member)
        if iscoroutinefunction(member):
            return self._call(member)
        if name in ("open_write", "stream"):
            return lambda *args, **options: _Wrapped(member(*args, **options), self._faults)
        return member

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("_port", "_faults"):
            super().__setattr__(name, value)
        else:
            setattr(self._port, name, value)

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        self._faults.step()
        async for chunk in self._port:
            self._faults.step()
            yield chunk

    def _call(self, member: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @wraps(member)
        async def call(*args: Any, **options: Any) -> Any:
            self._faults.step()
            return await member(*args, **options)

        return call

    def _stream(
        self, member: Callable[..., AsyncIterator[bytes]]
    ) -> Callable[..., AsyncIterator[bytes]]:
        @wraps(member)
        async def stream(*args: Any, **options: Any) -> AsyncGenerator[bytes]:
            self._faults.step()
            async for chunk in member(*args, **options):
                self._faults.step()
                yield chunk

        return stream
