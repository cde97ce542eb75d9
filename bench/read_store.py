"""The store behind the benchmark of reads: it is filled behind the service's back, and reads of it
are made by the service's own adapters, so that their requests to storage can be counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bench.bare_reads import Requests, bare
from bench.harness import Work
from local.stack.running import Stack
from shared.adapters.clock import SystemClock
from shared.adapters.storage import StorageAccounts
from shared.adapters.table import Table
from shared.adapters.table_deployments import TableDeployments
from shared.adapters.table_devices import TableDevices
from shared.adapters.table_fleet import TableFleet
from shared.adapters.table_group_members import TableGroupMembers
from shared.adapters.table_operations import TableOperations
from shared.adapters.table_passes import TablePasses
from shared.adapters.table_trends import TableTrends
from shared.adapters.table_updates import TableUpdates
from shared.contract.codes import Action, AgentState
from shared.contract.twin import result_report, startup_report, workflow_member
from shared.domain.errors import ConcurrentUpdate
from shared.domain.fleet.counters import total
from shared.domain.fleet.deployment import DeviceCommand
from shared.domain.fleet.device import (
    DeviceRecord,
    DeviceState,
    TwinChange,
    bucket_of,
    fold,
    view,
)
from shared.domain.fleet.kept import kept_of
from shared.domain.fleet.listing import ListedDevice
from shared.domain.fleet.queries import Condition, DeviceFilter
from shared.domain.fleet.reconcile import desired_command
from shared.domain.fleet.twin_content import kept_content
from shared.domain.fleet.whereabouts import whereabouts
from shared.domain.updates.update_id import UpdateId
from shared.ports import DeviceWrite, Rollup
from shared.services.devices.counts import DeviceCounts
from shared.services.devices.lists import DeviceLists
from shared.services.reporting.installed import InstalledUpdates
from shared.services.reporting.report import Reports
from shared.services.reporting.rollup import MOST_MEMBERS
from shared.services.reporting.trends import TrendRecords
from shared.services.retrying import retry_on_conflict
from shared.settings import Connection

COMMANDED, FAILED = 200, 12
"""So many devices of each group are at work on the deployment, so many of them have failed."""
_WRITERS = 6
_POLL_SECONDS = 0.2
_REPORTED_AT = "2026-01-01T00:00:00.000000+00:00"
PREFIX = "by prefix"
FILTERS: Mapping[str, tuple[str, DeviceFilter]] = {
    "failed with a code": ("failureCode eq '30101001'", DeviceFilter(failure_code=0x30101001)),
    "failed": ("deploymentStatus eq 'Failed'", DeviceFilter(state=DeviceState.FAILED)),
    "without an update": ("installedUpdate eq null", DeviceFilter(nothing_installed=True)),
    "on the latest": ("onLatestUpdate eq true", DeviceFilter(is_on_latest=True)),
    "silent": ("state eq 'Silent'", DeviceFilter(condition=Condition.SILENT)),
    "unhealthy": ("state eq 'Unhealthy'", DeviceFilter(condition=Condition.UNHEALTHY)),
    PREFIX: ("startswith(deviceId,'{group}-1')", DeviceFilter()),
}
"""What lists of a group are narrowed by: the text of a filter, and what it means."""


type _Read = Callable[[str], Awaitable[Any]]


class ReadStore:
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
        self._installed = InstalledUpdates(self._fleet, self._updates, self._deployments)
        self._counts = DeviceCounts(self._fleet, clock)
        self._trends = TrendRecords(
            trends=TableTrends(Table(self._accounts, "Trends")),
            fleet=self._fleet,
            deployments=self._deployments,
            operations=TableOperations(Table(self._accounts, "Operations")),
            clock=clock,
        )
        self._clock = clock

    async def __aenter__(self) -> ReadStore:
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
        kept = kept_of(sums, now, MOST_MEMBERS)
        for bucket in found:
            *_, some = await self._passes.tally_with_devices(self._instance, bucket, group, kept)
            devices += some
        await self._members.replace(self._instance, group, kept, now, devices)
        rollup = Rollup(
            sums,
            now,
            len(found),
            where=whereabouts(found, group),
            kept=kept,
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
        command = desired_command(a_device("any", group), [stored.value], self._clock.now()).command
        assert command is not None
        return command

    async def _progress(self, group: str, deployment_id: str) -> Any:
        stored = await self._deployments.get(self._instance, group, deployment_id)
        assert stored is not None
        return await self._trends.progress(
            self._instance, stored.value.workflow_id, first=_REPORTED_AT, last=None, most=120
        )

    def _filtered(self, kind: str) -> Callable[[str], Awaitable[Any]]:
        """A page of a group's devices that a filter narrows."""

        def read(group: str) -> Awaitable[Any]:
            prefix = f"{group}-1" if kind == PREFIX else ""
            return self._listed(replace(FILTERS[kind][1], group=group, id_prefix=prefix))

        return read

    async def _listed(self, wanted: DeviceFilter) -> None:
        await self._lists.page(self._instance, wanted, token=None, size=100)
        await self._fleet.classes(self._instance)  # which say whether each is on the latest

    async def _device(self, device: str) -> None:
        await self._devices.load(self._instance, bucket_of(device), [device])
        await self._fleet.classes(self._instance)

    async def requests(
        self, name: str, deployments: Mapping[str, str], update: Mapping[str, str]
    ) -> dict[str, list[str]]:
        """The requests to storage of one read, by group."""
        read = self._read(name, deployments, update)
        return {group: await self._asked(read, group) for group in deployments}

    def bare(self, urls: Sequence[str]) -> Work:
        """The same requests, one after the other, by the SDK alone."""
        return bare(self._accounts.tables, urls)

    async def single(
        self, name: str, deployments: Mapping[str, str], update: Mapping[str, str]
    ) -> Mapping[str, Work]:
        """A read of the large group, and its bare requests."""
        read = self._read(name, deployments, update)
        urls = await self._asked(read, "large")
        return {"figure": lambda: read("large"), "ceiling": self.bare(urls)}

    async def _asked(self, read: _Read, group: str) -> list[str]:
        """The requests of a read."""
        self._requests.urls.clear()
        await read(group)
        return list(self._requests.urls)

    def _read(self, name: str, deployments: Mapping[str, str], update: Mapping[str, str]) -> _Read:
        """A read of a group, with nothing shared among callers."""
        update_id, instance = UpdateId.parse(update), self._instance
        failed = FILTERS["failed"][1]
        reads: Mapping[str, _Read] = {
            "read_update": lambda _: self._updates.get(instance, update_id),
            "read_compliance": lambda group: self._reports.compliance(instance, group),
            "read_compliance, history": lambda group: self._trends.days(
                instance, group, None, None
            ),
            "read_status": lambda group: self._reports.status(instance, group, deployments[group]),
            "read_progress": lambda group: self._progress(group, deployments[group]),
            "read_installed": lambda group: self._installed.counts(instance, group),
            "read_device": lambda group: self._device(f"{group}-7"),
            "count_devices": lambda group: self._counts.count(
                instance, replace(failed, group=group)
            ),
            "read_devices": lambda group: self._listed(DeviceFilter(group=group)),
            **{f"read_devices, {kind}": self._filtered(kind) for kind in FILTERS},
        }
        return reads[name]


def a_device(
    device_id: str,
    group: str,
    commanded: DeviceCommand | None = None,
    *,
    has_failed: bool = False,
) -> DeviceRecord:
    """A device of a group; one that is commanded has failed or works on it."""
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
