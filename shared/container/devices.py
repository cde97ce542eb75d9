"""Devices and their events."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from shared.container.core import Core
from shared.container.updates import UpdateServices

if TYPE_CHECKING:
    from shared.services.devices.class_admission import ClassAdmission
    from shared.services.devices.counts import DeviceCounts
    from shared.services.devices.export import ExportDevices
    from shared.services.devices.health import HealthLists
    from shared.services.devices.history import DeviceHistory
    from shared.services.devices.lists import DeviceLists
    from shared.services.devices.log_collections import CollectLogs
    from shared.services.devices.observe import ObserveDevices
    from shared.services.devices.recount import Recount
    from shared.services.devices.refusals import Refusals
    from shared.services.devices.registry_sync import ImportDevices
    from shared.services.devices.relay import TwinRelay


class DeviceServices:
    """Devices and their events."""

    def __init__(self, core: Core, updates: UpdateServices) -> None:
        self._core = core
        self._updates = updates
        self._ports = core.ports
        self._settings = core.settings

    @cached_property
    def relay(self) -> TwinRelay:
        """Twin changes on their way to Event Grid."""
        from shared.services.devices.relay import TwinRelay

        return TwinRelay(
            events=self._ports.events,
            instances={item.hub_name: key for key, item in self._settings.instances.items()},
            refusals=self.refusals,
        )

    @cached_property
    def class_admission(self) -> ClassAdmission:
        """Device classes that become new."""
        from shared.services.devices.class_admission import ClassAdmission

        return ClassAdmission(
            instances=self._settings.instances,
            classes=self._ports.new_classes,
            best_updates=self._updates.best,
            queues=self._ports.queues,
            clock=self._ports.clock,
            most_an_hour=self._settings.limits.new_classes_per_hour,
        )

    @cached_property
    def refusals(self) -> Refusals:
        """Counts of refused events."""
        from shared.services.devices.refusals import Refusals

        return Refusals(
            store=self._ports.refusal_counts,
            clock=self._ports.clock,
        )

    @cached_property
    def observe(self) -> ObserveDevices:
        """Events of devices."""
        from shared.services.devices.observe import ObserveDevices

        return ObserveDevices(
            devices=self._ports.devices,
            fleet=self._ports.fleet,
            hub=self._ports.hub,
            queues=self._ports.queues,
            rollups=self._core.rollups,
            best_updates=self._updates.best,
            announcer=self._core.announcer,
            reads=self._core.read_pacer,
            refusals=self.refusals,
            telemetry=self._core.telemetry,
            admission=self.class_admission,
        )

    @cached_property
    def lists(self) -> DeviceLists:
        """Lists of devices."""
        from shared.services.devices.lists import DeviceLists

        return DeviceLists(
            devices=self._ports.devices,
            fleet=self._ports.fleet,
            deployments=self._ports.deployments,
            members=self._ports.group_members,
            clock=self._ports.clock,
        )

    @cached_property
    def counts(self) -> DeviceCounts:
        """How many devices filters select."""
        from shared.services.devices.counts import DeviceCounts

        return DeviceCounts(self._core.reads, self._ports.clock)

    @cached_property
    def exports(self) -> ExportDevices:
        """Exports of lists of devices."""
        from shared.services.devices.export import ExportDevices

        return ExportDevices(
            operations=self._ports.operations,
            lists=self.lists,
            fleet=self._ports.fleet,
            blobs=self._ports.blobs,
            files=self._ports.table_files,
            queues=self._ports.queues,
            clock=self._ports.clock,
        )

    @cached_property
    def history(self) -> DeviceHistory:
        """Histories of devices."""
        from shared.services.devices.history import DeviceHistory

        return DeviceHistory(
            devices=self._ports.devices,
        )

    @cached_property
    def health(self) -> HealthLists:
        """Health of devices."""
        from shared.services.devices.health import HealthLists

        return HealthLists(
            devices=self._ports.devices,
        )

    @cached_property
    def log_collections(self) -> CollectLogs:
        """Uploads of logs by devices."""
        from shared.services.devices.log_collections import CollectLogs

        return CollectLogs(
            containers={
                key: item.diagnostics_container for key, item in self._settings.instances.items()
            },
            collections=self._ports.log_collections,
            devices=self._ports.devices,
            hub=self._ports.hub,
            blobs=self._ports.blobs,
            queues=self._ports.queues,
            pacer=self._core.command_pacer,
            clock=self._ports.clock,
        )

    @cached_property
    def recount(self) -> Recount:
        """Recounts of buckets."""
        from shared.services.devices.recount import Recount

        return Recount(
            instances=self._settings.instances,
            devices=self._ports.devices,
            counters=self._ports.counters,
            deployments=self._ports.deployments,
            hub=self._ports.hub,
            observe=self.observe,
            reads=self._core.read_pacer,
            rollups=self._core.rollups,
            reports=self._ports.recounts,
            fleet=self._ports.fleet,
            own_deployments=self._core.own_deployments,
            updates=self._ports.updates,
            clock=self._ports.clock,
        )

    @cached_property
    def registry_sync(self) -> ImportDevices:
        """Re-reads of the hubs' registries."""
        from shared.services.devices.registry_sync import ImportDevices

        return ImportDevices(
            operations=self._ports.operations,
            devices=self._ports.devices,
            hub=self._ports.hub,
            observe=self.observe,
            logs=self.log_collections,
            queues=self._ports.queues,
            reads=self._core.read_pacer,
            clock=self._ports.clock,
            seconds_per_query=60 / self._settings.hub_queries_per_minute,
            recount=self.recount,
        )
