"""One Azurite, one collector, one event log and one host for all tests of the Functions host."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

import aiohttp
import pytest
from azure.storage.blob.aio import BlobServiceClient
from azure.storage.queue.aio import QueueServiceClient

from tests.azurite import Azurite, start_azurite
from tests.certificates import Certificates, make_certificates
from tests.integration.functions_host.support import (
    Collector,
    EventLog,
    HostFactory,
    HostProcess,
    client_session,
)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
async def azurite(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Azurite]:
    async with start_azurite(tmp_path_factory.mktemp("azurite")) as server:
        yield server


@pytest.fixture(scope="session")
async def collector() -> AsyncIterator[Collector]:
    server = Collector()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(scope="session")
async def event_log(certificates: Certificates) -> AsyncIterator[EventLog]:
    server = EventLog()
    await server.start(certificates)
    yield server
    await server.stop()


@pytest.fixture(scope="session")
async def hosts(
    tmp_path_factory: pytest.TempPathFactory,
    certificates: Certificates,
    azurite: Azurite,
    collector: Collector,
    event_log: EventLog,
) -> AsyncIterator[HostFactory]:
    settings = {
        "AzureWebJobsStorage": azurite.connection_string,
        "STATE": azurite.connection_string,
        "CONTENT": azurite.connection_string,
        "TWINS": event_log.connection,
        "COLLECTOR": collector.base,
        "WORK_QUEUE": "work",
        "COPY_QUEUE": "copies",
        "TICK_SCHEDULE": "0 0 0 1 1 *",
        "SSL_CERT_FILE": str(certificates.authority),
        "AzureFunctionsJobHost__extensions__queues__maxPollingInterval": "00:00:00.2",
    }
    factory = HostFactory(tmp_path_factory.mktemp("hosts"), certificates, settings)
    yield factory
    for host in factory.running:
        try:
            await host.stop()
        finally:
            with contextlib.suppress(ProcessLookupError):
                host.process.kill()
            await host.process.communicate()


@pytest.fixture(scope="session")
async def host(hosts: HostFactory) -> HostProcess:
    return await hosts.start("shared")


@pytest.fixture(scope="session")
async def web_client(certificates: Certificates) -> AsyncIterator[aiohttp.ClientSession]:
    async with client_session(certificates) as session:
        yield session


@pytest.fixture(scope="session")
async def queues(azurite: Azurite) -> AsyncIterator[QueueServiceClient]:
    async with QueueServiceClient.from_connection_string(azurite.connection_string) as client:
        yield client


@pytest.fixture(scope="session")
async def blobs(azurite: Azurite) -> AsyncIterator[BlobServiceClient]:
    async with BlobServiceClient.from_connection_string(azurite.connection_string) as client:
        yield client
