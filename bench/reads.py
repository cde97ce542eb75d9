"""Reads by REST with 1,000 and with 200,000 device rows: an update, devices, compliance, status.

Both fleets are groups of one instance, read in turns through the running stack; the ceiling of a
read with the large one is the same read with the small one, for a report must not cost more when
the fleet grows. Each is written behind the service's back once its deployment has gone out, so that
nothing but the reads keeps the service busy. Storage requests are counted where the same services
run in this process.
`host_requests` has eight callers at once ask for compliance; its ceiling is a bare handler, asked
by the same client through a second host of the same kind.
`single_read_...` are reads in this process, eight at a time, beside their storage requests as the
SDK alone makes them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from bench.bare_host import BARE_PATH, bare_host
from bench.bare_reads import Requests, bare, to_bare
from bench.harness import Measure, Options, Result, Work, compared, in_turns, percentile
from local.demo.publisher import build
from local.rest import Rest
from local.stack.running import Stack, start
from odu_cli.file_server import FileServer
from odu_cli.rest import update_path
from shared.adapters.clock import SystemClock
from shared.adapters.storage import StorageAccounts
from shared.adapters.table import Table
from shared.adapters.table_deployments import TableDeployments
from shared.adapters.table_devices import TableDevices
from shared.adapters.table_fleet import TableFleet
from shared.adapters.table_group_members import TableGroupMembers
from shared.adapters.table_passes import TablePasses
from shared.adapters.table_updates import TableUpdates
from shared.contract.codes import Action, AgentState
from shared.contract.twin import result_report, startup_report, workflow_member
from shared.domain.errors import ConcurrentUpdate
from shared.domain.fleet.counters import TOTAL, total
from shared.domain.fleet.deployment import DeviceCommand
from shared.domain.fleet.device import (
    DeviceRecord,
    DeviceState,
    TwinChange,
    bucket_of,
    fold,
    view,
)
from shared.domain.fleet.listing import ListedDevice
from shared.domain.fleet.queries import Condition, DeviceFilter
from shared.domain.fleet.reconcile import desired_command
from shared.domain.fleet.twin_content import kept_content
from shared.domain.fleet.whereabouts import whereabouts
from shared.domain.updates.update_id import UpdateId
from shared.ports import DeviceWrite, Rollup
from shared.services.devices.lists import DeviceLists
from shared.services.reporting.report import Reports
from shared.services.reporting.rollup import MOST_MEMBERS
from shared.services.retrying import retry_on_conflict
from shared.settings import Connection

_FLEETS = {"small": 1_000, "large": 200_000}
_QUICK_FLEETS = {"small": 200, "large": 2_000}
_COMMANDED = 200
"""So many devices of each fleet are at work on the deployment."""
_ROUNDS, _QUICK_ROUNDS = 60, 20
_WRITERS = 6
_WRITTEN_AT_ONCE = 25_000
_POLL_SECONDS = 0.2
_REPORTED_AT = "2026-01-01T00:00:00.000000+00:00"
_CALLERS, _CALLS = 8, 40
_SINGLE = ("read_update", "read_compliance", "read_status")

type _Read = Callable[[str], Awaitable[Any]]


async def run(options: Options) -> Sequence[Result]:
    """Measure in milliseconds, and requests a second."""
    fleets = dict(_QUICK_FLEETS if options.quick else _FLEETS)
    fleets["large"] = options.rows or fleets["large"]
    rounds = _QUICK_ROUNDS if options.quick else _ROUNDS
    options.say("starting the stack")
    with start() as stack:
        async with _Storage(stack) as storage, Rest(stack, patience=5) as rest:
            update = await _import(rest)
            deployments = {}
            for group, count in fleets.items():
                await storage.write([_device(f"{group}-0", group)])
                await storage.sum_up(group)
                deployments[group] = await rest.deploy(group, update)
                command = await storage.fanned_out(group, deployments[group])
                options.say(f"writing {count:,} devices")
                for start_at in range(1, count, _WRITTEN_AT_ONCE):
                    numbers = range(start_at, min(count, start_at + _WRITTEN_AT_ONCE))
                    await storage.write(
                        [
                            _device(
                                f"{group}-{n}",
                                group,
                                command if n <= _COMMANDED else None,
                                has_failed=n <= _FAILED,
                            )
                            for n in numbers
                        ]
                    )
                    options.say(f"{numbers.stop:,} devices of {count:,}")
                await storage.sum_up(group)
            results = []
            for name, path in _PATHS.items():
                counted = await storage.requests(name, deployments, update)
                address = path.replace("{update}", update_path(update))
                results.append(
                    await _compare(name, address, rest, deployments, rounds, options, counted)
                )
            for name in _SINGLE:
                works = await storage.single(name, deployments, update)
                results.append(await to_bare(name, works, options))
            options.say("starting the bare host")
            async with bare_host(stack) as beside, Rest(beside) as empty:
                results.append(await _rate(rest, empty, rounds // 10, options))
            return results


_PREFIX = "by prefix"
_FILTERS: Mapping[str, tuple[str, DeviceFilter]] = {
    "failed with a code": ("failureCode eq '30101001'", DeviceFilter(failure_code=0x30101001)),
    "failed": ("deploymentStatus eq 'Failed'", DeviceFilter(state=DeviceState.FAILED)),
    "without an update": ("installedUpdate eq null", DeviceFilter(nothing_installed=True)),
    "on the latest": ("onLatestUpdate eq true", DeviceFilter(is_on_latest=True)),
    "silent": ("state eq 'Silent'", DeviceFilter(condition=Condition.SILENT)),
    "unhealthy": ("state eq 'Unhealthy'", DeviceFilter(condition=Condition.UNHEALTHY)),
    _PREFIX: ("startswith(deviceId,'{group}-1')", DeviceFilter()),
}
"""What lists of a group are narrowed by: the text of a filter, and what it means."""
_FAILED = 12
"""Devices of a group that have failed."""
_PATHS: Mapping[str, str] = {
    "read_update": "{update}",
    "read_compliance": "management/groups/{group}/updateCompliance",
    "read_status": "management/groups/{group}/deployments/{deployment}/status",
    "read_devices": "management/devices?filter=groupId%20eq%20'{group}'",
    **{
        f"read_devices, {name}": "management/devices?filter="
        + quote(f"groupId eq '{{group}}' and {text}", safe="{}")
        for name, (text, _) in _FILTERS.items()
    },
}


async def _compare(
    name: str,
    path: str,
    rest: Rest,
    deployments: Mapping[str, str],
    rounds: int,
    options: Options,
    counted: Mapping[str, int],
) -> Result:
    def read(group: str) -> Measure:
        address = path.format(group=group, deployment=deployments[group])

        async def measured() -> float:
            started = time.perf_counter()
            await rest.get(address)
            return (time.perf_counter() - started) * 1000

        return measured

    samples = await in_turns(rounds, {group: read(group) for group in deployments}, options.say)
    notes: dict[str, Any] = {
        f"p{percent}": {group: percentile(samples[group], percent) for group in deployments}
        for percent in (50, 95)
    }
    notes["storage requests"] = dict(counted)
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


class _Storage:
    """The tables of the stack, written and read by the service's own adapters."""

    def __init__(self, stack: Stack) -> None:
        self._instance = stack.instance
        self._requests = Requests()
        connection = Connection(connection_string=stack.storage_connection_string)
        self._accounts = StorageAccounts(connection, connection, lambda: None, self._requests.note)
        clock = SystemClock()
        self._updates = TableUpdates(Table(self._accounts, "Updates"))
        self._members = TableGroupMembers(Table(self._accounts, "Buckets"))
        self._passes = TablePasses(Table(self._accounts, "Devices"))
        self._devices = TableDevices(Table(self._accounts, "Devices"))
        self._fleet = TableFleet(
            buckets_table=Table(self._accounts, "Buckets"),
            groups_table=Table(self._accounts, "Groups"),
            classes_table=Table(self._accounts, "DeviceClasses"),
            rollups_table=Table(self._accounts, "Rollups"),
            clock=clock,
        )
        self._deployments = TableDeployments(Table(self._accounts, "Deployments"))
        self._reports = Reports(self._fleet, self._deployments, clock)
        self._lists = DeviceLists(
            devices=self._devices,
            fleet=self._fleet,
            deployments=self._deployments,
            members=self._members,
            clock=clock,
        )
        self._clock = clock

    async def __aenter__(self) -> _Storage:
        """Nothing is opened before it is used."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self._accounts.close()

    async def write(self, records: Sequence[DeviceRecord]) -> None:
        """New devices of one class in one group, spread over the buckets."""
        group = view(records[0]).group_id
        by_bucket: dict[int, list[DeviceRecord]] = {}
        for record in records:
            by_bucket.setdefault(bucket_of(record.device_id), []).append(record)
        limit = asyncio.Semaphore(_WRITERS)

        async def fill(bucket: int, records: Sequence[DeviceRecord]) -> None:
            async with limit:
                device_class = view(records[0]).device_class
                assert device_class is not None
                await self._fleet.ensure_known(self._instance, group, bucket, device_class)
                left = {record.key: record for record in records}

                async def add() -> None:
                    writes = [DeviceWrite(None, record) for record in left.values()]
                    try:
                        await self._devices.commit(self._instance, bucket, writes)
                    except ConcurrentUpdate:  # the service recounts the bucket meanwhile
                        for key in await self._devices.load(self._instance, bucket, list(left)):
                            del left[key]
                        raise

                await retry_on_conflict(add)

        await asyncio.gather(*(fill(bucket, records) for bucket, records in by_bucket.items()))

    async def sum_up(self, group: str) -> None:
        """Write the roll-up of a group; the service may be doing the same."""
        await retry_on_conflict(lambda: self._sum_up(group))

    async def _sum_up(self, group: str) -> None:
        now, found = self._clock.now(), {}
        devices: list[ListedDevice] = []
        for bucket in await self._fleet.buckets(self._instance, group):
            found[bucket], _ = await self._passes.tally(self._instance, bucket, group)
        sums = total(found.values())
        has_members = sum(cells[TOTAL] for cells in sums.values()) <= MOST_MEMBERS
        if has_members:
            for bucket in found:
                *_, some = await self._passes.tally_with_devices(self._instance, bucket, group)
                devices += some
            await self._members.replace(self._instance, group, now, devices)
        rollup = Rollup(
            sums,
            now,
            len(found),
            where=whereabouts(found, group),
            has_members=has_members,
        )
        await self._fleet.save_rollup(self._instance, group, rollup)

    async def fanned_out(self, group: str, deployment_id: str) -> DeviceCommand:
        """Wait until a deployment has gone out; what a device of the group is asked by it."""
        queue = self._accounts.queues.get_queue_client("reconcile")
        while True:
            stored = await self._deployments.get(self._instance, group, deployment_id)
            waiting = (await queue.get_queue_properties()).approximate_message_count
            if stored is not None and stored.value.is_fanned_out and not waiting:
                break
            await asyncio.sleep(_POLL_SECONDS)
        command = desired_command(_device("any", group), [stored.value], self._clock.now()).command
        assert command is not None
        return command

    def _filtered(self, kind: str) -> Callable[[str], Awaitable[Any]]:
        """A page of a group's devices that a filter narrows."""

        def read(group: str) -> Awaitable[Any]:
            prefix = f"{group}-1" if kind == _PREFIX else ""
            wanted = replace(_FILTERS[kind][1], group=group, id_prefix=prefix)
            return self._lists.page(self._instance, wanted, token=None, size=100)

        return read

    async def requests(
        self, name: str, deployments: Mapping[str, str], update: Mapping[str, str]
    ) -> dict[str, int]:
        """Storage requests of one read, by group."""
        read = self._read(name, deployments, update)
        return {group: len(await self._asked(read, group)) for group in deployments}

    async def single(
        self, name: str, deployments: Mapping[str, str], update: Mapping[str, str]
    ) -> Mapping[str, Work]:
        """A read of the large group, and its bare requests."""
        read = self._read(name, deployments, update)
        urls = await self._asked(read, "large")
        return {"figure": lambda: read("large"), "ceiling": bare(self._accounts.tables, urls)}

    async def _asked(self, read: _Read, group: str) -> list[str]:
        """The requests of a read."""
        self._requests.urls.clear()
        await read(group)
        return list(self._requests.urls)

    def _read(self, name: str, deployments: Mapping[str, str], update: Mapping[str, str]) -> _Read:
        """A read of a group, with nothing shared among callers."""
        update_id = UpdateId.parse(update)
        reads: Mapping[str, _Read] = {
            "read_update": lambda _: self._updates.get(self._instance, update_id),
            "read_compliance": lambda group: self._reports.compliance(self._instance, group),
            "read_status": lambda group: self._reports.status(
                self._instance, group, deployments[group]
            ),
            "read_devices": lambda group: self._lists.page(
                self._instance, DeviceFilter(group=group), token=None, size=100
            ),
            **{f"read_devices, {kind}": self._filtered(kind) for kind in _FILTERS},
        }
        return reads[name]


def _device(
    device_id: str,
    group: str,
    commanded: DeviceCommand | None = None,
    *,
    has_failed: bool = False,
) -> DeviceRecord:
    reported = startup_report("contoso", "toaster")
    content = kept_content({"tags": {"ADUGroup": group}, "properties": {"reported": reported}})
    change = TwinChange(device_id, None, 1, content, is_whole=True, at=_REPORTED_AT)
    record = fold(DeviceRecord(device_id, commanded=commanded), change)
    if commanded is None or not has_failed:
        return record
    workflow = workflow_member(
        Action.PROCESS_DEPLOYMENT, commanded.workflow_on_device, commanded.retry_timestamp
    )
    report = result_report(
        AgentState.FAILED, 0, workflow=workflow, extended_result_codes=(0x30101001,)
    )
    content = kept_content({"properties": {"reported": report}})
    return fold(record, TwinChange(device_id, None, 2, content, is_whole=False, at=_REPORTED_AT))
