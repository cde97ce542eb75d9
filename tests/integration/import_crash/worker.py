"""One worker process of the import pipeline, played in this process: it can die at any call.

The services are the real ones on a real storage account. A dead worker makes no further call; the
triggers then behave as the Functions host does: messages come back, blob events are delivered
until they were handled.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from shared.adapters.blobs import AzureBlobs
from shared.adapters.fetch import SafeFetcher, SourceStream
from shared.adapters.queues import AzureQueues
from shared.adapters.storage import StorageAccounts
from shared.adapters.table import Table
from shared.adapters.table_audit import TableAudit
from shared.adapters.table_deployments import TableDeployments
from shared.adapters.table_fleet import TableFleet
from shared.adapters.table_holders import TableHolders
from shared.adapters.table_operations import TableOperations
from shared.adapters.table_updates import TableUpdates
from shared.adapters.table_verdicts import TableVerdicts
from shared.container.services import Services
from shared.domain.errors import DeviceUpdateError
from shared.domain.scanning.scan import Knowledge, Verdict
from shared.domain.updates.source_url import SourcePolicy
from shared.messages import Message
from shared.ports import NO_TELEMETRY, Sample
from shared.services.imports.at_once import ImportAtOnce
from shared.services.imports.fetch import ImportFetch
from shared.services.imports.operation import Imports
from shared.services.imports.publish import ImportPublish
from shared.services.imports.scan import ImportScan
from shared.services.maintenance.sweep import Sweep
from shared.settings import InstanceSettings
from shared.topology import IMPORT_MANIFEST_SUFFIX, SCAN_REQUEST
from tests.fakes.updates import MemorySealer, MemorySigning
from tests.settings import the_settings

BLOCK_BYTES = 1 << 16
PIECE_BYTES = 1 << 16
_MOST_ROUNDS = 12
"""More than any import takes that does not wait for something lost."""

type Handler = Callable[[Worker, str, str, str], Awaitable[None]]


class Died(BaseException):
    """The process is gone."""


class Mortality:
    """Counts the calls of a worker to storage and sources, and ends it before one of them."""

    def __init__(self) -> None:
        self.calls = 0
        self.blocks = 0
        """Blocks that were written."""
        self._dies_at: int | None = None

    def begin(self, dies_at: int | None = None) -> None:
        """A new worker, which dies at a call or never."""
        self.calls, self._dies_at = 0, dies_at

    def on_request(self, request: Any) -> None:
        """A request to storage is about to be sent."""
        self.blocks += "comp=block&" in request.http_request.url
        self.step()

    def step(self) -> None:
        self.calls += 1
        if self._dies_at is not None and self.calls >= self._dies_at:
            raise Died(f"before call {self._dies_at}")


class MortalFetcher:
    """The real fetcher; each request and each piece is a call."""

    def __init__(self, mortality: Mortality) -> None:
        self._fetcher = SafeFetcher(SourcePolicy(allow_loopback=True))
        self._mortality = mortality

    async def read_small(self, url: str, *, max_bytes: int) -> bytes:
        self._mortality.step()
        return await self._fetcher.read_small(url, max_bytes=max_bytes)

    def stream(
        self, url: str, *, size_bytes: int, offset: int = 0, etag: str | None = None
    ) -> MortalStream:
        source = self._fetcher.stream(url, size_bytes=size_bytes, offset=offset, etag=etag)
        return MortalStream(source, self._mortality)


class MortalStream:
    """A source in small pieces, so that little content makes many calls."""

    def __init__(self, source: SourceStream, mortality: Mortality) -> None:
        self._source, self._mortality = source, mortality

    @property
    def etag(self) -> str | None:
        return self._source.etag

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        self._mortality.step()
        async for chunk in self._source:
            for at in range(0, len(chunk), PIECE_BYTES):
                yield chunk[at : at + PIECE_BYTES]
                self._mortality.step()

    async def aclose(self) -> None:
        await self._source.aclose()


class PromptQueues(AzureQueues):
    """The real queues, whose messages are due at once: nobody here waits for the time to pass."""

    async def put(self, message: Message, *, delay_seconds: float = 0) -> None:
        await super().put(message)


class HashingScanner:
    """Finds everything clean that is what it should be."""

    engine = "test"
    reads_files = True

    async def knowledge(self) -> Knowledge:
        return Knowledge(self.engine, "1", "1")

    async def scan(self, sample: Sample, *, deadline_seconds: float) -> Verdict:
        assert sample.path is not None
        content = await asyncio.to_thread(sample.path.read_bytes)
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        return Verdict("clean" if digest == sample.sha256 else "error", "test", "1", "1")


class ShiftedClock:
    """The time, some way ahead."""

    def __init__(self) -> None:
        self.ahead = timedelta()
        self._ids = iter(range(1 << 20))

    def now(self) -> str:
        return (datetime.now(UTC) + self.ahead).isoformat(timespec="microseconds")

    def fresh_id(self) -> str:
        return f"{next(self._ids):032x}"


@dataclass(slots=True)
class Worker:
    """The services of one process."""

    mortality: Mortality
    imports: Imports
    fetch: ImportFetch
    scan: ImportScan
    publish: ImportPublish
    at_once: ImportAtOnce
    sweep: Sweep
    is_prompt: bool = False
    """Whether small imports go through all their stages in one message."""

    async def queued(self, queue: str, order: dict[str, str]) -> None:
        """What the queue triggers do."""
        first = self.at_once if self.is_prompt else self.fetch
        service = first if queue == "import" else self.publish
        await service.run(order["instance"], order["operation"])


def a_worker(
    accounts: StorageAccounts, instance: str, clock: ShiftedClock, mortality: Mortality
) -> Worker:
    """A worker for one instance; its accounts must count with its mortality."""
    ports: Any = SimpleNamespace(
        audit_log=TableAudit(Table(accounts, "Audit")),
        telemetry=NO_TELEMETRY,
        blobs=AzureBlobs(accounts, 1.0, BLOCK_BYTES),
        clock=clock,
        customer_topic=None,
        devices=None,
        deployments=TableDeployments(Table(accounts, "Deployments")),
        fetcher=MortalFetcher(mortality),
        fleet=TableFleet(
            buckets_table=Table(accounts, "Buckets"),
            groups_table=Table(accounts, "Groups"),
            classes_table=Table(accounts, "DeviceClasses"),
            rollups_table=Table(accounts, "Rollups"),
            clock=clock,
        ),
        holders=TableHolders(Table(accounts, "Holders")),
        operations=TableOperations(Table(accounts, "Operations")),
        queues=PromptQueues(accounts),
        rule_scanner=None,
        scanners=[HashingScanner()],
        sealer=MemorySealer(),
        updates=TableUpdates(Table(accounts, "Updates")),
        verdicts=TableVerdicts(Table(accounts, "Verdicts")),
    )
    settings = the_settings(
        instances={instance: InstanceSettings(instance, "hub.example", "hub")},
        customer_topic_endpoint=None,
    )
    services = Services(ports, settings)
    signing: Any = MemorySigning()
    services.updates.signing = signing
    return Worker(
        mortality=mortality,
        imports=services.imports.operations,
        fetch=services.imports.fetch,
        scan=services.imports.scan,
        publish=services.imports.publish,
        at_once=services.imports.at_once,
        sweep=services.maintenance.sweep,
    )


@dataclass(slots=True)
class Host:
    """The triggers of one instance: they outlive every worker."""

    bare: StorageAccounts
    instance: str
    has_drops: bool = False
    fetches: int = 0
    """How often a worker was asked to fetch."""
    calls_of_fetch: set[int] = field(default_factory=set)
    """Which calls of a worker began an import of a drop, or fetched."""
    handled: set[str] = field(default_factory=set)

    async def run(self, worker: Worker) -> None:
        """Deliver until nothing is left but what waits.

        Raises:
            Died: The worker died; what it had taken will be delivered again.
        """
        for _ in range(_MOST_ROUNDS):
            with self._noted(worker):
                found = self.has_drops and await self._events("imports", self._dropped, worker)
                is_fetch = await self._message("import", worker)
            self.fetches += is_fetch
            found |= is_fetch
            found |= await self._events("quarantine", self._scanned, worker)
            found |= await self._message("publish", worker)
            if not found:
                return

    @contextmanager
    def _noted(self, worker: Worker) -> Iterator[None]:
        before = worker.mortality.calls
        yield
        self.calls_of_fetch.update(range(before + 1, worker.mortality.calls + 1))

    async def _message(self, name: str, worker: Worker) -> bool:
        """Deliver the next message, if there is one."""
        queue = self.bare.queues.get_queue_client(name)
        message = await queue.receive_message(visibility_timeout=600)
        if message is None:
            return False
        order = json.loads(base64.b64decode(message.content))
        done = False
        try:
            done = await _survived(worker.queued(name, order))
        finally:
            if not done:
                await queue.update_message(message, visibility_timeout=0)
        if done:
            await queue.delete_message(message)
        return True

    async def _events(self, container: str, handle: Handler, worker: Worker) -> bool:
        found = False
        client = self.bare.blobs.get_container_client(container)
        async for blob in client.list_blobs(name_starts_with=f"{self.instance}/"):
            is_watched = blob.name.endswith((IMPORT_MANIFEST_SUFFIX, "/" + SCAN_REQUEST))
            if not is_watched or blob.etag in self.handled:
                continue
            found = True
            assert blob.last_modified is not None
            created = blob.last_modified.isoformat()
            if await _survived(handle(worker, blob.name, blob.etag, created)):
                self.handled.add(blob.etag)
        return found

    async def _dropped(self, worker: Worker, name: str, etag: str, created: str) -> None:
        await worker.imports.start_from_drop(self.instance, name, etag, created)

    async def _scanned(self, worker: Worker, name: str, _etag: str, _created: str) -> None:
        await worker.scan.run(self.instance, name.split("/")[1])


async def _survived(work: Awaitable[None]) -> bool:
    """Whether an invocation ended well; a dead process ends the test's host as well."""
    try:
        await work
    except DeviceUpdateError as error:
        if not error.retryable:
            raise
        return False
    except BaseExceptionGroup as group:
        if group.subgroup(Died) is not None:
            raise Died from group
        raise
    return True
