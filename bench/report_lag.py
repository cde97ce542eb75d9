"""Lag of reports: from a device's MQTT publish until the REST API shows it, 24 devices connected.

One device after the other reports that it has another update installed; the way leads through hub,
event stream, relay, Event Grid and tables. The ceiling is the same report until the hub itself
shows it, read by the hub's service API. A burst has all devices report at once; counted are the
seconds until the API shows the last of them.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.harness import Options, Result, compared, in_turns, percentile
from local.fleet.device import SimulatedDevice
from local.fleet.registry import register, registry
from local.rest import Rest
from local.stack.running import Stack, start
from odu_cli.rest import RestError

_DEVICES = 24
_SAMPLES, _QUICK_SAMPLES = 48, 12
_BURSTS = 3
_POLL_SECONDS = 0.01
_PATIENCE_SECONDS = 60.0
_GROUP = "bench"

type _Look = Callable[[str, str], Awaitable[bool]]
"""Whether a device's report of a version can be seen."""


async def run(options: Options) -> Sequence[Result]:
    """Measure in milliseconds."""
    options.say("starting the stack")
    with start() as stack:
        async with _devices(stack) as devices, Rest(stack, patience=5) as rest:
            lag = _Lag(devices, rest, await asyncio.to_thread(registry, stack))
            options.say("first reports")
            await lag.burst()
            samples = await in_turns(
                _QUICK_SAMPLES if options.quick else _SAMPLES,
                {"figure": lag.at_service, "ceiling": lag.at_hub},
                options.say,
            )
            bursts = [await lag.burst() for _ in range(_BURSTS)]
    notes: dict[str, Any] = {
        f"p{percent}": {
            "figure": percentile(samples["figure"], percent),
            "ceiling": percentile(samples["ceiling"], percent),
        }
        for percent in (50, 95)
    }
    notes["all devices at once, the last after ms"] = statistics.median(bursts)
    return [
        compared(
            "report_lag", "ms", samples["figure"], samples["ceiling"], better="lower", notes=notes
        )
    ]


@dataclass(slots=True)
class _Lag:
    """Has devices report, each in its turn, and waits until the report can be seen."""

    devices: Mapping[str, Any]
    rest: Rest
    hub: Any
    _turns: itertools.cycle[str] = field(init=False)
    _versions: itertools.count[int] = field(default_factory=itertools.count, init=False)

    def __post_init__(self) -> None:
        self._turns = itertools.cycle(self.devices)

    async def at_service(self) -> float:
        """Milliseconds until the REST API shows a report."""
        return await self._until_seen(self._at_service)

    async def at_hub(self) -> float:
        """Milliseconds until the hub shows a report."""
        return await self._until_seen(self._at_hub)

    async def burst(self) -> float:
        """Milliseconds until the REST API shows the last of reports that all devices make."""
        started = time.perf_counter()
        version = self._version()
        await asyncio.gather(*(self._report(device, version) for device in self.devices))
        async with asyncio.timeout(_PATIENCE_SECONDS):
            for device in self.devices:
                await _until(self._at_service, device, version)
        return (time.perf_counter() - started) * 1000

    async def _until_seen(self, is_seen: _Look) -> float:
        device, version = next(self._turns), self._version()
        started = time.perf_counter()
        report = asyncio.create_task(self._report(device, version))
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await _until(is_seen, device, version)
            seconds = time.perf_counter() - started
            await report
        return seconds * 1000

    async def _at_service(self, device: str, version: str) -> bool:
        try:
            shown = await self.rest.get(f"management/devices/{device}")
        except RestError as error:
            if error.status != 404:
                raise
            return False
        installed = shown.get("installedUpdate") or {}
        return bool(installed.get("updateId", {}).get("version") == version)

    async def _at_hub(self, device: str, version: str) -> bool:
        twin = await asyncio.to_thread(self.hub.get_twin, device)
        agent = twin.properties.reported.get("deviceUpdate", {}).get("agent", {})
        return bool(json.loads(agent["installedUpdateId"])["version"] == version)

    async def _report(self, device: str, version: str) -> None:
        update = {"provider": "contoso", "name": "appliance", "version": version}
        agent = {
            "deviceProperties": {"manufacturer": "contoso", "model": "bench"},
            "compatPropertyNames": "manufacturer,model",
            "installedUpdateId": json.dumps(update),
            "state": 0,
        }
        patch = {"deviceUpdate": {"__t": "c", "agent": agent}}
        await self.devices[device].patch_twin_reported_properties(patch)

    def _version(self) -> str:
        return f"1.{next(self._versions)}"


async def _until(is_seen: _Look, device: str, version: str) -> None:
    while True:
        if await is_seen(device, version):
            return
        await asyncio.sleep(_POLL_SECONDS)


@asynccontextmanager
async def _devices(stack: Stack) -> AsyncIterator[dict[str, Any]]:
    """Connected clients of the device SDK, by device id."""
    from azure.iot.device import ProxyOptions
    from azure.iot.device.aio import IoTHubDeviceClient

    made = [
        SimulatedDevice(f"bench-{index:02d}", "contoso", "bench", _GROUP)
        for index in range(_DEVICES)
    ]
    keys = await asyncio.to_thread(register, stack, made)
    # the device SDK knows one port only; the hub stand-in tunnels to itself
    tunnel: Any = ProxyOptions
    options = {
        "server_verification_cert": await asyncio.to_thread(Path(stack.ca_file).read_text),
        "proxy_options": tunnel("HTTP", "127.0.0.1", stack.ports["iothub"]),
    }
    clients: dict[str, Any] = {}
    async with AsyncExitStack() as shut:
        for device, key in keys.items():
            clients[device] = IoTHubDeviceClient.create_from_connection_string(
                f"HostName=localhost;DeviceId={device};SharedAccessKey={key}", **options
            )
            shut.push_async_callback(clients[device].shutdown)
        await asyncio.gather(*(client.connect() for client in clients.values()))
        yield clients
