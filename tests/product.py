"""The running product as an operator, a publisher and a device maker use it together."""

from __future__ import annotations

import asyncio
import base64
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from azure.iot.device import ProxyOptions
from azure.iot.device.aio import IoTHubDeviceClient, IoTHubModuleClient
from azure.iot.hub import IoTHubRegistryManager
from azure.iot.hub.models import Twin, TwinProperties

from local.fleet.fleet import Fleet, SimulatedDevice
from local.rest import Rest
from odu_cli.rest import RestError
from shared.contract.codes import Action
from shared.contract.twin import startup_report
from tests.packages import MANUFACTURER, Package
from tests.storage import Storage
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from local.stack.running import Stack
    from tests.sources import Sources

FINISHED = ("Succeeded", "Failed")


class Product:
    """Everything that a test of the whole product does to it."""

    def __init__(
        self,
        stack: Stack,
        rest: Rest,
        sources: Sources,
        folder: Path,
        *,
        interruptions: tuple[type[Exception], ...] = (),
        agent: Literal["odu", "c"] = "odu",
    ) -> None:
        self.agent = agent
        self.stack = stack
        self.rest = rest
        self.sources = sources
        self.storage = Storage(stack)
        self._folder = folder
        self._interruptions = interruptions

    async def eventually[T](self, look: Callable[[], Awaitable[T]]) -> T:
        """Look until it raises no AssertionError, and none of the known interruptions either."""
        return await eventually(look, interruptions=self._interruptions)

    async def import_items(self, *items: dict[str, Any]) -> Mapping[str, Any]:
        """Import and wait for the end; the operation."""
        operation = await self.rest.import_update(list(items))
        return await self.ended(operation)

    async def ended(self, operation: str) -> Mapping[str, Any]:
        """Wait for the end of an operation, whatever happens to the service meanwhile."""

        async def look() -> Mapping[str, Any]:
            state: Mapping[str, Any] = await self.rest.get(operation)
            assert state["status"] in FINISHED, state
            return state

        return await self.eventually(look)

    async def publish(self, *packages: Package) -> Mapping[str, Any]:
        """Import packages in one request, which must succeed."""
        ended = await self.import_items(*(self.sources.offer(package) for package in packages))
        assert ended["status"] == "Succeeded", ended
        return ended

    async def unquarantined(self, operation_id: str) -> None:
        """Wait until a finished import has left quarantine, which is soon after it has ended."""

        async def look() -> None:
            prefix = f"{self.stack.instance}/{operation_id}/"
            assert await self.storage.blobs("quarantine", prefix) == []

        await self.eventually(look)

    async def error_of(self, path: str, method: str = "GET", body: object = None) -> RestError:
        """The error that a request must be answered with."""
        try:
            await self.rest.request(method, path, body)
        except RestError as error:
            return error
        raise AssertionError(f"{method} {path} was not refused")

    @asynccontextmanager
    async def fleet(
        self, group: str | None, model: str, count: int = 1, **simulator: Any
    ) -> AsyncIterator[Fleet]:
        """Simulated devices of one group and model, named after it, while the block lasts."""
        devices = [
            SimulatedDevice(
                device_id=f"{model}-{number}",
                manufacturer=MANUFACTURER,
                model=model,
                group=group,
                simulator=simulator,
                agent=self.agent,
            )
            for number in range(count)
        ]
        async with Fleet(self.stack, devices, self._folder) as fleet:
            yield fleet

    @asynccontextmanager
    async def module(self, group: str, model: str) -> AsyncIterator[tuple[str, str]]:
        """A module whose agent reports once and then keeps silent; its device's id and its own."""
        key = base64.b64encode(b"k" * 32).decode()
        device_id, module_id = f"{model}-host", "agent"
        hub = self.hub()
        await asyncio.to_thread(hub.create_device_with_sas, device_id, key, key, "enabled")
        await asyncio.to_thread(hub.create_module_with_sas, device_id, module_id, "", key, key)
        tagged = Twin(tags={"ADUGroup": group})
        await asyncio.to_thread(hub.update_module_twin, device_id, module_id, tagged)
        client = IoTHubModuleClient.create_from_connection_string(
            f"HostName=localhost;DeviceId={device_id};ModuleId={module_id};SharedAccessKey={key}",
            proxy_options=ProxyOptions("HTTP", "127.0.0.1", self.stack.hub_port),
            server_verification_cert=await asyncio.to_thread(Path(self.stack.ca_file).read_text),
        )
        try:
            await client.patch_twin_reported_properties(startup_report(MANUFACTURER, model))
            yield device_id, module_id
        finally:
            await client.shutdown()

    @asynccontextmanager
    async def device(self, device_id: str) -> AsyncIterator[IoTHubDeviceClient]:
        """The unmodified device SDK's client of a device that the hub knows, without an agent."""
        known = await asyncio.to_thread(self.hub().get_device, device_id)
        key = known.authentication.symmetric_key.primary_key
        client = IoTHubDeviceClient.create_from_connection_string(
            f"HostName=localhost;DeviceId={device_id};SharedAccessKey={key}",
            proxy_options=ProxyOptions("HTTP", "127.0.0.1", self.stack.hub_port),
            server_verification_cert=await asyncio.to_thread(Path(self.stack.ca_file).read_text),
        )
        try:
            yield client
        finally:
            await client.shutdown()

    async def seen(self, group: str, count: int) -> None:
        """Wait until the service counts so many devices in a group."""

        async def look() -> None:
            found = [
                one["deviceCount"]
                for one in (await self.rest.get("management/groups"))["value"]
                if one["groupId"] == group
            ]
            assert found == [count], found

        await self.eventually(look)

    async def class_of(self, device_id: str) -> str:
        """The device class that the service has found for a device."""
        found: str = (await self.rest.get(f"management/devices/{device_id}"))["deviceClassId"]
        return found

    async def counts(self, group: str, deployment: str) -> dict[str, int]:
        """Devices of a deployment by state, over all classes; states without any are left out."""
        status = await self.rest.get(f"management/groups/{group}/deployments/{deployment}/status")
        names = {
            "devicesInProgressCount": "in progress",
            "devicesCompletedSucceededCount": "succeeded",
            "devicesCompletedFailedCount": "failed",
            "devicesCanceledCount": "canceled",
        }
        sums = {
            word: sum(one[name] for one in status["subgroupStatus"]) for name, word in names.items()
        }
        return {word: count for word, count in sums.items() if count}

    async def until_counts(self, group: str, deployment: str, **wanted: int) -> None:
        """Wait until the devices of a deployment stand as wanted."""
        expected = {word.replace("_", " "): count for word, count in wanted.items()}

        async def look() -> None:
            assert await self.counts(group, deployment) == expected

        await self.eventually(look)

    async def twin(self, device_id: str) -> Any:
        """The twin as the hub's service SDK reads it."""
        return await asyncio.to_thread(self.hub().get_twin, device_id)

    async def service_of(self, device_id: str) -> dict[str, Any]:
        """What a twin asks the update agent for."""
        twin = await self.twin(device_id)
        service: dict[str, Any] = twin.properties.desired["deviceUpdate"]["service"]
        return service

    async def agent_of(self, device_id: str) -> dict[str, Any]:
        """What the update agent of a device has reported."""
        twin = await self.twin(device_id)
        agent: dict[str, Any] = twin.properties.reported["deviceUpdate"]["agent"]
        return agent

    async def cancel_is_heard(self, device_id: str) -> None:
        """Wait until a device has acknowledged that it should stop."""

        async def look() -> None:
            properties = (await self.twin(device_id)).properties
            said = properties.reported["deviceUpdate"].get("service", {})
            assert said.get("av") == properties.desired["$version"]
            assert said["value"]["workflow"]["action"] == Action.CANCEL

        await self.eventually(look)

    async def command(self, device_id: str, service: Mapping[str, Any]) -> None:
        """Write the desired section behind the service's back."""
        desired = {"deviceUpdate": {"__t": "c", "service": dict(service)}}
        twin = Twin(properties=TwinProperties(desired=desired))
        await asyncio.to_thread(self.hub().update_twin, device_id, twin)

    def hub(self) -> Any:
        """The unmodified service SDK's registry client."""
        manager = IoTHubRegistryManager.from_connection_string(self.stack.iot_hub_connection_string)
        manager.protocol.config.connection.verify = self.stack.ca_file
        return manager
