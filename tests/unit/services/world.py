"""The services over ports in memory, with the triggers that carry work between them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from shared import messages
from shared.domain.errors import DeviceUpdateError
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device import TwinChange, bucket_of
from shared.domain.operation import Operation
from shared.domain.updates.import_item import ImportItem
from shared.domain.updates.update_id import UpdateId
from shared.services.announce import Announcements, Announcer
from shared.services.audit.trail import AuditTrail
from shared.services.deployments.command import Commands
from shared.services.deployments.completions import Completions
from shared.services.deployments.deploy import Deploy
from shared.services.deployments.fan_out import FanOuts
from shared.services.deployments.reconcile import Reconcile
from shared.services.deployments.rollback import Rollbacks
from shared.services.devices.lists import DeviceLists
from shared.services.devices.observe import ObserveDevices
from shared.services.devices.refusals import Refusals
from shared.services.imports.compatibility import Families
from shared.services.imports.fetch import ImportFetch
from shared.services.imports.operation import Imports
from shared.services.imports.publish import ImportPublish
from shared.services.imports.scan import ImportScan
from shared.services.maintenance.orphans import Orphans
from shared.services.maintenance.sweep import Sweep
from shared.services.pacing import Pacer
from shared.services.reporting.report import Reports
from shared.services.reporting.rollup import RollUp
from shared.services.rollup_scheduler import RollupScheduler
from shared.services.scanning.engines import Scanning
from shared.services.updates.best_updates import BestUpdates
from shared.topology import SCAN_REQUEST
from tests.fakes.audit import MemoryAudit
from tests.memory import (
    Crash,
    Faults,
    FixedClock,
    MemoryBlobs,
    MemoryCustomerTopic,
    MemoryDeployments,
    MemoryDevices,
    MemoryFetcher,
    MemoryFleet,
    MemoryHolders,
    MemoryHub,
    MemoryHubBudget,
    MemoryOperations,
    MemoryQueues,
    MemoryRefusals,
    MemoryScanner,
    MemorySealer,
    MemorySigning,
    MemoryUpdates,
    MemoryVerdicts,
    Message,
    Twin,
    merge_patch,
)
from tests.unit.imports.builders import a_manifest

INSTANCE = "factory"
DROP_WAIT_SECONDS = 60.0
STALLED_SECONDS = 180.0
_MOST_DELIVERIES = 500


type Trigger = Callable[[Any], Awaitable[None]]


class World:
    """Everything of one instance. Services see the ports through `faults`; tests see them bare."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.clock = FixedClock()
        self.refusal_counts = MemoryRefusals()
        self.queues, self.blobs = MemoryQueues(), MemoryBlobs(self.clock)
        self.operations, self.updates = MemoryOperations(), MemoryUpdates()
        self.holders = MemoryHolders()
        self.devices, self.fleet = MemoryDevices(), MemoryFleet(self.clock)
        self.deployments, self.hub = MemoryDeployments(), MemoryHub()
        self.fetcher, self.scanner = MemoryFetcher(), MemoryScanner()
        self.topic = MemoryCustomerTopic()
        self.verdicts = MemoryVerdicts()
        self.budget = MemoryHubBudget(self.clock)
        self.audit_log = MemoryAudit()
        self.rebuild()

    def rebuild(self) -> None:
        """Make the services over the ports as they are now."""
        around = self.faults.around
        queues, blobs = around(self.queues), around(self.blobs)
        operations, updates = around(self.operations), around(self.updates)
        devices, fleet = around(self.devices), around(self.fleet)
        deployments, hub = around(self.deployments), around(self.hub)
        sealer = MemorySealer()
        self.rollups = RollupScheduler(queues, 0.0)
        best = BestUpdates(fleet, updates)
        families = Families(updates, around(self.holders))
        self.announcer = Announcer(queues, 0.0)
        self.audit = AuditTrail(around(self.audit_log), self.clock)
        self.imports = Imports(
            operations,
            blobs,
            queues,
            sealer,
            self.clock,
            announcer=self.announcer,
            audit=self.audit,
        )
        self.fetch = ImportFetch(
            self.imports,
            operations,
            updates,
            blobs,
            queues,
            around(self.fetcher),
            sealer,
            families,
            self.clock,
            DROP_WAIT_SECONDS,
        )
        self.scanning = Scanning([around(self.scanner)], around(self.verdicts), self.clock)
        self.scan = ImportScan(self.imports, operations, blobs, queues, self.scanning, self.clock)
        self.publish = ImportPublish(
            self.imports,
            operations,
            updates,
            blobs,
            around(MemorySigning()),
            best,
            families,
            self.clock,
        )
        self.observe = ObserveDevices(
            devices,
            fleet,
            hub,
            queues,
            self.rollups,
            best,
            self.announcer,
            reads=Pacer(100_000.0),
            refusals=Refusals(around(self.refusal_counts), self.clock),
        )
        self.fan_outs = FanOuts(
            deployments=deployments,
            fleet=fleet,
            queues=queues,
            budget=around(self.budget),
            clock=self.clock,
            commands_per_second=1000.0,
            announcer=self.announcer,
        )
        self.deploy = Deploy(
            deployments, updates, fleet, self.fan_outs, self.clock, announcer=self.announcer
        )
        self.reconcile = Reconcile(
            devices=devices,
            passes=devices,
            deployments=deployments,
            hub=hub,
            commands=Commands(updates, blobs, "https://du.example/{instance}/rootkeys.json"),
            pacer=Pacer(100_000.0),
            rollups=self.rollups,
            clock=self.clock,
            announcer=self.announcer,
        )
        rollbacks = Rollbacks(deployments, updates, fleet, queues, self.clock, self.audit)
        completions = Completions(deployments, fleet, self.announcer, self.clock)
        self.rollup = RollUp(devices, fleet, rollbacks, self.clock, completions)
        self.announcements = Announcements(
            [INSTANCE],
            devices,
            operations,
            deployments,
            around(self.topic),
            queues,
            self.announcer,
            self.clock,
        )
        self.reports = Reports(fleet, deployments, self.clock)
        self.device_lists = DeviceLists(devices, fleet, deployments)
        self.orphans = Orphans(self.imports, updates, blobs, around(self.verdicts), self.clock)
        self.sweep = Sweep(
            [INSTANCE],
            operations,
            deployments,
            fleet,
            best,
            blobs,
            queues,
            self.rollups,
            self.clock,
            self.imports,
            self.orphans,
            self.announcer,
        )

    def audited(self) -> list[tuple[str, str, str]]:
        """Origin, action and target of each entry of the audit log, the oldest first."""
        rows = self.audit_log.rows
        found = [rows[key] for key in sorted(rows, key=lambda key: key[2])]
        return [(item["origin"], item["action"], item["target"]) for item in found]

    async def drain(self) -> None:
        """Deliver messages and blob events until none is left; a crash has them delivered again."""
        for _ in range(_MOST_DELIVERIES):
            due = [*self.queues.take(), *self._scan_requests()]
            if not due:
                return
            for message in due:
                await self._deliver(message)
        raise AssertionError("the work does not come to an end")

    async def settle(self) -> None:
        """Drain, then let the sweep find what was lost, and drain again."""
        await self.drain()
        self.clock.advance(STALLED_SECONDS)
        try:
            await self.sweep.run()
        except Crash:
            await self.sweep.run()
        await self.drain()

    def _scan_requests(self) -> list[Message | tuple[str, str]]:
        created, self.blobs.created = self.blobs.created, []
        return [place for place in created if place[1].endswith("/" + SCAN_REQUEST)]

    async def _deliver(self, message: Message | tuple[str, str]) -> None:
        try:
            if not isinstance(message, Message):
                instance, operation, _ = message[1].split("/")
                await self.scan.run(instance, operation)
                return
            self.clock.advance(message.delay_seconds)
            kind = messages.MESSAGES[message.queue]
            order = messages.decode(kind, json.dumps(message.body))
            await self._triggers()[kind](order)
        except Exception as error:
            if not _is_passing(error):
                raise
            if isinstance(message, Message):
                self.queues.messages.append(message)
            else:
                self.blobs.created.append(message)  # type: ignore[arg-type]

    def _triggers(self) -> Mapping[type[messages.Message], Trigger]:
        return {
            messages.FetchImport: lambda order: self.fetch.run(order.instance, order.operation),
            messages.PublishImport: lambda order: self.publish.run(order.instance, order.operation),
            messages.FanOut: self.fan_outs.run,
            messages.Reconcile: self._reconcile,
            messages.RollUp: lambda order: self.rollup.group(order.instance, order.group),
            messages.Announce: self.announcements.run,
        }

    async def _reconcile(self, order: messages.Reconcile) -> None:
        if order.unexplained:
            await self.observe.look_again(order.instance, order.bucket, order.unexplained)
        else:
            await self.reconcile.run(order)

    async def operation(self, identity: str) -> Operation:
        stored = await self.operations.get(INSTANCE, identity)
        assert stored is not None
        return stored.value

    async def published(self) -> list[UpdateId]:
        page = await self.updates.list(INSTANCE)
        return [item.value.update_id for item in page.items]

    async def tell(self, *changes: TwinChange) -> None:
        """Bring twin changes to the hub and on to the service."""
        by_bucket: dict[int, list[TwinChange]] = {}
        for change in changes:
            self.remember(change)
            by_bucket.setdefault(bucket_of(change.device_id), []).append(change)
        for bucket, items in by_bucket.items():
            await self.observe.twin_changes(INSTANCE, bucket, items)

    def remember(self, change: TwinChange) -> None:
        """Have the twin of the hub be as after a change."""
        twin = self.hub.twins.setdefault((change.device_id, change.module_id), Twin())
        if change.version <= twin.version:
            return
        twin.version = change.version
        twin.tags = merge_patch(twin.tags, change.content.get("tags", {}))
        if "agent" in change.content:
            agent = {"deviceUpdate": {"agent": change.content["agent"]}}
            twin.reported = merge_patch(twin.reported, agent)
            twin.reported_at = change.at

    async def deployment(self, deployment_id: str, group: str = "$default") -> Deployment:
        return await self.deploy.get(INSTANCE, group, deployment_id)


def _is_passing(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_is_passing(inner) for inner in error.exceptions)
    return isinstance(error, Crash) or (isinstance(error, DeviceUpdateError) and error.retryable)


def sha256(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def a_source_manifest(
    given: Mapping[str, bytes] | None = None, /, **changes: Any
) -> dict[str, Any]:
    """An import manifest of these files."""
    contents = {"apply.sh": b"#!/bin/sh\necho done\n"} if given is None else given
    step = {
        "handler": "microsoft/script:1",
        "files": list(contents),
        "handlerProperties": {"installedCriteria": "1"},
    }
    entries = [
        {"filename": name, "sizeInBytes": len(content), "hashes": {"sha256": sha256(content)}}
        for name, content in contents.items()
    ]
    return a_manifest(**{"files": entries, "instructions": {"steps": [step]}, **changes})


def offer(world: World, document: dict[str, Any], files: Mapping[str, bytes]) -> ImportItem:
    """Put a manifest and its files at URLs; the import request for them."""
    content = json.dumps(document).encode()
    name = hashlib.sha256(content).hexdigest()[:8]
    world.fetcher.sources[f"https://src.example/{name}.json?sig=CANARY"] = content
    urls = {file: f"https://src.example/{name}/{file}?sig=CANARY" for file in files}
    for file, url in urls.items():
        world.fetcher.sources[url] = files[file]
    return ImportItem(
        f"https://src.example/{name}.json?sig=CANARY",
        len(content),
        sha256(content),
        "Friendly",
        tuple(urls.items()),
    )
