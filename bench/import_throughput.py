"""Import of a large file through the running stack, from the REST call to the published update.

The ceiling copies a file of the same size from the same loopback server into the same Azurite in
one pass: hash, stage blocks of 8 MiB, one of them on its way while the next is read, commit. An
import does that (the fetch stage), then reads the bytes again for the scan, and has them copied
once more from quarantine.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import statistics
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from bench.harness import Options, Result, compared, in_turns
from bench.source import blocks, serving
from local.rest import Rest
from local.stack.errors import StackError
from local.stack.running import Stack, start

_MIB = 1 << 20
_SIZE, _QUICK_SIZE = 256 * _MIB, 32 * _MIB
_BLOCK_BYTES = 8 * _MIB
_ROUNDS = 3
_POLL_SECONDS = 0.25
"""Rarely enough that the questions take nothing from the import."""
_CONTAINER = "bench"


async def run(options: Options) -> Sequence[Result]:
    """Measure in MiB per second."""
    options.say("starting the stack")
    with start() as stack:
        async with serving() as source, Rest(stack) as rest, bench_container(stack) as container:
            options.say("importing a small file first")
            await LargeImport(stack, rest, source, _MIB).whole()
            size = _QUICK_SIZE if options.quick else _SIZE
            imports = LargeImport(stack, rest, source, size)
            copies = Copy(container, source, size)
            forget_peak(imports.host)
            memory_before = memory_of(imports.host, "VmRSS")
            samples = await in_turns(
                _ROUNDS, {"figure": imports.whole, "ceiling": copies.once}, options.say
            )
            memory = {
                "Functions host, MiB before": memory_before,
                "Functions host, MiB at most": memory_of(imports.host, "VmHWM"),
            }
    notes = {"MiB a file": size // _MIB, **memory, "seconds in stage": imports.stages()}
    return [
        compared("import_throughput", "MiB/s", samples["figure"], samples["ceiling"], notes=notes),
        compared("import_throughput, fetch", "MiB/s", imports.fetches, samples["ceiling"]),
    ]


@dataclass(slots=True)
class LargeImport:
    """Imports files of one size, each with bytes of its own."""

    stack: Stack
    rest: Rest
    source: str
    size: int
    fetches: list[float] = field(default_factory=list, init=False)
    """MiB per second of the fetch stage, from the REST call on."""
    _stages: list[dict[str, float]] = field(default_factory=list, init=False)

    @property
    def host(self) -> int:
        """Process id of the Functions host."""
        return self.stack.pids["host"]

    async def whole(self) -> float:
        """MiB per second of one import from the REST call on until it is published.

        Raises:
            StackError: The import failed.
        """
        item = await self.item(uuid.uuid4().hex)
        started = time.perf_counter()
        operation = await self.rest.import_update([item])
        ends: dict[str, float] = {}
        while True:
            state = await self.rest.get(operation)
            stage, now = str(state["stage"]), time.perf_counter()
            if state["status"] == "Failed":
                raise StackError(f"the import failed: {state['error']['message']}")
            if state["status"] == "Succeeded":
                break
            ends[stage] = now
            await asyncio.sleep(_POLL_SECONDS)
        ends[max(ends, key=lambda name: ends[name])] = now
        self._note(started, ends)
        return self.size / _MIB / (now - started)

    def stages(self) -> dict[str, float]:
        """Median seconds of each stage that was seen."""
        names = {name: None for stages in self._stages for name in stages}
        return {
            name: round(statistics.median(each[name] for each in self._stages if name in each), 2)
            for name in names
        }

    def _note(self, started: float, ends: Mapping[str, float]) -> None:
        seconds, begin = {}, started
        for name, end in ends.items():
            seconds[name], begin = end - begin, end
        self._stages.append(seconds)
        self.fetches.append(self.size / _MIB / seconds["fetch"])

    async def item(self, name: str) -> dict[str, Any]:
        """The import request of an update with one file."""
        file = {
            "filename": "image.bin",
            "sizeInBytes": self.size,
            "hashes": {"sha256": await asyncio.to_thread(_digest, name, self.size)},
        }
        manifest = json.dumps(manifest_of(name, file)).encode()
        url = f"{self.source}/documents/{name}"
        async with aiohttp.ClientSession(raise_for_status=True) as session:
            await session.put(url, data=manifest)
        hashes = {"sha256": base64.b64encode(hashlib.sha256(manifest).digest()).decode()}
        return {
            "importManifest": {"url": url, "sizeInBytes": len(manifest), "hashes": hashes},
            "files": [{"filename": "image.bin", "url": f"{self.source}/files/{name}/{self.size}"}],
        }


def _digest(name: str, size: int) -> str:
    digest = hashlib.sha256()
    for block in blocks(name, size):
        digest.update(block)
    return base64.b64encode(digest.digest()).decode()


def manifest_of(name: str, file: Mapping[str, Any]) -> dict[str, Any]:
    """An import manifest of one file."""
    return {
        "manifestVersion": "5.0",
        "updateId": {"provider": "contoso", "name": f"bench-{name}", "version": "1.0"},
        "compatibility": [{"manufacturer": "contoso", "model": f"bench-{name}"}],
        "instructions": {
            "steps": [
                {
                    "handler": "microsoft/swupdate:2",
                    "files": [file["filename"]],
                    "handlerProperties": {"installedCriteria": "1.0"},
                }
            ]
        },
        "files": [file],
        "createdDateTime": "2026-01-01T00:00:00Z",
    }


@dataclass(slots=True)
class Copy:
    """Copies a file from the server into a blob with nothing but hash and storage SDK."""

    container: Any
    source: str
    size: int

    async def once(self) -> float:
        """MiB per second of one copy."""
        name = uuid.uuid4().hex
        blob = self.container.get_blob_client(name)
        started = time.perf_counter()
        async with aiohttp.ClientSession() as session:
            await self._copy(session, f"{self.source}/files/{name}/{self.size}", blob)
        return self.size / _MIB / (time.perf_counter() - started)

    async def _copy(self, session: aiohttp.ClientSession, url: str, blob: Any) -> None:
        digest, staged = hashlib.sha256(), []
        upload: asyncio.Task[Any] | None = None
        async with session.get(url, read_bufsize=_BLOCK_BYTES) as response:
            for number in range(-(-self.size // _BLOCK_BYTES)):
                length = min(_BLOCK_BYTES, self.size - number * _BLOCK_BYTES)
                block = await response.content.readexactly(length)
                digest.update(block)
                if upload is not None:
                    await upload
                staged.append(base64.b64encode(b"%08d" % number).decode())
                upload = asyncio.create_task(blob.stage_block(staged[-1], block, length=length))
        if upload is not None:
            await upload
        await blob.commit_block_list(staged, metadata={"sha256": digest.hexdigest()})


@asynccontextmanager
async def bench_container(stack: Stack) -> AsyncIterator[Any]:
    """A container of the stack's storage for the ceilings."""
    from azure.storage.blob.aio import BlobServiceClient

    async with BlobServiceClient.from_connection_string(
        stack.storage_connection_string, use_env_settings=False
    ) as service:
        yield await service.create_container(_CONTAINER)


def forget_peak(pid: int) -> None:
    """Have the kernel count the peak of a process's memory anew."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def memory_of(pid: int, name: str) -> float:
    """A figure of a process's memory in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return round(int(line.split()[1]) / 1024, 1)
    raise KeyError(name)
