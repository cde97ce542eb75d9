from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from odu_agent.agent import Agent
from odu_agent.contract.diagnostics import LogResult, log_request
from odu_agent.log_files import newest_files

from .fake_hub import FakeHub
from .fixtures import QUICK, config

SAS = "sv=1&sig=top-secret"


@dataclass
class BlobServer:
    """Takes blobs; `answers` are the statuses of the first requests, then 201."""

    url: str = ""
    blobs: dict[str, bytes] = field(default_factory=dict)
    answers: list[int] = field(default_factory=list)
    queries: set[str] = field(default_factory=set)
    held: asyncio.Event | None = None
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def container(self) -> str:
        return f"{self.url}/account/diagnostics?{SAS}"

    async def put(self, request: web.Request) -> web.Response:
        content = await request.read()
        self.asked.set()
        if self.held is not None:
            await self.held.wait()
        assert request.headers["x-ms-blob-type"] == "BlockBlob"
        self.queries.add(request.query_string)
        status = self.answers.pop(0) if self.answers else 201
        if status == 201:
            self.blobs[request.path.removeprefix("/account/diagnostics/")] = content
        return web.Response(status=status)


@pytest.fixture
async def server() -> AsyncIterator[BlobServer]:
    found = BlobServer()
    app = web.Application()
    app.router.add_put("/{name:.+}", found.put)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield found
    await runner.cleanup()


@pytest.fixture
async def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
def logs(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    _write(folder / "agent.log", b"the newest", age=0)
    _write(folder / "agent 1.log", b"older", age=60)
    return folder


def _write(path: Path, content: bytes, *, age: float) -> None:
    path.write_bytes(content)
    os.utime(path, (1e9 - age, 1e9 - age))


@asynccontextmanager
async def _agent(hub: FakeHub, folder: Path, **changes: Any) -> AsyncIterator[None]:
    agent = Agent(config(folder, **changes), client_factory=hub.make_client, limits=QUICK)
    starts = _starts(hub)
    running = asyncio.create_task(agent.run())
    try:
        await hub.until(lambda: _starts(hub) > starts)
        yield
    finally:
        await agent.stop()
        await running


def _starts(hub: FakeHub) -> int:
    return sum("deviceInformation" in report for report in hub.reports)


def _results(hub: FakeHub) -> list[dict[str, Any]]:
    parts = [report.get("diagnosticInformation", {}).get("agent") for report in hub.reports]
    return [part for part in parts if part]


async def _answer(hub: FakeHub, request: dict[str, Any]) -> dict[str, Any]:
    count = len(_results(hub))
    await hub.desire(request)
    await hub.until(lambda: len(_results(hub)) > count)
    return _results(hub)[-1]


async def test_newest_files_of_each_component_are_uploaded(
    hub: FakeHub, server: BlobServer, logs: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "kernel").write_bytes(b"panic")

    async with _agent(hub, tmp_path, log_components={"agent": logs, "system": other}):
        answer = await _answer(hub, log_request("op-1", server.container))

    assert answer == {"resultCode": 200, "operationId": "op-1"}
    assert server.blobs == {
        "device-1/op-1/agent/agent.log": b"the newest",
        "device-1/op-1/agent/agent 1.log": b"older",
        "device-1/op-1/system/kernel": b"panic",
    }
    assert server.queries == {SAS}


async def test_request_is_acknowledged_without_its_secret(
    hub: FakeHub,
    server: BlobServer,
    logs: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG):
        async with _agent(hub, tmp_path, log_components={"agent": logs}):
            await _answer(hub, log_request("op-1", server.container))

    (ack,) = (
        report["diagnosticInformation"]["service"]
        for report in hub.reports
        if "service" in report.get("diagnosticInformation", {})
    )
    assert ack["ac"] == 200
    assert ack["av"] == 2
    assert ack["value"]["operationId"] == "op-1"
    assert "top-secret" not in str(hub.reports)
    assert "top-secret" not in "".join(
        record.getMessage() for record in caplog.records if record.name.startswith("odu_agent")
    )


async def test_module_has_a_folder_of_its_own(
    hub: FakeHub, server: BlobServer, logs: Path, tmp_path: Path
) -> None:
    hub.identity = ("device-1", "updater")

    async with _agent(hub, tmp_path, log_components={"agent": logs}):
        await _answer(hub, log_request("op-1", server.container))

    assert "device-1/updater/op-1/agent/agent.log" in server.blobs


async def test_request_is_carried_out_once_and_answered_again_after_a_restart(
    hub: FakeHub, server: BlobServer, logs: Path, tmp_path: Path
) -> None:
    async with _agent(hub, tmp_path, log_components={"agent": logs}):
        first = await _answer(hub, log_request("op-1", server.container))
    server.blobs.clear()
    async with _agent(hub, tmp_path, log_components={"agent": logs}):
        await hub.until(lambda: len(_results(hub)) == 2)

    assert _results(hub) == [first, first]
    assert server.blobs == {}


async def test_upload_that_a_restart_interrupts_begins_anew(
    hub: FakeHub, server: BlobServer, logs: Path, tmp_path: Path
) -> None:
    server.held = asyncio.Event()
    server.answers = [503]
    async with _agent(hub, tmp_path, log_components={"agent": logs}):
        await hub.desire(log_request("op-1", server.container))
        await server.asked.wait()
        asyncio.get_running_loop().call_later(0.2, server.held.set)
    assert _results(hub) == []
    async with _agent(hub, tmp_path, log_components={"agent": logs}):
        await hub.until(lambda: bool(_results(hub)))

    assert _results(hub) == [{"resultCode": 200, "operationId": "op-1"}]


async def test_busy_container_is_tried_again(
    hub: FakeHub, server: BlobServer, logs: Path, tmp_path: Path
) -> None:
    server.answers = [503]

    async with _agent(hub, tmp_path, log_components={"agent": logs}):
        answer = await _answer(hub, log_request("op-1", server.container))

    assert answer["resultCode"] == LogResult.SUCCESS


@pytest.mark.parametrize(
    ("answers", "code"),
    [
        ([403], LogResult.BAD_CREDENTIAL),
        ([404], LogResult.CONTAINER_CREATION_FAILED),
        ([500, 500, 500], LogResult.UPLOAD_FAILED),
    ],
)
async def test_refused_upload_is_reported(
    hub: FakeHub,
    server: BlobServer,
    logs: Path,
    tmp_path: Path,
    answers: list[int],
    code: LogResult,
) -> None:
    server.answers = answers

    async with _agent(hub, tmp_path, log_components={"agent": logs}):
        answer = await _answer(hub, log_request("op-1", server.container))

    assert answer == {"resultCode": code, "operationId": "op-1"}


@pytest.mark.parametrize(
    ("operation_id", "url", "has_components", "code"),
    [
        ("", "http://127.0.0.1/c?s", True, LogResult.NO_OPERATION_ID),
        ("op", "", True, LogResult.NO_SAS_URL),
        ("op", "ftp://host/c?s", True, LogResult.NO_SAS_URL),
        ("op", "http://[", True, LogResult.NO_SAS_URL),
        ("op", "http://127.0.0.1/c?s", False, LogResult.NO_COMPONENTS),
    ],
)
async def test_request_that_cannot_be_carried_out_is_answered(
    hub: FakeHub,
    logs: Path,
    tmp_path: Path,
    operation_id: str,
    url: str,
    has_components: bool,
    code: LogResult,
) -> None:
    components = {"agent": logs} if has_components else {}

    async with _agent(hub, tmp_path, log_components=components):
        answer = await _answer(hub, log_request(operation_id, url))

    assert answer == {"resultCode": code, "operationId": operation_id}


async def test_component_without_logs_stops_the_upload(
    hub: FakeHub, server: BlobServer, logs: Path, tmp_path: Path
) -> None:
    components = {"nothing": tmp_path / "absent", "agent": logs}

    async with _agent(hub, tmp_path, log_components=components):
        answer = await _answer(hub, log_request("op-1", server.container))

    assert answer["resultCode"] == LogResult.NO_LOGS_FOUND
    assert server.blobs == {}


def test_newest_files_are_chosen_within_the_limit(tmp_path: Path) -> None:
    for number, size in enumerate([4, 5, 3, 9]):
        _write(tmp_path / f"{number}.log", b"x" * size, age=number)
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "0.log")

    assert [file.path.name for file in newest_files(tmp_path, 8)] == ["0.log", "2.log"]
    assert [file.path.name for file in newest_files(tmp_path, 9)] == ["0.log", "1.log"]
    assert newest_files(tmp_path, 2) == []
