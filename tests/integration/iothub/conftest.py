from __future__ import annotations

import asyncio
import base64
import itertools
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import aiohttp
import pytest
from azure.iot.device import ProxyOptions
from azure.iot.device.aio import IoTHubDeviceClient, IoTHubModuleClient
from azure.iot.hub import IoTHubConfigurationManager, IoTHubJobManager, IoTHubRegistryManager
from azure.iot.hub.models import QuerySpecification, Twin, TwinProperties

from local.cloud.iothub.auth import sign
from tests.certificates import Certificates, make_certificates
from tests.processes import Server, start_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

OWNER_KEY = base64.b64encode(b"o" * 32).decode()
SERVICE_KEY = base64.b64encode(b"s" * 32).decode()
DEVICE_KEY = base64.b64encode(b"d" * 32).decode()
SECOND_KEY = base64.b64encode(b"e" * 32).decode()
API = "api-version=2021-04-12"
PATIENCE = 10.0

_numbers = itertools.count(1)


def make_token(
    resource: str, key: str, policy: str = "", expires_in: float = 600, at: float | None = None
) -> str:
    """Return a shared access signature made without an SDK."""
    encoded, expiry = quote(resource, safe=""), str(int((at or time.time()) + expires_in))
    signature = quote(base64.b64encode(sign(encoded, expiry, key)).decode(), safe="")
    name = f"&skn={policy}" if policy else ""
    return f"SharedAccessSignature sr={encoded}&sig={signature}&se={expiry}{name}"


@dataclass(frozen=True, slots=True)
class Hub:
    """A running hub and clients that trust it."""

    server: Server
    certificates: Certificates
    session: aiohttp.ClientSession
    clients: list[IoTHubDeviceClient | IoTHubModuleClient] = field(default_factory=list)

    @property
    def host(self) -> str:
        return f"localhost:{self.server.port}"

    def connection_string(self, policy: str = "iothubowner", key: str = OWNER_KEY) -> str:
        return f"HostName={self.host};SharedAccessKeyName={policy};SharedAccessKey={key}"

    def manager(self, kind: type[Any] = IoTHubRegistryManager, **policy: str) -> Any:
        """Return an unmodified client of the service SDK."""
        manager = kind.from_connection_string(self.connection_string(**policy))
        manager.protocol.config.connection.verify = str(self.certificates.authority)
        return manager

    async def service(self, operation: str, *args: Any, kind: type[Any] | None = None) -> Any:
        """Call an operation of the service SDK in a thread."""
        manager = self.manager(kind or IoTHubRegistryManager)
        return await asyncio.to_thread(getattr(manager, operation), *args)

    async def jobs(self, operation: str, *args: Any) -> Any:
        return await self.service(operation, *args, kind=IoTHubJobManager)

    async def configurations(self, operation: str, *args: Any) -> Any:
        return await self.service(operation, *args, kind=IoTHubConfigurationManager)

    async def new_device(self, prefix: str = "device") -> str:
        """Create a device of its own for a test and return its id."""
        device_id = f"{prefix}-{next(_numbers)}"
        await self.service("create_device_with_sas", device_id, DEVICE_KEY, SECOND_KEY, "enabled")
        return device_id

    async def patch(self, device_id: str, *, etag: str | None = None, **sections: Any) -> Twin:
        """Merge `tags` and `desired` into a twin."""
        twin = Twin(tags=sections.get("tags"))
        if "desired" in sections:
            twin.properties = TwinProperties(desired=sections["desired"])
        patched: Twin = await self.service("update_twin", device_id, twin, etag)
        return patched

    async def query(
        self, text: str, continuation: str | None = None, size: int | None = None
    ) -> Any:
        return await self.service(
            "query_iot_hub", QuerySpecification(query=text), continuation, size
        )

    def device(
        self, device_id: str, key: str = DEVICE_KEY, module_id: str = "", **options: Any
    ) -> IoTHubDeviceClient:
        """Return an unmodified client of the device SDK; it reaches the port as a proxy."""
        text = f"HostName=localhost;DeviceId={device_id};SharedAccessKey={key}"
        kind = IoTHubModuleClient if module_id else IoTHubDeviceClient
        client = kind.create_from_connection_string(
            text + (f";ModuleId={module_id}" if module_id else ""),
            proxy_options=ProxyOptions("HTTP", "127.0.0.1", self.server.port),
            server_verification_cert=self.certificates.authority.read_text(),
            connection_retry_interval=1,
            **options,
        )
        self.clients.append(client)
        return client

    async def call(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        json: Any = None,
        data: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> aiohttp.ClientResponse:
        """Call the service API without an SDK; the body of the answer is read already."""
        token = token or make_token(self.host, OWNER_KEY, "iothubowner")
        async with self.session.request(
            method,
            f"{self.server.url}{path}",
            json=json,
            data=data,
            headers={"Authorization": token, **(headers or {})},
        ) as response:
            await response.read()
            return response

    async def faults(self, **body: Any) -> dict[str, Any]:
        response = await self.call("PUT", "/local/faults", json=body)
        assert response.status == 200, await response.text()
        answer: dict[str, Any] = await response.json()
        return answer

    async def events(self, device_id: str) -> list[dict[str, Any]]:
        """Return all routed messages about a device."""
        found = []
        response = await self.call("GET", "/twins/partitions")
        for partition in (await response.json())["partitions"]:
            after = 0
            while True:
                response = await self.call(
                    "GET", f"/twins/partitions/{partition}/events?after={after}&max=1000&wait=0"
                )
                events = (await response.json())["events"]
                if not events:
                    break
                after = events[-1]["sequenceNumber"]
                found += [e for e in events if e["properties"]["deviceId"] == device_id]
        return found

    async def state(self, device_id: str, wanted: str) -> None:
        """Wait until the twin shows a connection state."""
        await eventually(lambda: self._has_state(device_id, wanted))

    async def _has_state(self, device_id: str, wanted: str) -> bool:
        twin = await self.service("get_twin", device_id)
        return bool(twin.connection_state == wanted)


def connection_states(client: IoTHubDeviceClient) -> asyncio.Queue[bool]:
    """Collect whether the client is connected, each time that changes."""
    loop, states = asyncio.get_running_loop(), asyncio.Queue[bool]()

    def changed() -> None:
        loop.call_soon_threadsafe(states.put_nowait, client.connected)

    client.on_connection_state_change = changed
    return states


async def state_of(states: asyncio.Queue[bool], *, connected: bool) -> None:
    """Wait until the client has that state."""
    async with asyncio.timeout(PATIENCE):
        while await states.get() is not connected:
            pass


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds that no event tells of."""
    async with asyncio.timeout(PATIENCE):
        while not await condition():  # noqa: ASYNC110 - the hub is another process
            await asyncio.sleep(0.02)


@asynccontextmanager
async def run_hub(
    certificates: Certificates, state: Path, *args: str, env: dict[str, str] | None = None
) -> AsyncIterator[Hub]:
    """Run a hub as a process of its own."""
    keys = {"IOTHUB_OWNER_KEY": OWNER_KEY, "IOTHUB_SERVICE_KEY": SERVICE_KEY}
    connector = aiohttp.TCPConnector(ssl=certificates.client_context())
    arguments = ("--state", str(state), *args, *certificates.serving_arguments)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        start_server("local.cloud.iothub", *arguments, env={**keys, **(env or {})}) as server,
    ):
        hub = Hub(server, certificates, session)
        try:
            yield hub
        finally:
            await asyncio.gather(*(client.shutdown() for client in hub.clients))


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("iothub-tls"))


@pytest.fixture(scope="session")
async def shared(
    certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Hub]:
    """One hub for all tests that only use devices of their own."""
    state = tmp_path_factory.mktemp("iothub-state")
    async with run_hub(certificates, state, "--route-connection-state") as hub:
        yield hub


@pytest.fixture
async def hub(shared: Hub) -> AsyncIterator[Hub]:
    """The shared hub; device clients of the test are shut down after it."""
    yield shared
    clients, shared.clients[:] = tuple(shared.clients), []
    await asyncio.gather(*(client.shutdown() for client in clients))


@pytest.fixture
def own_hub(
    certificates: Certificates, tmp_path: Path
) -> Callable[..., AbstractAsyncContextManager[Hub]]:
    """Runs a hub of the test's own, again and again on the same state."""

    def run(*args: str, env: dict[str, str] | None = None) -> AbstractAsyncContextManager[Hub]:
        return run_hub(certificates, tmp_path / "state", *args, env=env)

    return run
