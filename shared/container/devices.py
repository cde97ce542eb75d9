"""What is known of devices, and how it is reported."""

from __future__ import annotations

from functools import cached_property

from shared.adapters.events import EventGridCustomerTopic, EventGridTopic
from shared.container.updates import UpdateServices
from shared.services.announce import Announcements
from shared.services.completions import Completions
from shared.services.device_history import DeviceHistory
from shared.services.device_lists import DeviceLists
from shared.services.fleet_changes import FleetChanges
from shared.services.group_lists import GroupLists
from shared.services.health import HealthLists
from shared.services.import_devices import ImportDevices
from shared.services.log_collections import CollectLogs
from shared.services.observe import ObserveDevices
from shared.services.pacing import Pacer
from shared.services.recount import Recount
from shared.services.refusals import Refusals
from shared.services.relay import TwinRelay
from shared.services.report import Reports
from shared.services.rollback import Rollbacks
from shared.services.rollup import RollUp, RollupBell


class DeviceServices(UpdateServices):
    """What is known of devices, and how it is reported."""

    @cached_property
    def bell(self) -> RollupBell:
        """Asks for roll-ups."""
        return RollupBell(self.queues, self.settings.rollup_delay_seconds)

    @cached_property
    def pacer(self) -> Pacer:
        """Pace of commands."""
        return Pacer(self.settings.hub_commands_per_second)

    @cached_property
    def read_pacer(self) -> Pacer:
        """Pace of reads of single twins."""
        return Pacer(self.settings.hub_reads_per_second)

    @cached_property
    def collect_logs(self) -> CollectLogs:
        """Uploads of logs by devices."""
        return CollectLogs(
            {key: item.diagnostics_container for key, item in self.settings.instances.items()},
            self.log_collections,
            self.devices,
            self.hub,
            self.blobs,
            self.queues,
            self.pacer,
            self.clock,
        )

    @cached_property
    def refusals(self) -> Refusals:
        """Counts of refused events."""
        return Refusals(self.refusal_counts, self.clock)

    @cached_property
    def observe(self) -> ObserveDevices:
        """Events of devices."""
        return ObserveDevices(
            self.devices,
            self.fleet,
            self.hub,
            self.queues,
            self.bell,
            self.best_updates,
            self.announcer,
            self.read_pacer,
            self.refusals,
        )

    @cached_property
    def health(self) -> HealthLists:
        """Health of devices."""
        return HealthLists(self.devices)

    @cached_property
    def import_devices(self) -> ImportDevices:
        """Re-reads of the hubs' registries."""
        return ImportDevices(
            self.operations,
            self.devices,
            self.hub,
            self.observe,
            self.collect_logs,
            self.queues,
            self.read_pacer,
            self.clock,
            60 / self.settings.hub_queries_per_minute,
            self.recount,
        )

    @cached_property
    def recount(self) -> Recount:
        """Recounts of buckets."""
        return Recount(
            self.settings.instances,
            self.devices,
            self.counters,
            self.deployments,
            self.hub,
            self.observe,
            self.read_pacer,
            self.bell,
            self.recounts,
            self.clock,
        )

    @cached_property
    def relay(self) -> TwinRelay:
        """Twin changes on their way to Event Grid."""
        return TwinRelay(
            EventGridTopic(
                self.settings.events_endpoint, self.settings.events_key, self._credential
            ),
            {item.hub_name: key for key, item in self.settings.instances.items()},
            self.refusals,
        )

    @cached_property
    def rollup(self) -> RollUp:
        """Roll-ups."""
        rollbacks = Rollbacks(self.deployments, self.updates, self.fleet, self.queues, self.clock)
        completions = Completions(self.deployments, self.fleet, self.announcer, self.clock)
        return RollUp(self.devices, self.fleet, rollbacks, self.clock, completions)

    @cached_property
    def announcements(self) -> Announcements:
        """What customers are told."""
        return Announcements(
            self.settings.instances,
            self.devices,
            self.operations,
            self.deployments,
            EventGridCustomerTopic(
                self.settings.customer_topic_endpoint or "",
                self.settings.customer_topic_key,
                self._credential,
            ),
            self.queues,
            self.announcer,
            self.clock,
        )

    @cached_property
    def fleet_changes(self) -> FleetChanges:
        """What operators change of classes and groups."""
        return FleetChanges(
            self.fleet, self.deployments, self.rollup, self.bell, self.clock, self.announcer
        )

    @cached_property
    def reports(self) -> Reports:
        """Reads of compliance and deployment status."""
        return Reports(self.fleet, self.deployments, self.clock)

    @cached_property
    def device_history(self) -> DeviceHistory:
        """Histories of devices."""
        return DeviceHistory(self.devices)

    @cached_property
    def device_lists(self) -> DeviceLists:
        """Lists of devices."""
        return DeviceLists(self.devices, self.fleet, self.deployments)

    @cached_property
    def group_lists(self) -> GroupLists:
        """Groups with their figures."""
        return GroupLists(self.fleet, self.deployments, self.clock)
