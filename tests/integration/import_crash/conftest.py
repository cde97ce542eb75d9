from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from shared.adapters.storage import StorageAccounts
from shared.settings import Connection
from shared.topology import CONTAINERS, QUEUES, TABLES
from tests.azurite import start_azurite
from tests.integration.import_crash.case import Case, Storage
from tests.integration.import_crash.publisher import RangeServer
from tests.integration.import_crash.worker import Mortality


@pytest.fixture(scope="module")
async def storage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Storage]:
    async with start_azurite(tmp_path_factory.mktemp("azurite")) as azurite:
        connection = Connection(connection_string=azurite.connection_string)
        mortality = Mortality()
        counted = StorageAccounts(connection, connection, lambda: None, mortality.on_request)
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
