"""Five hundred agents on one hub, in several processes, each with a connection of its own.

One device after the other has its twin changed, as the service does: counted are the milliseconds
until its agent, which verifies the command first, asks for the first byte of the file. The ceiling
is the hub's own answer to the change. Then all the others are asked as fast as the hub takes it.
Another agent alone, in a process of its own, is watched while it has nothing to do.
"""

from __future__ import annotations

import asyncio
import copy
import hashlib
import ssl
import statistics
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence, Set
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from bench.harness import Options, Result, compared, percentile
from local.demo.publisher import build
from local.fleet.device import SimulatedDevice
from local.fleet.fleet import Fleet
from local.fleet.new_device import add_device
from local.fleet.registry import registry
from local.rest import Rest
from local.stack.running import REPOSITORY, Stack, start
from odu_cli.file_server import FileServer
from odu_cli.rest import RestError

_AGENTS, _QUICK_AGENTS = 500, 50
_PROCESSES = 5
_ALONE, _QUICK_ALONE = 60, 10
_IDLE_SECONDS, _QUICK_IDLE_SECONDS = 60.0, 10.0
_LANES = 8
_PAGE = 1000
_ROOT_KEYS = "root-keys.json"
_PATIENCE_SECONDS = 900.0
_MODEL = "toaster"


async def run(options: Options) -> Sequence[Result]:
    """Measure in milliseconds."""
    count = _QUICK_AGENTS if options.quick else _AGENTS
    options.say("starting the stack")
    with start() as stack:
        async with Rest(stack, patience=60) as rest, AsyncExitStack() as until_end:
            server = await until_end.enter_async_context(_content_server())
            service = await _signed_command(stack, rest, server)
            began = time.monotonic()
            sizes = dict.fromkeys(range(_PROCESSES), count // _PROCESSES)
            devices = [
                f"bench-{number}-{device:03}"
                for number, size in sizes.items()
                for device in range(1, size + 1)
            ]
            processes = [
                await until_end.enter_async_context(_agents(stack, number, size))
                for number, size in sizes.items()
            ]
            await _connected(stack, set(devices), options)
            connected = time.monotonic() - began
            asked = _Asked(service, server, await asyncio.to_thread(registry, stack))
            alone = devices[:: count // (_QUICK_ALONE if options.quick else _ALONE)]
            samples = [await asked.one(device) for device in alone]
            options.say(f"{len(samples)} were asked one by one")
            others = [device for device in devices if device not in set(alone)]
            together = await asked.all(others)
            memory = [_memory(process.pid) / (count // _PROCESSES) for process in processes]
        idle = await _idle(stack, options)
    notes = {
        "agents": count,
        "processes": _PROCESSES,
        "seconds until all have introduced themselves": round(connected, 1),
        "p95": round(percentile([byte for byte, _ in samples], 95), 1),
        f"{len(others)} at once, p50": round(statistics.median(together), 1),
        f"{len(others)} at once, the last": round(max(together), 1),
        "MiB an agent": round(statistics.mean(memory), 2),
        **idle,
    }
    return [
        compared(
            "twin change to first byte",
            "ms",
            [byte for byte, _ in samples],
            [hub for _, hub in samples],
            better="lower",
            notes=notes,
        )
    ]


@dataclass(slots=True)
class _Content:
    """Gives every file of the update, and knows when which device has asked first."""

    files: dict[str, bytes] = field(default_factory=dict)
    url: str = ""
    asked: dict[str, float] = field(default_factory=dict)
    waiting: dict[str, asyncio.Event] = field(default_factory=dict)

    def event(self, device: str) -> asyncio.Event:
        return self.waiting.setdefault(device, asyncio.Event())

    async def answer(self, request: web.Request) -> web.Response:
        device = request.match_info["device"]
        name = request.match_info["name"]
        if name != _ROOT_KEYS:
            self.asked.setdefault(device, time.perf_counter())
            self.event(device).set()
        return web.Response(body=self.files[name])


@dataclass(frozen=True, slots=True)
class _Asked:
    """Changes twins and waits for the first byte."""

    service: Mapping[str, Any]
    server: _Content
    hub: Any

    async def one(self, device: str) -> tuple[float, float]:
        """Milliseconds to the first byte, and to the hub's answer."""
        began = time.perf_counter()
        await asyncio.to_thread(self._change, device)
        answered = time.perf_counter()
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await self.server.event(device).wait()
        return (self.server.asked[device] - began) * 1000, (answered - began) * 1000

    async def all(self, devices: Sequence[str]) -> list[float]:
        """Milliseconds to the first byte of each."""
        lanes = asyncio.Semaphore(_LANES)
        began: dict[str, float] = {}

        async def ask(device: str) -> None:
            async with lanes:
                began[device] = time.perf_counter()
                await asyncio.to_thread(self._change, device)
            await self.server.event(device).wait()

        async with asyncio.timeout(_PATIENCE_SECONDS), asyncio.TaskGroup() as group:
            for device in devices:
                group.create_task(ask(device))
        return [(self.server.asked[device] - at) * 1000 for device, at in began.items()]

    def _change(self, device: str) -> None:
        from azure.iot.hub.models import Twin, TwinProperties

        service = copy.deepcopy(dict(self.service))
        service["workflow"]["id"] = f"bench-{device}"
        # the service itself is not what is measured here
        service["rootKeyPackageUrl"] = f"{self.server.url}/{device}/{_ROOT_KEYS}"
        service["fileUrls"] = {
            file_id: f"{self.server.url}/{device}/{url.partition('?')[0].rpartition('/')[2]}"
            for file_id, url in service["fileUrls"].items()
        }
        desired = {"deviceUpdate": {"__t": "c", "service": service}}
        self.hub.update_twin(device, Twin(properties=TwinProperties(desired=desired)))


@asynccontextmanager
async def _content_server() -> AsyncIterator[_Content]:
    content, app = _Content(), web.Application()
    app.router.add_get("/{device}/{name}", content.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    content.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield content
    finally:
        await runner.cleanup()


async def _signed_command(stack: Stack, rest: Rest, content: _Content) -> Mapping[str, Any]:
    """What the service asks a device for: one device more, whose twin is read."""
    package = build("1.0")
    async with FileServer() as server:
        operation = await rest.import_update([package.offered(server)])
        async for state in rest.states(operation):
            assert state["status"] != "Failed", state
    device = SimulatedDevice("sample", "contoso", _MODEL, "sample")
    async with Fleet(stack, [device], Path(stack.state) / "fleet"):
        await _listed(rest, "sample")
        await rest.deploy("sample", package.update_id, "d")
        hub = await asyncio.to_thread(registry, stack)
        async with asyncio.timeout(_PATIENCE_SECONDS):
            while True:
                twin = await asyncio.to_thread(hub.get_twin, "sample")
                found = twin.properties.desired.get("deviceUpdate", {}).get("service")
                if found:
                    break
                await asyncio.sleep(0.2)
    names = {digest.partition("?")[0].rpartition("/")[2] for digest in found["fileUrls"].values()}
    by_digest = {_hex(file): file for file in package.files.values()}
    content.files = {name: by_digest[name] for name in names}
    content.files |= {_ROOT_KEYS: await _fetched(stack, found["rootKeyPackageUrl"])}
    return dict(found)


async def _fetched(stack: Stack, url: str) -> bytes:
    trust = ssl.create_default_context(cafile=stack.ca_file)
    async with aiohttp.ClientSession() as session, session.get(url, ssl=trust) as response:
        response.raise_for_status()
        return await response.read()


def _hex(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@asynccontextmanager
async def _agents(
    stack: Stack, number: int, count: int
) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process with so many agents."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "local.cli", "fleet", str(count)),
        *("--group", f"bench-{number}", "--model", _MODEL, "--state", stack.state),
        cwd=REPOSITORY,
        env={"PYTHONPATH": f"{REPOSITORY}:{REPOSITORY / 'cli'}"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        process.terminate()
        await process.wait()


async def _listed(rest: Rest, device: str) -> None:
    """Wait until the service knows a device: its group can be deployed to."""
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while True:
            try:
                await rest.get(f"management/devices/{device}")
            except RestError as error:
                if error.status != HTTPStatus.NOT_FOUND:
                    raise
                await asyncio.sleep(0.5)
            else:
                return


async def _connected(stack: Stack, devices: Set[str], options: Options) -> None:
    """Wait until the hub has so many devices connected that have introduced themselves."""
    hub = await asyncio.to_thread(registry, stack)
    async with asyncio.timeout(_PATIENCE_SECONDS):
        while missing := devices - await asyncio.to_thread(_introduced, hub):
            options.say(f"{len(devices) - len(missing)} agents have introduced themselves")
            await asyncio.sleep(1)


def _introduced(hub: Any) -> set[str]:
    from azure.iot.hub.models import QuerySpecification

    query = QuerySpecification(query="SELECT * FROM devices WHERE connectionState = 'Connected'")
    found: set[str] = set()
    token: str | None = None
    while True:
        page = hub.query_iot_hub(query, token, _PAGE)
        found |= {
            twin.device_id
            for twin in page.items
            if "agent" in twin.properties.reported.get("deviceUpdate", {})
        }
        token = page.continuation_token
        if token is None:
            return found


async def _idle(stack: Stack, options: Options) -> Mapping[str, Any]:
    """What an agent takes while it has nothing to do."""
    seconds = _QUICK_IDLE_SECONDS if options.quick else _IDLE_SECONDS
    device = SimulatedDevice("idle", "contoso", _MODEL, "idle")
    folder = Path(stack.state) / "idle"
    config = await asyncio.to_thread(add_device, stack, device, folder, is_simulated=True)
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "odu_agent", "--config", str(config)),
        env={"PYTHONPATH": str(REPOSITORY / "agent")},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await _connected(stack, {"idle"}, options)
        before = _switches(process.pid)
        await asyncio.sleep(seconds)
        switches = _switches(process.pid) - before
        return {
            "MiB of an idle agent": round(_memory(process.pid), 1),
            f"its wake-ups in {seconds:g} s": switches,
        }
    finally:
        process.terminate()
        await process.wait()


def _memory(pid: int) -> float:
    """MiB of resident memory."""
    return _status(Path(f"/proc/{pid}/status"), "VmRSS") / 1024


def _switches(pid: int) -> int:
    """How often its threads have waited and were woken."""
    tasks = Path(f"/proc/{pid}/task").glob("*/status")
    return sum(_status(task, "voluntary_ctxt_switches") for task in tasks)


def _status(path: Path, name: str) -> int:
    lines = path.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
