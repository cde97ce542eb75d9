"""Reads by REST with 1,000 and with 200,000 device rows: all that operators and consoles ask for.

Both fleets are groups of one instance, read in turns through a host of the stack that shares no
read among callers; the ceiling of a read with the large one is the same read with the small one,
for a report must not cost more when the fleet grows. What is asked of the whole instance is read
before and after the large one comes. Each is written behind the service's back once its deployment
has gone out, so that nothing but the reads keeps the service busy. Storage requests are counted
where the same services run in this process, and in the same turns they are made once more by the
SDK alone (`bare`): what grows there is the storage's. `large_store.cjs` says what is done to
Azurite for that. `host_requests` has eight callers at once ask for compliance; its ceiling is a
bare handler, asked by the same client through a second host of the same kind. `single_read_...` are
reads in this process, eight at a time, beside their storage requests as the SDK alone makes them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from bench.bare_host import BARE_PATH, bare_host
from bench.bare_reads import to_bare
from bench.harness import Measure, Options, Result, compared, in_turns, percentile, timed
from bench.large_store import large_store
from bench.read_store import COMMANDED, FAILED, FILTERS, ReadStore, a_device
from bench.second_host import second_host
from local.demo.publisher import build
from local.rest import Rest
from local.stack.running import start
from odu_cli.file_server import FileServer
from odu_cli.rest import update_path

_FLEETS = {"small": 1_000, "large": 200_000}
_QUICK_FLEETS = {"small": 200, "large": 2_000}
_ROUNDS, _QUICK_ROUNDS = 200, 20
_WRITTEN_AT_ONCE = 25_000
_UNSHARED = {"READS_SHARED_SECONDS": "0.000001"}
_CALLERS, _CALLS = 8, 40
_SINGLE = ("read_update", "read_compliance", "read_status")


async def run(options: Options) -> Sequence[Result]:
    """Measure in milliseconds, and requests a second."""
    fleets = dict(_QUICK_FLEETS if options.quick else _FLEETS)
    fleets["large"] = options.rows or fleets["large"]
    rounds = _QUICK_ROUNDS if options.quick else _ROUNDS
    options.say("starting the stack")
    with start(settings=large_store()) as stack:
        async with (
            ReadStore(stack) as storage,
            Rest(stack, patience=5) as rest,
            second_host(stack, **_UNSHARED) as unshared,
            Rest(unshared, patience=5) as reader,
        ):
            bench = _Bench(reader, storage, await _import(rest), rounds, options)
            for group, count in fleets.items():
                bench.deployments[group] = await _fill(rest, storage, bench, group, count)
                await bench.read_instance(group)
            results = [await bench.compare(name) for name in _PATHS]
            results += bench.of_instance()
            for name in _SINGLE:
                works = await storage.single(name, bench.deployments, bench.update)
                results.append(await to_bare(name, works, options))
            options.say("starting the bare host")
            async with bare_host(stack) as beside, Rest(beside) as empty:
                results.append(await _rate(rest, empty, rounds // 10, options))
            return results


async def _fill(rest: Rest, storage: ReadStore, bench: _Bench, group: str, count: int) -> str:
    """Have a group of so many devices; the id of its deployment."""
    await storage.write([a_device(f"{group}-0", group)])
    await storage.sum_up(group)
    deployment = await rest.deploy(group, bench.update)
    command = await storage.fanned_out(group, deployment)
    bench.options.say(f"writing {count:,} devices")
    for start_at in range(1, count, _WRITTEN_AT_ONCE):
        numbers = range(start_at, min(count, start_at + _WRITTEN_AT_ONCE))
        await storage.write(
            [
                a_device(
                    f"{group}-{n}",
                    group,
                    command if n <= COMMANDED else None,
                    has_failed=n <= FAILED,
                )
                for n in numbers
            ]
        )
        bench.options.say(f"{numbers.stop:,} devices of {count:,}")
    await storage.sum_up(group)
    return deployment


_GROUP = "management/groups/{group}/"
_DEVICES = "management/devices?filter="
_PATHS: Mapping[str, str] = {
    "read_update": "{update}",
    "read_compliance": _GROUP + "updateCompliance",
    "read_compliance, history": _GROUP + "updateCompliance/history",
    "read_status": _GROUP + "deployments/{deployment}/status",
    "read_progress": _GROUP + "deployments/{deployment}/progress",
    "read_installed": "management/installedUpdates?groupId={group}",
    "read_device": "management/devices/{group}-7",
    "count_devices": "management/devices:count?filter="
    + quote("groupId eq '{group}' and deploymentStatus eq 'Failed'", safe="{}"),
    "read_devices": _DEVICES + "groupId%20eq%20'{group}'",
    **{
        f"read_devices, {name}": _DEVICES + quote(f"groupId eq '{{group}}' and {text}", safe="{}")
        for name, (text, _) in FILTERS.items()
    },
}
_OF_INSTANCE: Mapping[str, str] = {
    "read_attention": "management/attention",
    "read_deployments": "management/deployments?filter=state%20eq%20'Active'",
    "read_usage": "{update}/usage",
    "read_changes": "changes",
    "search": "search?q=small-7",
}


@dataclass(slots=True)
class _Bench:
    """Reads, and what they read."""

    rest: Rest
    storage: ReadStore
    update: Mapping[str, str]
    rounds: int
    options: Options
    deployments: dict[str, str] = field(default_factory=dict)
    _samples: dict[str, dict[str, list[float]]] = field(default_factory=dict, init=False)

    def _read(self, path: str, group: str = "") -> Measure:
        address = path.format(
            group=group,
            deployment=self.deployments.get(group, ""),
            update=update_path(self.update),
        )

        return timed(lambda: self.rest.get(address))

    async def read_instance(self, fleet: str) -> None:
        """Ask the instance as it is once a fleet has come."""
        reads = {name: self._read(path) for name, path in _OF_INSTANCE.items()}
        self._samples[fleet] = await in_turns(self.rounds, reads, self.options.say)

    def of_instance(self) -> Sequence[Result]:
        """What the instance was asked with one fleet and with both."""
        return [
            _result(name, {fleet: found[name] for fleet, found in self._samples.items()}, {})
            for name in _OF_INSTANCE
        ]

    async def compare(self, name: str) -> Result:
        """One read of both groups and its bare requests, in turns."""
        requests = await self.storage.requests(name, self.deployments, self.update)
        reads = {group: self._read(_PATHS[name], group) for group in self.deployments}
        alone = {
            f"{group}, bare": timed(self.storage.bare(urls)) for group, urls in requests.items()
        }
        samples = await in_turns(self.rounds, reads | alone, self.options.say)
        counts = {group: len(urls) for group, urls in requests.items()}
        return _result(name, samples, {"storage requests": counts})


def _result(name: str, samples: Mapping[str, Sequence[float]], notes: Mapping[str, Any]) -> Result:
    spread: dict[str, Any] = {
        f"p{percent}": {
            each: round(percentile(found, percent), 2) for each, found in samples.items()
        }
        for percent in (50, 95)
    }
    ratio = percentile(samples["large"], 95) / percentile(samples["small"], 95)
    notes = {**spread, "p95, large to small": round(ratio, 2), **notes}
    return compared(name, "ms", samples["large"], samples["small"], better="lower", notes=notes)


async def _rate(rest: Rest, empty: Rest, rounds: int, options: Options) -> Result:
    async def rate(client: Rest, path: str) -> float:
        async def call() -> None:
            for _ in range(_CALLS):
                await client.get(path)

        started = time.perf_counter()
        await asyncio.gather(*(call() for _ in range(_CALLERS)))
        return _CALLERS * _CALLS / (time.perf_counter() - started)

    samples = await in_turns(
        max(3, rounds),
        {
            "figure": lambda: rate(rest, _PATHS["read_compliance"].format(group="large")),
            "ceiling": lambda: rate(empty, BARE_PATH),
        },
        options.say,
    )
    return compared("host_requests", "requests/s", samples["figure"], samples["ceiling"])


async def _import(rest: Rest) -> Mapping[str, str]:
    package = build("1.0")
    async with FileServer() as server:
        operation = await rest.import_update([package.offered(server)])
        await rest.finished(operation)
    return package.update_id
