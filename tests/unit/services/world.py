"""The services over ports in memory, with the triggers that carry work between them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from types import SimpleNamespace
from typing import Any

from shared import messages
from shared.adapters.table_files import FileTables
from shared.container.services import Services
from shared.domain.errors import DeviceUpdateError
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device import TwinChange, bucket_of
from shared.domain.operation import Operation
from shared.domain.updates.import_item import ImportItem
from shared.domain.updates.update_id import UpdateId
from shared.ports import NO_TELEMETRY
from shared.settings import Settings
from shared.topology import SCAN_REQUEST
from tests.fakes.audit import MemoryAudit
from tests.fakes.clock import FixedClock
from tests.fakes.deltas import MemoryDeltaMaker
from tests.fakes.devices import MemoryDevices
from tests.fakes.faults import Crash, Faults
from tests.fakes.fetching import MemoryFetcher
from tests.fakes.fleet import (
    MemoryDeployments,
    MemoryFleet,
    MemoryGroupMembers,
    MemoryHubBudget,
    MemoryNewClasses,
    MemoryOwnDeployments,
)
from tests.fakes.hub import MemoryCustomerTopic, MemoryEvents, MemoryHub, Twin, merge_patch
from tests.fakes.records import MemoryLogCollections, MemoryRecounts, MemoryRefusals
from tests.fakes.scanning import MemoryScanner
from tests.fakes.storage import MemoryBlobs, MemoryQueues, Message
from tests.fakes.trends import MemoryTrends
from tests.fakes.updates import (
    MemoryAcceptedPackages,
    MemoryHolders,
    MemoryOperations,
    MemorySealer,
    MemorySigning,
    MemoryUpdates,
    MemoryVerdicts,
)
from tests.settings import INSTANCE, the_settings
from tests.unit.imports.builders import a_manifest

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
        self.group_members = MemoryGroupMembers()
        self.deployments, self.hub = MemoryDeployments(), MemoryHub()
        self.own_deployments = MemoryOwnDeployments()
        self.new_classes = MemoryNewClasses(self.fleet, self.clock)
        self.fetcher, self.scanner = MemoryFetcher(), MemoryScanner()
        self.topic = MemoryCustomerTopic()
        self.verdicts = MemoryVerdicts()
        self.log_collections = MemoryLogCollections()
        self.budget = MemoryHubBudget(self.clock)
        self.audit_log = MemoryAudit()
        self.accepted_packages = MemoryAcceptedPackages()
        self.trends = MemoryTrends()
        self.recounts = MemoryRecounts()
        self.rebuild()

    def ports(self) -> Any:
        """What the services are built over: a `Ports` of memory, with faults around each."""
        around = self.faults.around
        devices = around(self.devices)
        return SimpleNamespace(
            accepted_packages=around(self.accepted_packages),
            audit_log=around(self.audit_log),
            blobs=around(self.blobs),
            clock=self.clock,
            counters=devices,  # wrapped, it is every port of these rows
            customer_topic=around(self.topic),
            delta_maker=around(MemoryDeltaMaker()),
            deployments=around(self.deployments),
            devices=devices,
            passes=devices,
            hub_budget=around(self.budget),
            events=MemoryEvents(),
            fetcher=around(self.fetcher),
            fleet=around(self.fleet),
            group_members=around(self.group_members),
            holders=around(self.holders),
            hub=around(self.hub),
            log_collections=around(self.log_collections),
            operations=around(self.operations),
            new_classes=around(self.new_classes),
            own_deployments=around(self.own_deployments),
            queues=around(self.queues),
            recounts=around(self.recounts),
            refusal_counts=around(self.refusal_counts),
            rule_scanner=None,
            scanners=[around(self.scanner)],
            sealer=MemorySealer(),
            telemetry=NO_TELEMETRY,
            table_files=FileTables(),
            trends=around(self.trends),
            updates=around(self.updates),
            verdicts=around(self.verdicts),
        )

    def settings(self) -> Settings:
        """The settings of the services."""
        return the_settings(drop_wait_seconds=DROP_WAIT_SECONDS)

    def rebuild(self) -> None:
        """Make the services over the ports as they are now."""
        self.services = services = Services(self.ports(), self.settings())
        services.updates.signing = self.faults.around(MemorySigning())
        self.rollups, self.announcer = services.rollups, services.announcer
        self.announcements, self.audit = services.announcements, services.audit
        self.imports, self.families = services.imports.operations, services.imports.families
        self.fetch, self.scan = services.imports.fetch, services.imports.scan
        self.publish, self.deltas = services.imports.publish, services.imports.deltas
        self.scanning = services.scanning.engines
        self.results, self.rescan = services.scanning.defender_results, services.scanning.rescan
        self.recalls, self.delete_update = services.updates.recalls, services.updates.deletion
        self.observe, self.recount = services.devices.observe, services.devices.recount
        self.device_lists = services.devices.lists
        self.collect_logs = services.devices.log_collections
        self.import_devices = services.devices.registry_sync
        self.fan_outs, self.evaluator = (
            services.deployments.fan_outs,
            services.deployments.evaluator,
        )
        self.deploy, self.reconcile = services.deployments.deploy, services.deployments.reconcile
        self.rollup, self.reports = services.reporting.rollup, services.reporting.reports
        self.fleet_changes = services.reporting.changes
        self.orphans, self.sweep = services.maintenance.orphans, services.maintenance.sweep

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
            messages.ScanImport: lambda order: self.scan.run(order.instance, order.operation),
            messages.PublishImport: lambda order: self.publish.run(order.instance, order.operation),
            messages.DeleteUpdate: lambda order: self.delete_update.run(
                order.instance, order.operation
            ),
            messages.StopRecalled: self.recalls.run,
            messages.RescanStep: lambda order: self.rescan.run(
                order.instance, order.operation, order.step
            ),
            messages.MakeDelta: lambda order: self.deltas.run(order.instance, order.operation),
            messages.FanOut: self.fan_outs.run,
            messages.Reconcile: self._reconcile,
            messages.RollUp: self.rollup.run,
            messages.Resign: self.services.updates.resign.run,
            messages.RegistryStep: lambda order: self.import_devices.run(
                order.instance, order.operation, order.step
            ),
            messages.CollectLogs: lambda order: self.collect_logs.run(
                order.instance, order.collection
            ),
            messages.Announce: self.announcements.run,
            messages.ExportDevices: lambda order: self.services.devices.exports.run(
                order.instance, order.operation
            ),
        }

    async def _reconcile(self, order: messages.Reconcile) -> None:
        if order.unexplained:
            await self.observe.look_again(order.instance, order.bucket, order.unexplained)
        elif order.held:
            await self.observe.look_at_held(order.instance, order.bucket, order.held)
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
        manifest_url=f"https://src.example/{name}.json?sig=CANARY",
        manifest_size_bytes=len(content),
        manifest_sha256=sha256(content),
        friendly_name="Friendly",
        files=tuple(urls.items()),
    )
