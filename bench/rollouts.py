"""Roll-outs: devices asked a second, and what a plan and an explanation cost as the fleet grows.

One, two and four workers, a process each, ask the devices of one phase over real storage and the
hub's stand-in over TLS, a row, a twin and a row again for each; the ceiling is as many processes
that patch the same twins with the same body, 25 at a time, and do nothing else. The devices stand
in four buckets, 150 in each, as in a phase of a quarter of 140,000 devices. Plans and
explanations are asked for by REST in groups of 1,000 and 140,000 devices, and of as many as
`--rows` says; the ceiling of a large group is the same read of
the smallest. Storage requests are counted where the same services run in this process.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from typing import Any
from uuid import uuid4

from bench import many_rows
from bench.device_rows import DeviceRows, device
from bench.harness import Options, Result, compared, in_turns, percentile, timed
from bench.rollout_worker import Place, Worker, ask, begin, patch
from local.demo.publisher import build
from local.fleet.registry import registry
from local.rest import Rest
from local.stack.running import Stack, start
from odu_cli.file_server import FileServer
from odu_cli.rest import deployment_path
from shared.adapters.clock import SystemClock
from shared.adapters.table import Table
from shared.adapters.table_fleet import TableFleet
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device import bucket_of
from shared.domain.limits import Limits
from shared.domain.rollouts.progress import Opened, Progress, Status
from shared.domain.rollouts.specification import Rollout
from shared.domain.updates.update_id import UpdateId
from shared.services.reporting.explain import Explanations
from shared.services.reporting.rollouts import RolloutReports

_WORKERS = (1, 2, 4)
_DEVICES, _QUICK_DEVICES = 600, 100
_BUCKETS = range(4)
_ROUNDS, _QUICK_ROUNDS = 5, 3
_FLEETS, _QUICK_FLEETS = (1_000, 140_000), (1_000, 5_000)
_READS, _QUICK_READS = 60, 20
_CREATED_AT_ONCE = 100
_LONG_AGO = "2026-01-01T00:00:00.000000+00:00"


async def run(options: Options) -> Sequence[Result]:
    """Measure in devices a second and milliseconds."""
    options.say("starting the stack")
    with start(settings=many_rows.SETTINGS) as stack:
        async with Rest(stack, patience=5) as rest:
            package = build("1.0")
            async with FileServer() as server:
                operation = await rest.import_update([package.offered(server)])
                await rest.finished(operation)
            bench = _Bench(stack, rest, package.update_id, options)
            try:
                return [*await bench.asking(), *await bench.reading()]
            finally:
                await bench.worker.accounts.close()


@dataclass(slots=True)
class _Bench:
    """A stack with one update, and this process's own half of the service over its storage."""

    stack: Stack
    rest: Rest
    update: Mapping[str, str]
    options: Options
    worker: Worker = field(init=False)
    rows: DeviceRows = field(init=False)
    _number: itertools.count[int] = field(default_factory=itertools.count, init=False)
    _last: tuple[str, list[str]] = field(default=("", []), init=False)
    _requests: dict[int, list[float]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Open what this process needs; nothing is connected before it is used."""
        self.worker = Worker(self._place)
        self.rows = DeviceRows(self.worker.accounts, self.stack.instance)

    @property
    def _place(self) -> Place:
        root_keys = f"{self.stack.endpoint}/deviceUpdate/{{instance}}/rootKeys/rootkeys.json"
        return Place(
            storage=self.stack.storage_connection_string,
            hub=self.stack.iot_hub_connection_string,
            instance=self.stack.instance,
            ca_file=self.stack.ca_file,
            root_keys_url=root_keys,
        )

    # asking

    async def asking(self) -> list[Result]:
        """Devices asked a second by so many workers, against bare patches."""
        quick = self.options.quick
        devices = _QUICK_DEVICES if quick else _DEVICES
        results = []
        for workers in _WORKERS:
            self.options.say(f"starting {workers} workers")
            context = get_context("spawn")
            with ProcessPoolExecutor(workers, context, begin, (self._place,)) as pool:
                await self._warm(pool, workers)
                samples = await in_turns(
                    _QUICK_ROUNDS if quick else _ROUNDS,
                    {
                        f"asked by {workers}": partial(self._asked, pool, workers, devices),
                        f"patched by {workers}": partial(self._patched, pool, workers, devices),
                    },
                    self.options.say,
                )
            notes = {
                "devices a round": devices,
                "storage requests a device": max(self._requests[workers]),
            }
            results.append(
                compared(
                    f"rollouts: devices asked, {workers} worker{'s' * (workers > 1)}",
                    "devices/s",
                    samples[f"asked by {workers}"],
                    samples[f"patched by {workers}"],
                    notes=notes,
                )
            )
        return results

    async def _warm(self, pool: ProcessPoolExecutor, workers: int) -> None:
        """Have every process load and connect."""
        group, devices = await self._fresh(workers * 10)
        deployment = await self._deployed(group)
        body = await self.worker.body(device(devices[0], group), group)
        await _together(pool, _asks(deployment, workers))
        await _together(pool, [(patch, devices[:10], body) for _ in range(workers)])

    async def _asked(self, pool: ProcessPoolExecutor, workers: int, count: int) -> float:
        group, devices = await self._fresh(count)
        deployment = await self._deployed(group)
        started = time.perf_counter()
        requests = await _together(pool, _asks(deployment, workers))
        seconds = time.perf_counter() - started
        self._last = group, devices
        self._requests.setdefault(workers, []).append(sum(requests) / count)
        await self._check_asked(devices)
        return count / seconds

    async def _patched(self, pool: ProcessPoolExecutor, workers: int, count: int) -> float:
        """The devices of the last round once more, or others as many, by the SDK alone."""
        group, devices = self._last
        if len(devices) != count:
            group, devices = await self._fresh(count)
            await self._deployed(group)
        body = await self.worker.body(device(devices[0], group), group)
        started = time.perf_counter()
        await _together(pool, [(patch, part, body) for part in _parts(devices, workers)])
        return count / (time.perf_counter() - started)

    async def _check_asked(self, devices: Sequence[str]) -> None:
        """A rate of what was not done is none."""
        client = await asyncio.to_thread(registry, self.stack)
        twin = await asyncio.to_thread(client.get_twin, devices[-1])
        assert "deviceUpdate" in twin.properties.desired, devices[-1]

    async def _fresh(self, count: int) -> tuple[str, list[str]]:
        """A group of devices that the hub has and nobody has asked."""
        group = f"g{next(self._number)}"
        names = (f"{group}-{number}" for number in itertools.count())
        here = (name for name in names if bucket_of(name) in _BUCKETS)
        devices = list(itertools.islice(here, count))
        await asyncio.to_thread(_create, self.stack, devices)
        await self.rows.write(group, devices)
        return group, devices

    async def _deployed(self, group: str) -> Deployment:
        """A roll-out of one open phase, written down as if its fan-out had just begun."""
        made = Deployment(
            deployment_id="roll-1",
            group_id=group,
            update_id=UpdateId.parse(self.update),
            compatibility=({"manufacturer": "contoso", "model": "toaster"},),
            workflow_id=uuid4().hex,
            starts_at=_LONG_AGO,
            created_at=_LONG_AGO,
            is_fanned_out=True,
            fan_out_until="9999",
            is_started=True,
            rollout=Rollout(),
            progress=Progress(
                status=Status.RUNNING, since=_LONG_AGO, opened=(Opened(at=_LONG_AGO),)
            ),
        )
        await self.worker.deployments.add(self.stack.instance, made)
        return made

    # reading

    async def reading(self) -> list[Result]:
        """Plans and explanations by REST, in groups of different size."""
        sizes = list(_QUICK_FLEETS if self.options.quick else _FLEETS)
        if self.options.rows:
            sizes.append(self.options.rows)
        for size in sizes:
            group = f"fleet{size}"
            self.options.say(f"writing {size:,} devices")
            await self.rows.write_at_once(group, size, self.options.say)
            await self.rest.deploy(
                group,
                self.update,
                "roll-1",
                starts_at="2099-01-01T00:00:00Z",
                rollout={"phases": [{"select": {"percent": each}} for each in (1, 10, 50, 100)]},
            )
        plan = await self._compared("plan", sizes, self._plan, self._plan_here)
        explain = await self._compared("explain", sizes, self._explain, self._explain_here)
        return [*plan, *explain]

    async def _compared(
        self,
        name: str,
        sizes: Sequence[int],
        read: Callable[[int], Awaitable[Any]],
        here: Callable[[int], Awaitable[Any]],
    ) -> list[Result]:
        rounds = _QUICK_READS if self.options.quick else _READS
        reads = {f"{name} of {size:,}": timed(partial(read, size)) for size in sizes}
        samples = await in_turns(rounds, reads, self.options.say)
        results = []
        smallest = samples[f"{name} of {sizes[0]:,}"]
        for size in sizes[1:]:
            found = samples[f"{name} of {size:,}"]
            before = self.worker.requests
            await here(size)
            notes = {
                "p95": {"figure": percentile(found, 95), "ceiling": percentile(smallest, 95)},
                "storage requests": self.worker.requests - before,
            }
            results.append(
                compared(
                    f"rollouts: {name}, {size:,} devices against {sizes[0]:,}",
                    "ms",
                    found,
                    smallest,
                    better="lower",
                    notes=notes,
                )
            )
        return results

    async def _plan(self, size: int) -> None:
        await self.rest.request("POST", f"{deployment_path(f'fleet{size}', 'roll-1')}:plan")

    async def _explain(self, size: int) -> None:
        wanted = "/".join(("providers", self.update["provider"], "names", self.update["name"]))
        version = self.update["version"]
        await self.rest.get(
            f"management/devices/fleet{size}-7/updates/{wanted}/versions/{version}:explain"
        )

    def _fleet(self) -> TableFleet:
        accounts = self.worker.accounts
        return TableFleet(
            buckets_table=Table(accounts, "Buckets"),
            groups_table=Table(accounts, "Groups"),
            classes_table=Table(accounts, "DeviceClasses"),
            rollups_table=Table(accounts, "Rollups"),
            clock=SystemClock(),
        )

    async def _plan_here(self, size: int) -> None:
        worker, clock = self.worker, SystemClock()
        reports = RolloutReports(
            deployments=worker.deployments,
            updates=worker.updates,
            fleet=self._fleet(),
            clock=clock,
            limits=Limits(),
            commands_per_second=5.7,
        )
        stored = await worker.deployments.get(self.stack.instance, f"fleet{size}", "roll-1")
        assert stored is not None
        plan = await reports.plan(self.stack.instance, stored.value)
        assert plan.targeted == size

    async def _explain_here(self, size: int) -> None:
        worker = self.worker
        service = Explanations(
            devices=worker.devices,
            deployments=worker.deployments,
            updates=worker.updates,
            passes=worker.passes,
            fleet=self._fleet(),
            clock=SystemClock(),
        )
        name, update = f"fleet{size}-7", UpdateId.parse(self.update)
        found = await service.of_device(self.stack.instance, name, None, update)
        assert found.explanation.reasons


async def _together(pool: ProcessPoolExecutor, calls: Sequence[tuple[Any, ...]]) -> list[int]:
    """Have each process do one call, all at once."""
    futures = [asyncio.wrap_future(pool.submit(*call)) for call in calls]
    return list(await asyncio.gather(*futures))


def _asks(deployment: Deployment, workers: int) -> list[tuple[Any, ...]]:
    return [
        (ask, deployment.group_id, deployment.workflow_id, part)
        for part in _parts(_BUCKETS, workers)
    ]


def _parts[T](items: Sequence[T], count: int) -> list[list[T]]:
    return [list(items[number::count]) for number in range(count)]


def _create(stack: Stack, devices: Sequence[str]) -> None:
    from azure.iot.hub.models import ExportImportDevice

    client = registry(stack)
    for some in itertools.batched(devices, _CREATED_AT_ONCE, strict=False):
        client.bulk_create_or_update_devices(
            [ExportImportDevice(id=name, import_mode="create", status="enabled") for name in some]
        )
