"""What the tests of the Functions host stand on: certificates, servers and the host process."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from tests.certificates import Certificates

REPOSITORY = Path(__file__).parents[3]
APP = Path(__file__).parent / "app"

PATIENCE_SECONDS = 30


class Collector:
    """Hears from the function app what happens to it, and holds functions back at gates."""

    def __init__(self) -> None:
        self.base = ""
        self.facts: list[dict[str, Any]] = []
        self._news = asyncio.Condition()
        self._gates: dict[str, asyncio.Event] = {}
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.router.add_post("/facts", self._record)
        app.router.add_get("/gates/{name}", self._hold)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.base = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        for gate in self._gates.values():
            gate.set()
        assert self._runner is not None
        await self._runner.cleanup()

    def open_gate(self, name: str) -> None:
        self._gate(name).set()

    def of(self, function: str, **wanted: Any) -> list[dict[str, Any]]:
        return [
            fact
            for fact in self.facts
            if fact["function"] == function and wanted.items() <= fact.items()
        ]

    async def wait_for(self, count: int, function: str, **wanted: Any) -> list[dict[str, Any]]:
        """Wait until so many facts of a function have come in."""
        async with asyncio.timeout(PATIENCE_SECONDS), self._news:
            await self._news.wait_for(lambda: len(self.of(function, **wanted)) >= count)
        return self.of(function, **wanted)

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS), self._news:
            await self._news.wait_for(condition)

    def _gate(self, name: str) -> asyncio.Event:
        return self._gates.setdefault(name, asyncio.Event())

    async def _record(self, request: web.Request) -> web.Response:
        fact = await request.json()
        async with self._news:
            self.facts.append(fact)
            self._news.notify_all()
        return web.Response()

    async def _hold(self, request: web.Request) -> web.Response:
        await self._gate(request.match_info["name"]).wait()
        return web.Response()


@dataclass(slots=True)
class HostProcess:
    """A running Functions host and what a client needs to talk to it."""

    process: Process
    base: str
    keys: dict[str, Any]
    log: Path

    async def stop(self) -> int:
        """Tell the host to stop and return its exit code."""
        if self.process.returncode is None:
            self.process.terminate()
        return await self.wait()

    async def wait(self) -> int:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.process.wait()


@dataclass(slots=True)
class HostFactory:
    """Starts hosts, each with a name, settings and a host id of its own."""

    folder: Path
    certificates: Certificates
    settings: Mapping[str, str]
    running: list[HostProcess] = field(default_factory=list)

    async def launch(
        self, name: str, settings: Mapping[str, str], app: Path, *options: str
    ) -> tuple[Process, Path]:
        """Start the process alone, whether it gets ready or not."""
        log = self.folder / f"{name}.log"
        arguments = [
            *("--app", str(app), "--keys-file", str(self.folder / f"{name}.keys.json")),
            *self.certificates.serving_arguments,
            *options,
        ]
        with log.open("ab") as errors:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "local.cloud.functions_host", *arguments),
                cwd=REPOSITORY,
                env={**os.environ, **self.settings, **settings},
                stdout=PIPE,
                stderr=errors,
            )
        return process, log

    async def start(
        self,
        name: str,
        settings: Mapping[str, str] | None = None,
        app: Path = APP,
        lease_seconds: int = 15,
    ) -> HostProcess:
        options = ("--host-id", name, "--queue-lease", str(lease_seconds))
        process, log = await self.launch(name, settings or {}, app, *options)
        assert process.stdout is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            line = (await process.stdout.readline()).decode()
        assert line.startswith("ready "), log.read_text()
        port = json.loads(line.removeprefix("ready "))["port"]
        keys = json.loads((self.folder / f"{name}.keys.json").read_text())
        host = HostProcess(process, f"https://localhost:{port}", keys, log)
        self.running.append(host)
        return host


class EventLog:
    """An event source in memory that speaks the log protocol and checks its signatures."""

    KEY = base64.b64encode(b"a key of the event source").decode()

    def __init__(self) -> None:
        self.port = 0
        self.requests: list[tuple[str, str, int]] = []
        self.authorizations: list[str] = []
        self._events: dict[tuple[str, str], list[dict[str, Any]]] = {}
        self._news = asyncio.Condition()
        self._runner: web.AppRunner | None = None

    @property
    def connection(self) -> str:
        return (
            f"Endpoint=sb://localhost:{self.port}/;SharedAccessKeyName=service;"
            f"SharedAccessKey={self.KEY};EntityPath=twins"
        )

    async def start(self, certificates: Certificates) -> None:
        app = web.Application()
        app.router.add_get("/{hub}/partitions", self._partitions)
        app.router.add_get("/{hub}/partitions/{partition}/events", self._read)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        context = certificates.server_context()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=context)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    async def put(self, hub: str, partition: str, *bodies: str) -> None:
        async with self._news:
            events = self._events.setdefault((hub, partition), [])
            for body in bodies:
                number = len(events) + 1
                events.append(
                    {
                        "sequenceNumber": number,
                        "offset": str(number),
                        "enqueuedTimeUtc": "2026-03-04T05:06:07.8Z",
                        "partitionKey": "d1",
                        "systemProperties": {"iothub-connection-device-id": "d1"},
                        "properties": {"opType": "updateTwin"},
                        "body": base64.b64encode(body.encode()).decode(),
                    }
                )
            self._news.notify_all()

    def _is_authorized(self, request: web.Request) -> bool:
        authorization = request.headers.get("Authorization", "")
        self.authorizations.append(authorization)
        return authorization.startswith("SharedAccessSignature sr=")

    async def _partitions(self, request: web.Request) -> web.Response:
        if not self._is_authorized(request):
            return web.Response(status=401)
        return web.json_response({"partitions": ["0", "1"]})

    async def _read(self, request: web.Request) -> web.Response:
        if not self._is_authorized(request):
            return web.Response(status=401)
        key = request.match_info["hub"], request.match_info["partition"]
        after, most = int(request.query["after"]), int(request.query["max"])
        self.requests.append((*key, after))

        def waiting() -> list[dict[str, Any]]:
            return [e for e in self._events.get(key, []) if e["sequenceNumber"] > after][:most]

        try:
            async with asyncio.timeout(float(request.query["wait"])), self._news:
                await self._news.wait_for(waiting)
        except TimeoutError:
            pass
        return web.json_response({"events": waiting()})


def client_session(certificates: Certificates) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=certificates.client_context()))
