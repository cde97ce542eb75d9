from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from tests.azurite import Azurite, start_azurite
from tests.certificates import Certificates, make_certificates
from tests.integration.eventgrid.webhook import Webhook, start_webhook
from tests.processes import Server, start_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

TOPIC_KEY = "t0p1c-key"
ADMIN_KEY = "adm1n-key"
TIME_SCALE = 0.002
"""The first retry comes after 20 ms, the last ones after 7 s; a dead letter waits for 0.6 s."""


@dataclass(frozen=True, slots=True)
class Grid:
    """A running stand-in and a session that trusts it."""

    server: Server
    session: aiohttp.ClientSession

    def topic(self, name: str) -> str:
        return f"{self.server.url}/topics/{name}/api/events"

    async def call(
        self, method: str, path: str, json: Any = None, key: str = ADMIN_KEY
    ) -> tuple[int, Any]:
        """Return status and document of a call of the management side."""
        async with self.session.request(
            method, f"{self.server.url}/admin{path}", json=json, headers={"aeg-admin-key": key}
        ) as response:
            return response.status, await response.json() if response.content_length else None

    async def subscribe(self, name: str, endpoint: str, **fields: Any) -> dict[str, Any]:
        """Create a subscription to the custom topic, or to another one, that must succeed."""
        wanted = {"topic": "topic", "endpoint": endpoint, **fields}
        status, document = await self.call("PUT", f"/subscriptions/{name}", wanted)
        assert status in (200, 201), document
        created: dict[str, Any] = document
        return created

    async def publish(self, *events: dict[str, Any], topic: str = "topic") -> None:
        """Publish events in the Event Grid schema without an SDK."""
        async with self.session.post(
            self.topic(topic), json=events, headers={"aeg-sas-key": TOPIC_KEY}
        ) as response:
            assert response.status == 200, await response.text()

    async def subscription(self, name: str) -> dict[str, Any]:
        """Return a subscription with its counters."""
        _, document = await self.call("GET", "/subscriptions")
        [found] = [each for each in document["value"] if each["name"] == name]
        seen: dict[str, Any] = found
        return seen


StartGrid = "Callable[..., AbstractAsyncContextManager[Grid]]"


def an_event(number: int = 1, **fields: Any) -> dict[str, Any]:
    """Return an event in the Event Grid schema."""
    return {
        "id": f"event-{number}",
        "subject": f"devices/d{number}",
        "eventType": "OpenDeviceUpdate.TwinChanges",
        "eventTime": "2026-01-02T03:04:05Z",
        "data": {"number": number},
        "dataVersion": "1.0",
        **fields,
    }


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
async def azurite(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Azurite]:
    async with start_azurite(tmp_path_factory.mktemp("azurite")) as azurite:
        yield azurite


@pytest.fixture(scope="session")
async def session(certificates: Certificates) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(ssl=certificates.client_context(), force_close=True)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


@pytest.fixture(scope="session")
def start_grid(
    certificates: Certificates, azurite: Azurite, session: aiohttp.ClientSession
) -> Callable[..., AbstractAsyncContextManager[Grid]]:
    @asynccontextmanager
    async def start(
        state: Path, *arguments: str, time_scale: float = TIME_SCALE
    ) -> AsyncIterator[Grid]:
        async with start_server(
            "local.cloud.eventgrid",
            *("--state", state, "--time-scale", str(time_scale)),
            *certificates.serving_arguments,
            *arguments,
            env={
                **certificates.trust,
                "EVENT_GRID_KEY": TOPIC_KEY,
                "EVENT_GRID_ADMIN_KEY": ADMIN_KEY,
                "DEADLETTER_STORAGE": azurite.connection_string,
                "WATCH_STORAGE": azurite.connection_string,
            },
        ) as server:
            yield Grid(server, session)

    return start


@pytest.fixture(scope="session")
async def shared_grid(
    start_grid: Callable[..., AbstractAsyncContextManager[Grid]],
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[Grid]:
    async with start_grid(tmp_path_factory.mktemp("grid")) as grid:
        yield grid


@pytest.fixture
async def grid(shared_grid: Grid) -> AsyncIterator[Grid]:
    """The shared stand-in, without what the test leaves in it."""
    yield shared_grid
    _, document = await shared_grid.call("GET", "/subscriptions")
    for each in document["value"]:
        await shared_grid.call("DELETE", f"/subscriptions/{each['name']}")
    await shared_grid.call("PUT", "/faults", {})


@pytest.fixture
async def webhook(certificates: Certificates) -> AsyncIterator[Webhook]:
    async with start_webhook(certificates.server_context()) as webhook:
        yield webhook
