"""What is known of devices, and how it is reported."""

from __future__ import annotations

from functools import cached_property

from shared.adapters.events import EventGridCustomerTopic, EventGridTopic
from shared.container.updates import UpdateServices
from shared.services.announce import Announcements
from shared.services.deployments.completions import Completions
from shared.services.deployments.evaluator import Evaluator
from shared.services.deployments.fan_out import FanOuts
from shared.services.deployments.pending import PendingDevices
from shared.services.deployments.rollback import Rollbacks
from shared.services.deployments.transitions import Transitions
from shared.services.devices.health import HealthLists
from shared.services.devices.history import DeviceHistory
from shared.services.devices.lists import DeviceLists
from shared.services.devices.log_collections import CollectLogs
from shared.services.devices.observe import ObserveDevices
from shared.services.devices.recount import Recount
from shared.services.devices.refusals import Refusals
from shared.services.devices.registry_sync import ImportDevices
from shared.services.devices.relay import TwinRelay
from shared.services.pacing import Pacer
from shared.services.reporting.fleet_changes import FleetChanges
from shared.services.reporting.group_lists import GroupLists
from shared.services.reporting.report import Reports
from shared.services.reporting.rollup import RollUp
from shared.services.rollup_scheduler import RollupScheduler


class DeviceServices(UpdateServices):
    """What is known of devices, and how it is reported."""

    @cached_property
    def rollups(self) -> RollupScheduler:
        """Asks for roll-ups."""
        return RollupScheduler(self.queues, self.settings.rollup_delay_seconds, self.clock)

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
            self.rollups,
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
            self.rollups,
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
    def fan_outs(self) -> FanOuts:
        """Work of deployments on its way to devices."""
        return FanOuts(
            deployments=self.deployments,
            fleet=self.fleet,
            queues=self.queues,
            budget=self.hub_budget,
            clock=self.clock,
            commands_per_second=self.settings.hub_commands_per_second,
            announcer=self.announcer,
        )

    @cached_property
    def rollup(self) -> RollUp:
        """Roll-ups."""
        rollbacks = Rollbacks(
            self.deployments, self.updates, self.fleet, self.queues, self.clock, self.audit
        )
        completions = Completions(self.deployments, self.fleet, self.announcer, self.clock)
        evaluator = Evaluator(
            deployments=self.deployments,
            fleet=self.fleet,
            queues=self.queues,
            fan_outs=self.fan_outs,
            rollbacks=rollbacks,
            transitions=Transitions(self.deployments, self.announcer),
            clock=self.clock,
        )
        return RollUp(
            passes=self.passes,
            fleet=self.fleet,
            rollbacks=rollbacks,
            evaluator=evaluator,
            pending=PendingDevices(self.queues, self.clock),
            rollups=self.rollups,
            clock=self.clock,
            completions=completions,
        )

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
            self.fleet, self.deployments, self.rollup, self.rollups, self.clock, self.announcer
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
