"""The composition root: the one place that chooses adapters for the services."""

from __future__ import annotations

import time
from functools import cached_property
from typing import Any

from shared.adapters.blobs import AzureBlobs
from shared.adapters.clock import SystemClock
from shared.adapters.events import EventGridTopic
from shared.adapters.fetch import SafeFetcher
from shared.adapters.hub import IoTHubs
from shared.adapters.keys import FernetSealer, FileSigner
from shared.adapters.queues import AzureQueues
from shared.adapters.scanning.scanner import YaraXScanner
from shared.adapters.storage import StorageAccounts
from shared.adapters.table import Table
from shared.adapters.table_deployments import TableDeployments
from shared.adapters.table_devices import TableDevices
from shared.adapters.table_fleet import TableFleet
from shared.adapters.table_log_collections import TableLogCollections
from shared.adapters.table_operations import TableOperations
from shared.adapters.table_updates import TableUpdates
from shared.adapters.tokens import TokenValidator
from shared.adapters.vault import KeyVaultSigner
from shared.domain.source_url import SourcePolicy
from shared.domain.topology import Table as TableName
from shared.ports import Signer
from shared.services.best_updates import BestUpdates
from shared.services.command import Commands
from shared.services.dead_letters import DeadLetters
from shared.services.delete_update import DeleteUpdate
from shared.services.deploy import Deploy
from shared.services.deployment_lists import DeploymentLists
from shared.services.device_lists import DeviceLists
from shared.services.fleet_changes import FleetChanges
from shared.services.group_lists import GroupLists
from shared.services.health import HealthLists
from shared.services.import_devices import ImportDevices
from shared.services.import_fetch import ImportFetch
from shared.services.import_publish import ImportPublish
from shared.services.import_scan import ImportScan
from shared.services.imports import Imports
from shared.services.log_collections import CollectLogs
from shared.services.observe import ObserveDevices
from shared.services.orphans import Orphans
from shared.services.pacing import Pacer
from shared.services.reconcile import Reconcile
from shared.services.relay import TwinRelay
from shared.services.report import Reports
from shared.services.resign import Resign
from shared.services.rollback import Rollbacks
from shared.services.rollup import RollUp, RollupBell
from shared.services.signing import Signing
from shared.services.sweep import Sweep
from shared.services.throttle import Throttle
from shared.services.update_lists import UpdateLists
from shared.settings import Settings, read_settings

ROOT_KEYS_PATH = "/deviceUpdate/{instance}/rootKeys/rootkeys.json"


class Container:
    """The services, each made when first asked for."""

    def __init__(self, settings: Settings, accounts: StorageAccounts | None = None) -> None:
        self.settings = settings
        self.accounts = accounts or StorageAccounts(
            settings.state, settings.content, self._credential
        )
        self.clock = SystemClock()

    @staticmethod
    def _credential() -> Any:
        """The app's identity in Azure."""
        from azure.identity.aio import DefaultAzureCredential

        return DefaultAzureCredential()

    @staticmethod
    def _blocking_credential() -> Any:
        """The app's identity, for the hub's synchronous SDK."""
        from azure.identity import DefaultAzureCredential

        return DefaultAzureCredential()

    def _table(self, name: TableName) -> Table:
        return Table(self.accounts, name)

    @cached_property
    def blobs(self) -> AzureBlobs:
        """Blob containers."""
        return AzureBlobs(self.accounts, self.settings.link_hours)

    @cached_property
    def queues(self) -> AzureQueues:
        """Work queues."""
        return AzureQueues(self.accounts)

    @cached_property
    def operations(self) -> TableOperations:
        """Long-running operations."""
        return TableOperations(self._table("Operations"))

    @cached_property
    def updates(self) -> TableUpdates:
        """Published updates."""
        return TableUpdates(self._table("Updates"))

    @cached_property
    def devices(self) -> TableDevices:
        """Devices and their counters."""
        return TableDevices(self._table("Devices"))

    @cached_property
    def fleet(self) -> TableFleet:
        """Groups, classes and roll-ups."""
        return TableFleet(
            self._table("Buckets"),
            self._table("Groups"),
            self._table("DeviceClasses"),
            self._table("Rollups"),
            self.clock,
        )

    @cached_property
    def deployments(self) -> TableDeployments:
        """Deployments."""
        return TableDeployments(self._table("Deployments"))

    @cached_property
    def log_collections(self) -> TableLogCollections:
        """Log collections."""
        return TableLogCollections(self._table("LogCollections"))

    @cached_property
    def collect_logs(self) -> CollectLogs:
        """Uploads of logs by devices."""
        return CollectLogs(
            self.settings.instances,
            self.log_collections,
            self.devices,
            self.hub,
            self.blobs,
            self.queues,
            self.pacer,
            self.clock,
        )

    @cached_property
    def hub(self) -> IoTHubs:
        """IoT hubs."""
        return IoTHubs(self.settings.instances, self._blocking_credential)

    @cached_property
    def tokens(self) -> TokenValidator:
        """Bearer tokens."""
        return TokenValidator(self.settings.tokens)

    @cached_property
    def signer(self) -> Signer:
        """Private signing keys: in files or in a vault."""
        if self.settings.signing_directory is not None:
            return FileSigner(self.settings.signing_directory)
        return KeyVaultSigner(self.settings.signing_vault_url or "", self._credential)

    @cached_property
    def signing(self) -> Signing:
        """Signatures of update manifests."""
        return Signing(self.updates, self.blobs, self.signer, self.clock)

    @cached_property
    def resign(self) -> Resign:
        """New signatures after a change of the key."""
        return Resign(
            self.settings.instances,
            self.signing,
            self.updates,
            self.deployments,
            self.fleet,
            self.queues,
            self.clock,
        )

    @cached_property
    def sealer(self) -> FernetSealer:
        """Seals source URLs."""
        return FernetSealer(self.settings.source_url_key)

    @cached_property
    def bell(self) -> RollupBell:
        """Asks for roll-ups."""
        return RollupBell(self.queues, self.settings.rollup_delay_seconds)

    @cached_property
    def best_updates(self) -> BestUpdates:
        """Best updates of classes."""
        return BestUpdates(self.fleet, self.updates)

    @cached_property
    def imports(self) -> Imports:
        """Import operations."""
        return Imports(
            self.operations,
            self.blobs,
            self.queues,
            self.sealer,
            self.clock,
            self.settings.limits,
        )

    @cached_property
    def import_fetch(self) -> ImportFetch:
        """First stage of imports."""
        return ImportFetch(
            self.imports,
            self.operations,
            self.updates,
            self.blobs,
            self.queues,
            SafeFetcher(SourcePolicy(allow_loopback=self.settings.allow_loopback_sources)),
            self.sealer,
            self.clock,
            self.settings.drop_wait_seconds,
            self.settings.limits,
        )

    @cached_property
    def import_scan(self) -> ImportScan:
        """Second stage of imports."""
        return ImportScan(
            self.imports, self.operations, self.blobs, self.queues, YaraXScanner(), self.clock
        )

    @cached_property
    def import_publish(self) -> ImportPublish:
        """Last stage of imports."""
        return ImportPublish(
            self.imports,
            self.operations,
            self.updates,
            self.blobs,
            self.signing,
            self.best_updates,
            self.clock,
        )

    @cached_property
    def delete_update(self) -> DeleteUpdate:
        """Deletions of updates."""
        return DeleteUpdate(
            self.operations,
            self.updates,
            self.deployments,
            self.fleet,
            self.blobs,
            self.queues,
            self.best_updates,
            self.clock,
        )

    @cached_property
    def observe(self) -> ObserveDevices:
        """Events of devices."""
        return ObserveDevices(
            self.devices, self.fleet, self.hub, self.queues, self.bell, self.best_updates
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
            Pacer(self.settings.hub_reads_per_second),
            self.clock,
            60 / self.settings.hub_queries_per_minute,
        )

    @cached_property
    def relay(self) -> TwinRelay:
        """Twin changes on their way to Event Grid."""
        return TwinRelay(
            EventGridTopic(
                self.settings.events_endpoint, self.settings.events_key, self._credential
            ),
            {item.hub_name: key for key, item in self.settings.instances.items()},
        )

    @cached_property
    def pacer(self) -> Pacer:
        """Pace of commands."""
        return Pacer(self.settings.hub_commands_per_second)

    @cached_property
    def reconcile(self) -> Reconcile:
        """Twins as they should be."""
        return Reconcile(
            self.devices,
            self.deployments,
            self.hub,
            Commands(self.updates, self.blobs, self.settings.public_url + ROOT_KEYS_PATH),
            self.pacer,
            self.bell,
            self.clock,
        )

    @cached_property
    def deploy(self) -> Deploy:
        """Deployments."""
        return Deploy(
            self.deployments,
            self.updates,
            self.fleet,
            self.queues,
            self.clock,
            self.settings.hub_commands_per_second,
            self.settings.limits,
        )

    @cached_property
    def rollup(self) -> RollUp:
        """Roll-ups."""
        rollbacks = Rollbacks(self.deployments, self.updates, self.fleet, self.queues, self.clock)
        return RollUp(self.devices, self.fleet, rollbacks, self.clock)

    @cached_property
    def fleet_changes(self) -> FleetChanges:
        """What operators change of classes and groups."""
        return FleetChanges(self.fleet, self.deployments, self.rollup, self.bell, self.clock)

    @cached_property
    def reports(self) -> Reports:
        """Reads of compliance and deployment status."""
        return Reports(self.fleet, self.deployments, self.clock)

    @cached_property
    def device_lists(self) -> DeviceLists:
        """Lists of devices."""
        return DeviceLists(self.devices, self.fleet, self.deployments)

    @cached_property
    def deployment_lists(self) -> DeploymentLists:
        """Lists of deployments."""
        return DeploymentLists(self.deployments)

    @cached_property
    def throttle(self) -> Throttle:
        """Budgets of requests."""
        return Throttle(self.settings.budget, time.monotonic)

    @cached_property
    def group_lists(self) -> GroupLists:
        """Groups with their figures."""
        return GroupLists(self.fleet, self.deployments, self.clock)

    @cached_property
    def update_lists(self) -> UpdateLists:
        """Lists of updates."""
        return UpdateLists(self.updates)

    @cached_property
    def dead_letters(self) -> DeadLetters:
        """Events that were given up."""
        return DeadLetters(self.blobs)

    @cached_property
    def sweep(self) -> Sweep:
        """Finds work that was lost on the way."""
        return Sweep(
            self.settings.instances,
            self.operations,
            self.deployments,
            self.fleet,
            self.best_updates,
            self.blobs,
            self.queues,
            self.bell,
            self.clock,
            self.imports,
            Orphans(self.imports, self.updates, self.blobs, self.clock),
        )


_containers: list[Container] = []


def container() -> Container:
    """The container of this process, made from the app settings at the first call."""
    if not _containers:
        _containers.append(Container(read_settings()))
    return _containers[0]
