"""An import ends in one complete published update wherever its worker dies."""

from __future__ import annotations

import hashlib
import itertools
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from shared.adapters.storage import StorageAccounts
from shared.adapters.table import Table
from shared.adapters.table_operations import TableOperations
from shared.adapters.table_updates import TableUpdates
from shared.domain.import_request import ImportItem
from shared.domain.operation import OperationStatus
from shared.domain.topology import CONTAINERS, QUEUES, TABLES
from shared.domain.update import Update
from shared.settings import Connection
from tests.azurite import start_azurite
from tests.integration.import_crash.publisher import RangeServer
from tests.integration.import_crash.worker import (
    BLOCK_BYTES,
    Died,
    Host,
    Mortality,
    ShiftedClock,
    Worker,
    a_worker,
)
from tests.packages import Package, make_package, sha256

LARGE = random.Random(5).randbytes(2 * BLOCK_BYTES + 1)
SMALL = b"#!/bin/sh\n"
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
        items = [self._item(package) for package in packages]
        self.ask = lambda worker: worker.imports.start(self.instance, items, "trace")
        for package in packages:
            self.expect(package)

    def _item(self, package: Package) -> ImportItem:
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
        page = await TableOperations(Table(self.bare, "Operations")).list(self.instance, None)
        return [item.value.status for item in page.items]

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


@pytest.fixture(scope="module")
async def storage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Storage]:
    async with start_azurite(tmp_path_factory.mktemp("azurite")) as azurite:
        connection = Connection(connection_string=azurite.connection_string)
        mortality = Mortality()
        counted = StorageAccounts(connection, connection, lambda: None, mortality.step)
        bare = StorageAccounts(connection, connection, lambda: None)
        for container in CONTAINERS:
            await bare.blobs.create_container(container)
        for queue in QUEUES:
            await bare.queues.create_queue(queue)
        for table in TABLES:
            await bare.tables.create_table(table)
        yield Storage(mortality, counted, bare)
        await counted.close()
        await bare.close()


@pytest.fixture(scope="module")
async def publisher() -> AsyncIterator[RangeServer]:
    async with RangeServer() as server:
        yield server


@pytest.fixture
def a_case(storage: Storage, publisher: RangeServer) -> Callable[[], Case]:
    return lambda: Case(storage, publisher)


def single() -> Package:
    return make_package("model", name="single", files={"install.sh": SMALL, "large.bin": LARGE})


def child() -> Package:
    return make_package("part", name="child", files={"same.sh": SMALL}, isDeployable=False)


def parent() -> Package:
    package = make_package("model", name="parent", files={"install.sh": SMALL, "large.bin": LARGE})
    reference = {"type": "reference", "updateId": child().update_id}
    package.document["instructions"]["steps"].append(reference)
    return package


async def one_by_url(case: Case) -> None:
    case.import_by_url(single())


async def parent_and_child_by_url(case: Case) -> None:
    case.import_by_url(parent(), child())


async def one_by_drop(case: Case) -> None:
    await case.drop(single())


async def parent_by_drop(case: Case) -> None:
    """Its child was imported before."""
    case.import_by_url(child())
    assert case.ask is not None
    case.storage.mortality.begin()
    worker = a_worker(case.storage.counted, case.instance, case.clock, case.storage.mortality)
    await case.ask(worker)
    await case.host.run(worker)
    case.ask = None
    await case.drop(parent())


async def crash_at(
    a_case: Callable[[], Case],
    prepare: Callable[[Case], Awaitable[None]],
    choose: Callable[[int, int], Iterable[int]],
) -> None:
    """Import without a crash, then with one at each of the calls chosen of those of the fetch stage
    and of all.
    """
    whole = a_case()
    await prepare(whole)
    calls = await whole.run()
    await whole.assert_published()
    assert calls > whole.host.calls_of_fetch > 10

    for call in choose(whole.host.calls_of_fetch, calls):
        case = a_case()
        await prepare(case)
        await case.run(call)
        await case.assert_published()


async def test_import_of_parent_and_child_is_complete_wherever_its_worker_dies(
    a_case: Callable[[], Case],
) -> None:
    await crash_at(a_case, parent_and_child_by_url, lambda _, calls: range(1, calls + 1))


async def test_dropped_parent_is_complete_wherever_its_worker_dies_in_the_fetch(
    a_case: Callable[[], Case],
) -> None:
    """What follows the fetch knows no drop but in its report, made by the last calls."""
    await crash_at(
        a_case,
        parent_by_drop,
        lambda fetch, calls: [*range(1, fetch + 1), *range(calls - 12, calls + 1)],
    )


@pytest.mark.parametrize("prepare", [one_by_url, one_by_drop])
async def test_import_of_one_is_complete_after_a_crash(
    a_case: Callable[[], Case], prepare: Callable[[Case], Awaitable[None]]
) -> None:
    """All its calls are among those of a parent and its child."""
    await crash_at(a_case, prepare, lambda _, calls: range(3, calls + 1, 9))


async def test_import_that_must_fail_fails_once_wherever_its_worker_dies(
    a_case: Callable[[], Case],
) -> None:
    def prepared() -> Case:
        case = a_case()
        case.import_by_url(single())
        case.publisher.put(f"{case.instance}/single/install.sh", SMALL.replace(b"sh", b"zz"))
        return case

    calls = await prepared().run()
    assert calls > 10

    for call in range(1, calls + 1):
        case = prepared()
        await case.run(call)
        assert await case.operations() == [OperationStatus.FAILED]
        assert await case.updates() == []
        await case.assert_nothing_is_left(set())


async def test_file_is_fetched_on_from_the_block_where_its_worker_died(
    a_case: Callable[[], Case],
) -> None:
    offsets = set()

    for call in range(16, 32, 3):
        case = a_case()
        case.import_by_url(single())
        await case.run(call)
        path = f"{case.instance}/single/large.bin"
        offsets |= {offset for name, offset in case.publisher.offsets if name == path}

    assert offsets >= {0, BLOCK_BYTES}
