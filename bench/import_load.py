"""Imports at the limits: a file of 1 GiB, the memory that 2 GiB take, and 200 imports at once."""

from __future__ import annotations

import asyncio
import os
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from bench.harness import Options, Result, compared, in_turns
from bench.import_throughput import Copy, LargeImport, bench_container, forget_peak, memory_of
from bench.second_host import second_host
from bench.source import serving
from local.rest import Rest
from local.stack.errors import StackError
from local.stack.running import Stack, start

_MIB = 1 << 20
_PARALLEL_STORES = 16
_ROUNDS = 2
_WATCH_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class _Sizes:
    large: int
    least: int
    most: int
    imports: int


_FULL = _Sizes(1024 * _MIB, 64 * _MIB, 2048 * _MIB, 200)
_QUICK = _Sizes(64 * _MIB, 16 * _MIB, 128 * _MIB, 40)


async def run(options: Options) -> Sequence[Result]:
    """Measure on a stack of its own."""
    sizes = _QUICK if options.quick else _FULL
    options.say("starting the stack")
    # the stack's parts inherit it
    os.environ["LIMIT_RUNNING_OPERATIONS"] = str(2 * sizes.imports)
    with start() as stack:
        async with serving() as source, Rest(stack) as rest, bench_container(stack) as container:
            bench = _Bench(
                stack=stack, rest=rest, source=source, container=container, options=options
            )
            return [
                *await bench.at_once(sizes.imports),
                await bench.memory(sizes.least, sizes.most),
                await bench.large(sizes.large),
            ]


@dataclass(frozen=True, slots=True)
class _Bench:
    stack: Stack
    rest: Rest
    source: str
    container: Any
    options: Options

    def _import(self, size: int) -> LargeImport:
        return LargeImport(self.stack, self.rest, self.source, size)

    async def large(self, size: int) -> Result:
        """MiB per second of one large file, beside the bare pass."""
        imports = self._import(size)
        copies = Copy(self.container, self.source, size)
        self.options.say(f"importing {size // _MIB} MiB")
        samples = await in_turns(
            _ROUNDS, {"figure": imports.whole, "ceiling": copies.once}, self.options.say
        )
        ratios = [
            one / other for one, other in zip(imports.fetches, samples["ceiling"], strict=True)
        ]
        notes = {"ratios of the fetch stage": ratios, "seconds in stage": imports.stages()}
        name = f"import_load, {size // _MIB} MiB"
        return compared(name, "MiB/s", samples["figure"], samples["ceiling"], notes=notes)

    async def memory(self, least: int, most: int) -> Result:
        """Peak memory of the host with a large file, beside that with a small one."""
        peaks = []
        for size in (least, most):
            self.options.say(f"memory with {size // _MIB} MiB")
            imports = self._import(size)
            forget_peak(imports.host)
            await imports.whole()
            peaks.append(memory_of(imports.host, "VmHWM"))
        notes = {"MiB of the files": [least // _MIB, most // _MIB]}
        return compared(
            "import_load, memory", "MiB", peaks[1:], peaks[:1], better="lower", notes=notes
        )

    async def at_once(self, count: int) -> list[Result]:
        """Small imports per second, all asked for together, with one worker and with two."""
        one = await self._rate(count)
        ceiling = await _Stores(self.stack).rate(count)
        async with second_host(self.stack):
            two = await self._rate(count)
        name, notes = f"import_load, {count} at once", {"failed": 0}
        return [
            compared(name, "imports/s", [one], [ceiling], notes=notes),
            compared(f"{name}, two workers to one", "imports/s", [two], [one], notes=notes),
        ]

    async def _rate(self, count: int) -> float:
        """Imports per second. Raises StackError where one fails."""
        small = self._import(4096)
        items = [await small.item(uuid.uuid4().hex) for _ in range(count)]
        self.options.say(f"{count} imports at once")
        started = datetime.now(UTC)
        operations = await asyncio.gather(*(self.rest.import_update([item]) for item in items))
        ended = await self._ends({urlsplit(each).path.rpartition("/")[2] for each in operations})
        return count / (ended - started).total_seconds()

    async def _ends(self, awaited: set[str]) -> datetime:
        """When the last of these operations ended; all are watched by one list, once a second as
        the service asks its callers to.
        """
        last = datetime.fromtimestamp(0, UTC)
        while awaited:
            await asyncio.sleep(_WATCH_SECONDS)
            async for state in self.rest.items("updates/operations"):
                if state["operationId"] in awaited and state["status"] in ("Succeeded", "Failed"):
                    if state["status"] == "Failed":
                        raise StackError(f"an import failed: {state['error']['message']}")
                    awaited.remove(state["operationId"])
                    last = max(last, datetime.fromisoformat(state["lastActionDateTime"]))
        return last


@dataclass(frozen=True, slots=True)
class _Stores:
    """Stores what an import cannot do without: content twice, rows of operation and update, and
    the messages between its stages.
    """

    stack: Stack

    async def rate(self, count: int) -> float:
        """So many a second."""
        from azure.data.tables.aio import TableServiceClient
        from azure.storage.blob.aio import BlobServiceClient
        from azure.storage.queue.aio import QueueServiceClient

        connection = self.stack.storage_connection_string
        async with (
            BlobServiceClient.from_connection_string(connection, use_env_settings=False) as blobs,
            TableServiceClient.from_connection_string(connection, use_env_settings=False) as tables,
            QueueServiceClient.from_connection_string(connection, use_env_settings=False) as queues,
        ):
            table = await tables.create_table("BenchStores")
            queue = await queues.create_queue("bench-stores")
            limit = asyncio.Semaphore(_PARALLEL_STORES)

            async def store(number: int) -> None:
                async with limit:
                    for kind in ("quarantine", "content"):
                        blob = blobs.get_blob_client("bench", f"{kind}/{number}")
                        await blob.upload_blob(bytes(4096))
                        await table.create_entity({"PartitionKey": kind, "RowKey": str(number)})
                        await queue.send_message(kind)
                        async for message in queue.receive_messages(max_messages=1):
                            await queue.delete_message(message)

            started = time.perf_counter()
            await asyncio.gather(*(store(number) for number in range(count)))
            return count / (time.perf_counter() - started)
