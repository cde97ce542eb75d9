"""The ports as they are in production: storage, hubs, keys, tokens, scanners."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from shared.adapters.blobs import AzureBlobs
from shared.adapters.clock import SystemClock
from shared.adapters.deltas.maker import ZstdDeltaMaker
from shared.adapters.events import EventGridCustomerTopic, EventGridTopic
from shared.adapters.fetch import FetchLimits, SafeFetcher
from shared.adapters.hub import IoTHubs
from shared.adapters.keys import FernetSealer, FileSigner
from shared.adapters.poison_queues import AzurePoisonQueues
from shared.adapters.queues import AzureQueues
from shared.adapters.scanning.limits import WalkLimits
from shared.adapters.scanning.scanner import ClamdScanner, YaraXScanner
from shared.adapters.storage import StorageAccounts
from shared.adapters.table import Table
from shared.adapters.table_accepted_packages import TableAcceptedPackages
from shared.adapters.table_audit import TableAudit
from shared.adapters.table_changes import TableChanges
from shared.adapters.table_counters import TableCounters, TableRecounts
from shared.adapters.table_deployments import TableDeployments
from shared.adapters.table_devices import TableDevices
from shared.adapters.table_event_lag import TableEventLags
from shared.adapters.table_files import FileTables
from shared.adapters.table_fleet import TableFleet
from shared.adapters.table_group_members import TableGroupMembers
from shared.adapters.table_holders import TableHolders
from shared.adapters.table_hub_budget import TableHubBudget
from shared.adapters.table_log_collections import TableLogCollections
from shared.adapters.table_new_classes import TableNewClasses
from shared.adapters.table_operations import TableOperations
from shared.adapters.table_own_deployments import TableOwnDeployments
from shared.adapters.table_passes import TablePasses
from shared.adapters.table_refusals import TableRefusals
from shared.adapters.table_trends import TableTrends
from shared.adapters.table_updates import TableUpdates
from shared.adapters.table_verdicts import TableVerdicts
from shared.adapters.tokens import TokenValidator
from shared.adapters.vault import KeyVaultSigner
from shared.domain.updates.source_url import SourcePolicy
from shared.ports import NO_TELEMETRY, Scanner, Signer, Telemetry
from shared.services.scanning.defender import DefenderScanner
from shared.services.scanning.evidence import Evidence
from shared.settings import AZURE_MONITOR, CLAMD, DEFENDER, YARA_X, Settings
from shared.topology import Table as TableName


class Adapters:
    """Implements `Ports`; each adapter is made when first asked for."""

    def __init__(self, settings: Settings, accounts: StorageAccounts | None = None) -> None:
        self.settings = settings
        self.accounts = accounts or StorageAccounts(
            settings.state, settings.content, self._credential, telemetry=self.telemetry
        )
        self.clock = SystemClock()

    @cached_property
    def telemetry(self) -> Telemetry:
        """Where traces, metrics and log lines go; to nowhere if no setting says so."""
        if not self.settings.telemetry.is_on:
            return NO_TELEMETRY

        def begin() -> Telemetry:
            from shared.adapters.telemetry.pipeline import start

            return start(self.settings.telemetry)

        if self.settings.telemetry.kind != AZURE_MONITOR:
            return begin()
        from shared.adapters.telemetry.late import LateTelemetry

        return LateTelemetry(begin)

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
        return AzureQueues(self.accounts, self.telemetry)

    @cached_property
    def operations(self) -> TableOperations:
        """Long-running operations."""
        return TableOperations(self._table("Operations"))

    @cached_property
    def updates(self) -> TableUpdates:
        """Published updates."""
        return TableUpdates(self._table("Updates"))

    @cached_property
    def holders(self) -> TableHolders:
        """Which families of updates hold which device properties."""
        return TableHolders(self._table("Holders"))

    @cached_property
    def devices(self) -> TableDevices:
        """Devices and their counters."""
        return TableDevices(self._table("Devices"))

    @cached_property
    def passes(self) -> TablePasses:
        """What passes of roll-outs read and write down."""
        return TablePasses(self._table("Devices"))

    @cached_property
    def counters(self) -> TableCounters:
        """Counters as a recount sees them."""
        return TableCounters(self._table("Devices"))

    @cached_property
    def recounts(self) -> TableRecounts:
        """Reports of recounts."""
        return TableRecounts(self._table("Recounts"))

    @cached_property
    def refusal_counts(self) -> TableRefusals:
        """Counts of refused events."""
        return TableRefusals(self._table("Recounts"))

    @cached_property
    def table_files(self) -> FileTables:
        """Files of tables."""
        return FileTables()

    @cached_property
    def group_members(self) -> TableGroupMembers:
        """Devices of small groups."""
        return TableGroupMembers(self._table("Buckets"))

    @cached_property
    def fleet(self) -> TableFleet:
        """Groups, classes and roll-ups."""
        return TableFleet(
            buckets_table=self._table("Buckets"),
            groups_table=self._table("Groups"),
            classes_table=self._table("DeviceClasses"),
            rollups_table=self._table("Rollups"),
            clock=self.clock,
        )

    @cached_property
    def new_classes(self) -> TableNewClasses:
        """Device classes as they come."""
        return TableNewClasses(self._table("DeviceClasses"), self.clock)

    @cached_property
    def deployments(self) -> TableDeployments:
        """Deployments."""
        return TableDeployments(self._table("Deployments"))

    @cached_property
    def delta_maker(self) -> ZstdDeltaMaker:
        """Makes deltas."""
        return ZstdDeltaMaker()

    @cached_property
    def own_deployments(self) -> TableOwnDeployments:
        """Which devices have deployments of their own."""
        return TableOwnDeployments(self._table("Deployments"))

    @cached_property
    def hub_budget(self) -> TableHubBudget:
        """The timelines of commands to the hubs."""
        return TableHubBudget(self._table("Deployments"), self.clock)

    @cached_property
    def log_collections(self) -> TableLogCollections:
        """Log collections."""
        return TableLogCollections(self._table("LogCollections"))

    @cached_property
    def accepted_packages(self) -> TableAcceptedPackages:
        """The root key package that was accepted last."""
        return TableAcceptedPackages(self._table("Recounts"))

    @cached_property
    def audit_log(self) -> TableAudit:
        """The audit log."""
        return TableAudit(self._table("Audit"))

    @cached_property
    def event_lags(self) -> TableEventLags:
        """Lags of events."""
        return TableEventLags(self._table("Recounts"))

    @cached_property
    def poison_queues(self) -> AzurePoisonQueues:
        """Queues of what failed for good."""
        return AzurePoisonQueues(self.accounts)

    @cached_property
    def trends(self) -> TableTrends:
        """Compliance and progress over time."""
        return TableTrends(self._table("Trends"))

    @cached_property
    def change_feed(self) -> TableChanges:
        """What was written lately."""
        return TableChanges(
            rollups=self._table("Rollups"),
            deployments=self._table("Deployments"),
            updates=self._table("Updates"),
            operations=self._table("Operations"),
        )

    @cached_property
    def verdicts(self) -> TableVerdicts:
        """Scan verdicts."""
        return TableVerdicts(self._table("Verdicts"))

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
    def sealer(self) -> FernetSealer:
        """Seals source URLs."""
        return FernetSealer(self.settings.source_url_key)

    @cached_property
    def fetcher(self) -> SafeFetcher:
        """Sources of imports."""
        limits = FetchLimits(
            min_bytes_per_second=self.settings.fetch_min_bytes_per_second,
            rate_window_seconds=self.settings.fetch_rate_window_seconds,
        )
        policy = SourcePolicy(allow_loopback=self.settings.allow_loopback_sources)
        return SafeFetcher(policy, limits)

    @cached_property
    def rule_scanner(self) -> YaraXScanner | None:
        """The engine whose rules operators replace; None if it is not chosen."""
        if YARA_X not in self.settings.scan.engines:
            return None
        return YaraXScanner(limits=self._walk_limits())

    @cached_property
    def scanners(self) -> list[Scanner]:
        """The chosen engines, in their order."""
        chosen = self.settings.scan
        known: dict[str, Callable[[], Scanner | None]] = {
            YARA_X: lambda: self.rule_scanner,
            CLAMD: lambda: ClamdScanner(
                chosen.clamd_address, chosen.clamd_max_bytes, limits=self._walk_limits()
            ),
            DEFENDER: lambda: DefenderScanner(Evidence(self.blobs, self.sealer)),
        }
        return [scanner for name in chosen.engines if (scanner := known[name]()) is not None]

    def _walk_limits(self) -> WalkLimits:
        return WalkLimits(
            members=self.settings.scan.max_members, ratio=self.settings.scan.max_ratio
        )

    @cached_property
    def events(self) -> EventGridTopic:
        """The topic of twin changes."""
        return EventGridTopic(
            endpoint=self.settings.events_endpoint,
            key=self.settings.events_key,
            credential=self._credential,
            telemetry=self.telemetry,
        )

    @cached_property
    def customer_topic(self) -> EventGridCustomerTopic:
        """The topic of customers."""
        return EventGridCustomerTopic(
            self.settings.customer_topic_endpoint or "",
            self.settings.customer_topic_key,
            self._credential,
        )
