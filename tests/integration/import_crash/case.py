"""One instance of the service and what is expected of it."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

from shared.adapters.storage import StorageAccounts
from shared.adapters.table import Table
from shared.adapters.table_operations import TableOperations
from shared.adapters.table_updates import TableUpdates
from shared.domain.import_request import ImportItem
from shared.domain.operation import Operation, OperationStatus
from shared.domain.update import Update
from tests.integration.import_crash.publisher import RangeServer
from tests.integration.import_crash.worker import (
    Died,
    Host,
    Mortality,
    ShiftedClock,
    Worker,
    a_worker,
)
from tests.packages import Package, sha256

LATER = timedelta(days=2)
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Storage:
    """A storage account, as workers and as nobody's calls count."""

    mortality: Mortality
    counted: StorageAccounts
    bare: StorageAccounts


@dataclass(slots=True)
class Case:
    """One instance of the service; it outlives its workers."""

    storage: Storage
    publisher: RangeServer
    instance: str = field(default_factory=lambda: f"i{next(_numbers)}")
    clock: ShiftedClock = field(default_factory=ShiftedClock)
    expected: list[str] = field(default_factory=list)
    files: list[bytes] = field(default_factory=list)
    ask: Callable[[Worker], Awaitable[object]] | None = None
    host: Host = field(init=False)

    def __post_init__(self) -> None:
        self.host = Host(self.bare, self.instance)

    @property
    def bare(self) -> StorageAccounts:
        return self.storage.bare

    def expect(self, package: Package) -> None:
        self.expected.append(package.update_id["name"])
        self.files += package.files.values()

    def import_by_url(self, *packages: Package) -> None:
        """Have a publisher ask for an import."""
        items = [self.item(package) for package in packages]
        self.ask = lambda worker: worker.imports.start(self.instance, items, "trace")
        for package in packages:
            self.expect(package)

    def item(self, package: Package) -> ImportItem:
        """What a request asks for, with its sources served."""
        name = package.update_id["name"]
        urls = {
            file: self.publisher.put(f"{self.instance}/{name}/{file}", content)
            for file, content in package.files.items()
        }
        return ImportItem(
            self.publisher.put(f"{self.instance}/{name}.json", package.manifest),
            len(package.manifest),
            sha256(package.manifest),
            None,
            tuple(urls.items()),
        )

    async def drop(self, package: Package) -> None:
        """Put a package into the drop container, files first."""
        self.host.has_drops = True
        folder = f"{self.instance}/{package.update_id['name']}"
        for file, content in package.files.items():
            blob = self.bare.blobs.get_blob_client("imports", f"{folder}/{file}")
            await blob.upload_blob(content)
        manifest = f"{folder}/it.importmanifest.json"
        await self.bare.blobs.get_blob_client("imports", manifest).upload_blob(package.manifest)
        self.expect(package)

    async def run(self, dies_at: int | None = None) -> int:
        """Import with a worker that may die, then with the next; the calls that were made."""
        mortality = self.storage.mortality
        worker = a_worker(self.storage.counted, self.instance, self.clock, mortality)
        mortality.begin(dies_at)
        try:
            if self.ask is not None:
                await self.ask(worker)
            await self.host.run(worker)
        except Died:
            pass
        calls = mortality.calls
        mortality.begin()
        if self.ask is not None and not await self.operations():
            await self.ask(worker)  # the publisher got no answer and asks again
        await self.host.run(worker)
        self.clock.ahead += LATER
        await worker.sweep.run()
        await self.host.run(worker)
        return calls

    async def operations(self) -> list[OperationStatus]:
        return [item.status for item in await self.all_operations()]

    async def all_operations(self) -> list[Operation]:
        page = await TableOperations(Table(self.bare, "Operations")).list(self.instance, None)
        return [item.value for item in page.items]

    async def updates(self) -> list[Update]:
        page = await TableUpdates(Table(self.bare, "Updates")).list(self.instance)
        return [item.value for item in page.items]

    async def blobs(self, container: str) -> set[str]:
        client = self.bare.blobs.get_container_client(container)
        listing = client.list_blobs(
            name_starts_with=f"{self.instance}/", include=["uncommittedblobs"]
        )
        return {blob.name async for blob in listing}

    async def assert_nothing_is_left(self, content: set[str]) -> None:
        """No blob but content that is used, no message."""
        assert await self.blobs("quarantine") == set()
        assert await self.blobs("content") == content
        for queue in ("import", "publish"):
            client = self.bare.queues.get_queue_client(queue)
            assert not (await client.get_queue_properties()).approximate_message_count

    async def assert_published(self) -> None:
        """Every update is there, once and complete, and nothing else."""
        statuses = await self.operations()
        assert set(statuses) == {OperationStatus.SUCCEEDED}
        updates = await self.updates()
        assert sorted(update.update_id.name for update in updates) == sorted(self.expected)
        used = {digest for update in updates for digest in update.content.values()}
        assert {hashlib.sha256(content).hexdigest() for content in self.files} <= used
        for digest in used:
            blob = self.bare.blobs.get_blob_client("content", f"{self.instance}/{digest}")
            content = await (await blob.download_blob()).readall()
            assert hashlib.sha256(content).hexdigest() == digest
        await self.assert_nothing_is_left({f"{self.instance}/{digest}" for digest in used})
