from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast

import pytest

from shared.adapters.blobs import AzureBlobs
from shared.adapters.queues import AzureQueues
from shared.adapters.storage import StorageAccounts
from shared.adapters.table import Table
from shared.adapters.table_counters import TableCounters, TableRecounts
from shared.adapters.table_deployments import TableDeployments
from shared.adapters.table_devices import TableDevices
from shared.adapters.table_fleet import TableFleet
from shared.adapters.table_holders import TableHolders
from shared.adapters.table_new_classes import TableNewClasses
from shared.adapters.table_operations import TableOperations
from shared.adapters.table_own_deployments import TableOwnDeployments
from shared.adapters.table_refusals import TableRefusals
from shared.adapters.table_updates import TableUpdates
from shared.ports import (
    Counters,
    Deployments,
    Devices,
    Fleet,
    Holders,
    NewClasses,
    Operations,
    OwnDeployments,
    Recounts,
    RefusalCounts,
    Updates,
)
from shared.settings import Connection
from shared.topology import CONTAINERS, QUEUES, TABLES
from shared.topology import Table as TableName
from tests.azurite import start_azurite
from tests.fakes.clock import FixedClock
from tests.fakes.devices import MemoryDevices
from tests.fakes.fleet import MemoryDeployments, MemoryFleet, MemoryNewClasses, MemoryOwnDeployments
from tests.fakes.records import MemoryRecounts, MemoryRefusals
from tests.fakes.updates import MemoryHolders, MemoryOperations, MemoryUpdates


@dataclass(frozen=True)
class Ports:
    """The ports that keep state, in memory or in tables; `other_devices` is another process."""

    devices: Devices
    other_devices: Devices
    counters: Counters
    recounts: Recounts
    refusals: RefusalCounts
    updates: Updates
    holders: Holders
    operations: Operations
    deployments: Deployments
    own_deployments: OwnDeployments
    new_classes: NewClasses
    fleet: Fleet


def _no_credential() -> object:
    raise AssertionError("a connection string needs no credential")


@pytest.fixture(scope="session")
async def accounts(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[StorageAccounts]:
    """A real Azurite with every table, queue and container."""
    async with start_azurite(tmp_path_factory.mktemp("azurite")) as azurite:
        connection = Connection(connection_string=azurite.connection_string)
        found = StorageAccounts(connection, connection, _no_credential)
        await asyncio.gather(
            *(found.tables.create_table(name) for name in TABLES),
            *(found.queues.create_queue(name) for name in QUEUES),
            *(found.blobs.create_container(name) for name in CONTAINERS),
        )
        yield found
        await found.close()


@pytest.fixture
def instance() -> str:
    """An instance of the test's own: tables and containers have fixed names."""
    return f"i-{uuid.uuid4().hex}"


@pytest.fixture
def blobs(accounts: StorageAccounts) -> AzureBlobs:
    return AzureBlobs(accounts, link_hours=2.0)


@pytest.fixture
def queues(accounts: StorageAccounts) -> AzureQueues:
    return AzureQueues(accounts)


@pytest.fixture(params=["memory", "tables"])
def ports(request: pytest.FixtureRequest) -> Ports:
    if request.param == "memory":
        devices, fleet = MemoryDevices(), MemoryFleet(FixedClock())
        return Ports(
            devices=devices,
            other_devices=devices.of_another_process(),
            counters=devices,
            recounts=MemoryRecounts(),
            refusals=MemoryRefusals(),
            updates=MemoryUpdates(),
            holders=MemoryHolders(),
            operations=MemoryOperations(),
            deployments=MemoryDeployments(),
            own_deployments=MemoryOwnDeployments(),
            new_classes=MemoryNewClasses(fleet, FixedClock()),
            fleet=fleet,
        )
    return tables_of(cast("StorageAccounts", request.getfixturevalue("accounts")))


def tables_of(accounts: StorageAccounts) -> Ports:
    """The table adapters of a fresh process."""

    def table(name: TableName) -> Table:
        return Table(accounts, name)

    return Ports(
        devices=TableDevices(table("Devices")),
        other_devices=TableDevices(table("Devices")),
        counters=TableCounters(table("Devices")),
        recounts=TableRecounts(table("Recounts")),
        refusals=TableRefusals(table("Recounts")),
        updates=TableUpdates(table("Updates")),
        holders=TableHolders(table("Holders")),
        operations=TableOperations(table("Operations")),
        deployments=TableDeployments(table("Deployments")),
        own_deployments=TableOwnDeployments(table("Deployments")),
        new_classes=TableNewClasses(table("DeviceClasses"), FixedClock()),
        fleet=TableFleet(
            buckets_table=table("Buckets"),
            groups_table=table("Groups"),
            classes_table=table("DeviceClasses"),
            rollups_table=table("Rollups"),
            clock=FixedClock(),
        ),
    )
