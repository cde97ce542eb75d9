"""The world with what operators remove, read again and collect."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from shared import messages
from shared.domain.fleet.log_collection import LogCollection
from shared.ports import Page, Stored
from shared.services.devices.log_collections import CollectLogs
from shared.services.devices.recount import Recount
from shared.services.devices.registry_sync import ImportDevices
from shared.services.pacing import Pacer
from shared.services.reporting.fleet_changes import FleetChanges
from shared.services.updates.deletion import DeleteUpdate
from tests.memory import MemoryRecounts, Rows
from tests.unit.services.world import INSTANCE, Trigger, World


class MemoryLogCollections:
    def __init__(self) -> None:
        self._rows = Rows[tuple[str, str], LogCollection]()

    async def add(self, instance: str, collection: LogCollection) -> bool:
        await asyncio.sleep(0)
        return self._rows.insert((instance, collection.collection_id), collection)

    async def get(self, instance: str, collection_id: str) -> Stored[LogCollection] | None:
        await asyncio.sleep(0)
        return self._rows.get((instance, collection_id))

    async def save(self, instance: str, collection: LogCollection, etag: str) -> None:
        await asyncio.sleep(0)
        self._rows.replace((instance, collection.collection_id), collection, etag)

    async def list(self, instance: str, token: str | None, *, size: int) -> Page[LogCollection]:
        raise NotImplementedError

    async def waiting(self, instance: str) -> Sequence[LogCollection]:
        await asyncio.sleep(0)
        return [row.value for _, row in self._rows.items() if row.value.waiting]


class ExtendedWorld(World):
    """Everything of one instance."""

    def __init__(self) -> None:
        self.log_collections = MemoryLogCollections()
        self.recounts = MemoryRecounts()
        super().__init__()

    def rebuild(self) -> None:
        super().rebuild()
        around = self.faults.around
        operations, devices, hub = (
            around(self.operations),
            around(self.devices),
            around(self.hub),
        )
        queues, blobs, fleet = around(self.queues), around(self.blobs), around(self.fleet)
        deployments, updates = around(self.deployments), around(self.updates)
        self.delete_update = DeleteUpdate(
            operations,
            updates,
            deployments,
            fleet,
            blobs,
            queues,
            self.publish.best_updates,
            self.clock,
        )
        self.fleet_changes = FleetChanges(fleet, deployments, self.rollup, self.rollups, self.clock)
        self.collect_logs = CollectLogs(
            {INSTANCE: "diagnostics"},
            around(self.log_collections),
            devices,
            hub,
            blobs,
            queues,
            Pacer(100_000.0),
            self.clock,
        )
        pacer = Pacer(100_000.0)
        self.recount = Recount(
            [INSTANCE],
            devices,
            devices,  # type: ignore[arg-type]  # wrapped, it is every port of these rows
            deployments,
            hub,
            self.observe,
            pacer,
            self.rollups,
            around(self.recounts),
            self.clock,
        )
        self.import_devices = ImportDevices(
            operations,
            devices,
            hub,
            self.observe,
            self.collect_logs,
            queues,
            Pacer(100_000.0),
            self.clock,
            6.0,
            self.recount,
        )

    def _triggers(self) -> Mapping[type[messages.Message], Trigger]:
        return {
            **super()._triggers(),
            messages.DeleteUpdate: lambda order: self.delete_update.run(
                order.instance, order.operation
            ),
            messages.RegistryStep: lambda order: self.import_devices.run(
                order.instance, order.operation, order.step
            ),
            messages.CollectLogs: lambda order: self.collect_logs.run(
                order.instance, order.collection
            ),
        }
