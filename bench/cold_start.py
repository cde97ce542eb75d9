"""First answers of a new worker: from the start of the process to a read, an import, an event, a
reconcile message.

The host is the stack's own program, started anew for each measurement beside a stack whose own host
stands still meanwhile. The ceiling is the same host with a bare app: the same kinds of trigger, the
same SDKs, the same number of storage calls, and no rules. Both have their bytecode at hand.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import msgspec
from azure.storage.queue.aio import QueueClient

from bench.harness import Measure, Options, Result, compared, in_turns
from bench.second_host import host_command, host_settings
from local.stack.errors import StackError
from local.stack.running import Stack, start
from shared import messages
from shared.contract.twin import startup_report
from shared.domain.fleet.device import TwinChange, bucket_of
from shared.domain.fleet.twin_content import kept_content
from shared.services.devices.relay import Chunk

_APP = Path(__file__).parent / "bare_service"
_ROUNDS, _QUICK_ROUNDS = 9, 3
_PATIENCE_SECONDS = 60.0
_POLL_SECONDS = 0.005
_REPORTED_AT = "2026-01-01T00:00:00.000000+00:00"


async def run(options: Options) -> Sequence[Result]:
    """Measure in milliseconds."""
    rounds = _QUICK_ROUNDS if options.quick else _ROUNDS
    options.say("starting the stack")
    with start() as stack:
        bench = _ColdStart(stack)
        async with bench.queues(), _standing_still(stack):
            results = []
            for name, (ours, bare) in bench.calls().items():
                measures: dict[str, Measure] = {
                    "figure": bench.measured(ours, bench.own),
                    "ceiling": bench.measured(bare, bench.bare),
                }
                for measure in measures.values():  # writes the bytecode
                    await measure()
                samples = await in_turns(rounds, measures, options.say)
                results.append(
                    compared(
                        f"cold_start, {name}",
                        "ms",
                        samples["figure"],
                        samples["ceiling"],
                        better="lower",
                    )
                )
            return results


@asynccontextmanager
async def _standing_still(stack: Stack) -> AsyncIterator[None]:
    """Stop the stack's own host, so that it takes no message, and let it go on afterwards."""
    os.kill(stack.pids["host"], signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(stack.pids["host"], signal.SIGCONT)


@dataclass(frozen=True, slots=True)
class _Host:
    """A new host: its address, and where its keys are."""

    endpoint: str
    session: aiohttp.ClientSession
    webhook_key: str


type _Call = Callable[[_Host], Awaitable[None]]


class _ColdStart:
    """Starts hosts like the stack's own and times their first call."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack
        self._settings = host_settings(stack)
        self.own = host_command(stack)
        self.bare = [
            str(_APP) if before == "--app" else "bare-cold" if before == "--host-id" else word
            for before, word in zip(["", *self.own], self.own, strict=False)
        ]
        self._keys = json.loads(Path(self._after("--keys-file")).read_text())

    def _after(self, option: str) -> str:
        return self.own[self.own.index(option) + 1]

    @asynccontextmanager
    async def queues(self) -> AsyncIterator[None]:
        """The queues of the bare app."""
        for name in ("bare-in", "bare-out"):
            async with self._queue(name) as queue:
                await queue.create_queue()
        yield

    def _queue(self, name: str) -> QueueClient:
        return QueueClient.from_connection_string(self._stack.storage_connection_string, name)

    def calls(self) -> Mapping[str, tuple[_Call, _Call]]:
        """By what is called: a first call of ours, and of the bare app."""
        api = f"/deviceUpdate/{self._stack.instance}"
        version = "?api-version=2022-10-01"
        return {
            "read": (
                self._request("GET", f"{api}/management/deviceClasses{version}"),
                self._request("GET", "/bare/read"),
            ),
            "import": (
                self._request("POST", f"{api}/updates:import{version}", _an_import),
                self._request("POST", "/bare/write", lambda: {"id": uuid4().hex}),
            ),
            "event": (self._event("apply_twin_changes", self._twin_changes), self._bare_event()),
            "reconcile message": (
                self._message(messages.Reconcile.queue, self._reconcile),
                self._message("bare-in", lambda: base64.b64encode(b"{}").decode()),
            ),
        }

    def measured(self, call: _Call, command: Sequence[str]) -> Measure:
        """Milliseconds from the start of a process to the end of its first call."""

        async def measure() -> float:
            started = time.perf_counter()
            async with self._host(command) as host:
                await call(host)
                return (time.perf_counter() - started) * 1000

        return measure

    @asynccontextmanager
    async def _host(self, command: Sequence[str]) -> AsyncIterator[_Host]:
        settings = {
            **self._settings,
            "BARE_KEYS": self._settings["TOKEN_JWKS_URI"],
            "BARE_AUDIENCE": self._stack.token_audience,
            "BARE_ISSUER": self._stack.token_issuer,
        }
        settings.pop("PYTHONDONTWRITEBYTECODE", None)
        process = await asyncio.create_subprocess_exec(
            *command,
            env=settings,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                line = (await process.stdout.readline()).decode()
            if not line.startswith("ready "):
                raise StackError("a new Functions host does not start")
            port = json.loads(line.removeprefix("ready "))["port"]
            timeout = aiohttp.ClientTimeout(total=_PATIENCE_SECONDS)
            connector = aiohttp.TCPConnector(ssl=False)
            async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
                key = self._keys["system"]["eventgrid_extension"]
                yield _Host(f"https://localhost:{port}", session, key)
        finally:
            if process.returncode is None:
                process.kill()
            await process.communicate()

    def _request(self, method: str, path: str, body: Callable[[], Any] | None = None) -> _Call:
        headers = {"Authorization": f"Bearer {self._stack.token()}"}

        async def call(host: _Host) -> None:
            document = body() if body else None
            answer = await host.session.request(
                method, host.endpoint + path, headers=headers, json=document
            )
            answer.raise_for_status()

        return call

    def _event(self, function: str, data: Callable[[], Any]) -> _Call:
        async def call(host: _Host) -> None:
            event = {
                "specversion": "1.0",
                "id": uuid4().hex,
                "source": "bench",
                "type": "OpenDeviceUpdate.TwinChanges",
                "subject": "devices",
                "data": data(),
            }
            answer = await host.session.post(
                f"{host.endpoint}/runtime/webhooks/eventgrid",
                params={"functionName": function, "code": host.webhook_key},
                data=json.dumps([event]),
                headers={"Content-Type": "application/cloudevents-batch+json"},
            )
            answer.raise_for_status()

        return call

    def _bare_event(self) -> _Call:
        return self._event("fold", lambda: {"id": uuid4().hex})

    def _message(self, queue: str, body: Callable[[], str]) -> _Call:
        async def call(_: _Host) -> None:
            async with self._queue(queue) as client:
                await client.send_message(body())
                async with asyncio.timeout(_PATIENCE_SECONDS):
                    while True:
                        known = await client.get_queue_properties()
                        if not known.approximate_message_count:
                            return
                        await asyncio.sleep(_POLL_SECONDS)

        return call

    def _reconcile(self) -> str:
        message = messages.Reconcile(instance=self._stack.instance, bucket=0, group="$default")
        return base64.b64encode(messages.encode(message)).decode()

    def _twin_changes(self) -> Any:
        name = f"cold-{uuid4().hex[:8]}"
        reported = startup_report("contoso", "toaster")
        content = kept_content({"properties": {"reported": reported}})
        change = TwinChange(name, None, 2, content, is_whole=False, at=_REPORTED_AT)
        return msgspec.to_builtins(Chunk(self._stack.instance, bucket_of(name), [change]))


def _an_import() -> list[dict[str, Any]]:
    manifest = {
        "url": f"https://localhost:1/{uuid4().hex}.importmanifest.json",
        "sizeInBytes": 1_000,
        "hashes": {"sha256": "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="},
    }
    return [{"importManifest": manifest, "files": []}]
