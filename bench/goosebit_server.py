"""A goosebit server in an environment of its own, and devices that poll it as hawkBit's have to."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp

from bench.told import Told

VERSION = "0.2.12"
_TABLES = """
import asyncio
from tortoise import Tortoise
from goosebit.db.config import TORTOISE_CONF
async def make():
    await Tortoise.init(config=TORTOISE_CONF)
    await Tortoise.generate_schemas()
    await Tortoise.close_connections()
asyncio.run(make())
"""
_STARTED_WITHIN_SECONDS = 120.0
_OPEN_AT_ONCE = 100
_DESCRIPTION = b"""software = {
  version = "1.1.0";
  hardware-compatibility: [ "default" ];
}
"""
_OLD = {"hw_boardname": "default", "hw_revision": "default", "sw_version": "1.0.0"}


def environment(folder: Path) -> Path:
    """Make an environment with goosebit in it; its Python."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    install = ["-m", "pip", "install", "-qq", "--disable-pip-version-check"]
    subprocess.run([str(python), *install, f"goosebit=={VERSION}"], check=True)
    return python


class Goosebit:
    """A server on a port of loopback, with tables of its own."""

    def __init__(self, python: Path, state: Path, poll_seconds: int) -> None:
        self._python = str(python)
        self._state = state
        minutes, seconds = divmod(poll_seconds, 60)
        self._settings = {
            **os.environ,
            "GOOSEBIT_POLL_TIME": f"00:{minutes:02}:{seconds:02}",
            "GOOSEBIT_DB_URI": f"sqlite://{state / 'db.sqlite3'}",
            "GOOSEBIT_ARTIFACTS_DIR": str(state / "artifacts"),
            "GOOSEBIT_SECRET_KEY": secrets.token_hex(32),
        }
        self._process: asyncio.subprocess.Process | None = None
        self._session: aiohttp.ClientSession | None = None
        self._token: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        """Start it, and sign in."""
        await self._run("-c", _TABLES)
        listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        port = listener.getsockname()[1]
        with (self._state / "log").open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(self._python, "-m", "uvicorn", "goosebit:app", "--no-access-log"),
                *("--log-level", "warning", "--fd", str(listener.fileno())),
                cwd=self._state,
                env=self._settings,
                pass_fds=[listener.fileno()],
                stdout=log,
                stderr=log,
            )
        listener.close()
        self._session = aiohttp.ClientSession(
            f"http://127.0.0.1:{port}", connector=aiohttp.TCPConnector(limit=_OPEN_AT_ONCE)
        )
        user = {"username": "operator", "password": secrets.token_hex(16)}
        async with asyncio.timeout(_STARTED_WITHIN_SECONDS):
            answer = await self._ask("POST", "/setup", data=user)
        self._token = {"Authorization": f"Bearer {answer['access_token']}"}
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it."""
        if self._session is not None:
            await self._session.close()
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()

    # the operator

    async def publish(self) -> int:
        """Upload an update of a few bytes; its number."""
        form = aiohttp.FormData()
        form.add_field("file", _image(), filename="update-1.1.0.swu")
        answer = await self._ask("PUT", "/api/v1/software", data=form, headers=self._token)
        return int(answer["id"])

    async def roll_out(self, software: int) -> int:
        """Roll it out to every device; the roll-out's number."""
        body = {"name": "roll-1", "feed": "default", "software_id": software}
        answer = await self._ask("PUT", "/api/v1/rollouts", json=body, headers=self._token)
        return int(answer["id"])

    async def succeeded(self, rollout: int) -> int:
        """How many devices its report of a roll-out says have succeeded."""
        answer = await self._ask("GET", "/api/v1/rollouts", headers=self._token)
        found = next(item for item in answer["rollouts"] if item["id"] == rollout)
        return int(found["success_count"])

    # devices

    async def register(self, device: str) -> None:
        """Have a device poll for the first time and say what it is."""
        await self._poll(device)
        body = {"data": _OLD, "mode": "merge"}
        await self._ask("PUT", f"/DEFAULT/controller/v1/{device}/configData", json=body)

    async def poll(self, device: str, begin: float, told: Told) -> None:
        """A device that polls as often as it is told to until it has installed the update."""
        await asyncio.sleep(begin)
        while True:
            answer = await self._poll(device)
            base = answer["_links"].get("deploymentBase")
            if base is not None:
                break
            await asyncio.sleep(_seconds(answer["config"]["polling"]["sleep"]))
        path = base["href"].partition("/DEFAULT/")[2]
        found = await self._ask("GET", f"/DEFAULT/{path}")
        told.know()
        for execution, finished in (("proceeding", "none"), ("closed", "success")):
            status = {"execution": execution, "result": {"finished": finished}, "details": [""]}
            body = {"id": found["id"], "status": status}
            await self._ask("POST", f"/DEFAULT/{path}/feedback", json=body)
        told.end()

    async def _poll(self, device: str) -> dict[str, Any]:
        answer: dict[str, Any] = await self._ask("GET", f"/DEFAULT/controller/v1/{device}")
        return answer

    async def _ask(self, method: str, path: str, **more: Any) -> Any:
        assert self._session is not None
        async with self._session.request(method, path, **more) as response:
            response.raise_for_status()
            return await response.json()

    async def _run(self, *arguments: str) -> None:
        process = await asyncio.create_subprocess_exec(
            *(self._python, *arguments), cwd=self._state, env=self._settings
        )
        if await process.wait():
            raise RuntimeError("goosebit's tables cannot be made")


def _seconds(text: str) -> int:
    hours, minutes, seconds = (int(part) for part in text.split(":"))
    return (hours * 60 + minutes) * 60 + seconds


def _image() -> bytes:
    """An update of SWUpdate with nothing in it but its description."""
    return _member(b"sw-description", _DESCRIPTION) + _member(b"TRAILER!!!", b"")


def _member(name: bytes, content: bytes) -> bytes:
    """A file of an archive in cpio's format `newc`."""
    fields: Sequence[int] = (1, 0o100644, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name) + 1, 0)
    header = b"070701" + b"".join(b"%08x" % each for each in fields)
    return _padded(header + name + b"\0") + _padded(content)


def _padded(block: bytes) -> bytes:
    return block + b"\0" * (-len(block) % 4)
