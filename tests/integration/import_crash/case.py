"""One instance of the service and what is expected of it."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from shared.adapters.blobs import AzureBlobs
from shared.adapters.storage import StorageAccounts
from shared.adapters.table import Table
from shared.adapters.table_operations import TableOperations
from shared.adapters.table_updates import TableUpdates
from shared.domain.operation import Operation, OperationStatus
from shared.domain.updates.import_item import ImportItem
from shared.domain.updates.update import Update
from shared.topology import IMPORT_MANIFEST_SUFFIX, IMPORT_STATUS_SUFFIX
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

SOON = timedelta(minutes=3)
"""When the sweep takes a stage for stalled, and a drop goes on waiting."""
LATER = timedelta(days=2)
"""When it takes content that no update has for left behind."""
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
    reports: list[str] = field(default_factory=list)
    """Blobs that say what became of drops."""
    ask: Callable[[Worker], Awaitable[object]] | None = None
    is_prompt: bool = False
    host: Host = field(init=False)

    def __post_init__(self) -> None:
        self.host = Host(self.bare, self.instance)

    @property
    def bare(self) -> StorageAccounts:
        return self.storage.bare

    def expect(self, package: Package) -> None:
        self.expected.append(package.update_id["name"])
        self.files += package.files.values()

    def import_by_url(self, *packages: Package, links: Mapping[str, str] | None = None) -> None:
        """Have a publisher ask for an import. `links` say where some files are; the others are
        served.
        """
        items = [self._item(package, links or {}) for package in packages]
        self.ask = lambda worker: worker.imports.start(self.instance, items, "trace")
        for package in packages:
            self.expect(package)

    async def stored(self, content: bytes) -> str:
        """Keep some bytes in the service's own account; a link to them."""
        blobs = AzureBlobs(self.bare, 1.0)
        name = f"elsewhere/{self.instance}.bin"
        await blobs.write("diagnostics", name, content)
        return await blobs.link("diagnostics", name, "source.bin")

    def _item(self, package: Package, links: Mapping[str, str]) -> ImportItem:
        name = package.update_id["name"]
        urls = {
            file: links.get(file) or self.publisher.put(f"{self.instance}/{name}/{file}", content)
            for file, content in package.files.items()
        }
        return ImportItem(
            manifest_url=self.publisher.put(f"{self.instance}/{name}.json", package.manifest),
            manifest_size_bytes=len(package.manifest),
            manifest_sha256=sha256(package.manifest),
            friendly_name=None,
            files=tuple(urls.items()),
        )

    async def drop(self, package: Package) -> None:
        """Put a package into the drop container, files first. What is dropped first, the host sees
        first.
        """
        self.host.has_drops = True
        folder = f"{self.instance}/{len(self.reports)}-{package.update_id['name']}"
        for file, content in package.files.items():
            blob = self.bare.blobs.get_blob_client("imports", f"{folder}/{file}")
            await blob.upload_blob(content)
        manifest = f"{folder}/it{IMPORT_MANIFEST_SUFFIX}"
        await self.bare.blobs.get_blob_client("imports", manifest).upload_blob(package.manifest)
        self.reports.append(f"{folder}/it{IMPORT_STATUS_SUFFIX}")
        self.expect(package)

    async def run(self, dies_at: int | None = None) -> int:
        """Import with a worker that may die, then with the next; the calls that were made."""
        mortality = self.storage.mortality
        worker = a_worker(self.storage.counted, self.instance, self.clock, mortality)
        worker.is_prompt = self.is_prompt
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
        for later in (SOON, LATER) if self.reports else (LATER,):
            self.clock.ahead += later
            await worker.sweep.run()
            await worker.sweep.run_through()
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
        for name in self.reports:
            report = await self.bare.blobs.get_blob_client("imports", name).download_blob()
            assert json.loads(await report.readall())["status"] == OperationStatus.SUCCEEDED
        await self.assert_nothing_is_left({f"{self.instance}/{digest}" for digest in used})
