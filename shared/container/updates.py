"""How updates come in, are signed, listed and removed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

from shared.adapters.fetch import FetchLimits, SafeFetcher
from shared.adapters.scanning.limits import WalkLimits
from shared.adapters.scanning.scanner import ClamdScanner, YaraXScanner
from shared.container.adapters import Adapters
from shared.domain.updates.source_url import SourcePolicy
from shared.ports import Scanner
from shared.services.announce import Announcer
from shared.services.audit.proof import AuditProof
from shared.services.audit.trail import AuditTrail
from shared.services.imports.compatibility import Families
from shared.services.imports.fetch import ImportFetch
from shared.services.imports.operation import Imports
from shared.services.imports.publish import ImportPublish
from shared.services.imports.scan import ImportScan
from shared.services.scanning.defender import DefenderResults, DefenderScanner
from shared.services.scanning.engines import Scanning
from shared.services.scanning.rescan import Rescan
from shared.services.scanning.rules import ScanRules
from shared.services.updates.best_updates import BestUpdates
from shared.services.updates.deletion import DeleteUpdate
from shared.services.updates.lists import UpdateLists
from shared.services.updates.recall import RecallUpdates
from shared.services.updates.resign import Resign
from shared.services.updates.signing import Signing
from shared.settings import CLAMD, DEFENDER, YARA_X


class UpdateServices(Adapters):
    """How updates come in, are signed, listed and removed."""

    @cached_property
    def audit(self) -> AuditTrail:
        """Writes the audit log."""
        return AuditTrail(self.audit_log, self.clock)

    @cached_property
    def audit_proof(self) -> AuditProof:
        """Anchors and checks the audit log."""
        return AuditProof(self.audit_log, self.blobs, self.clock)

    @cached_property
    def best_updates(self) -> BestUpdates:
        """Best updates of classes."""
        return BestUpdates(self.fleet, self.updates)

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
    def announcer(self) -> Announcer:
        """Has customers told, if there is a topic for them."""
        return Announcer(self.queues if self.settings.customer_topic_endpoint else None)

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
            self.announcer,
            audit=self.audit,
        )

    @cached_property
    def families(self) -> Families:
        """Which updates fit the same devices."""
        return Families(self.updates, self.holders, self.settings.limits)

    @cached_property
    def import_fetch(self) -> ImportFetch:
        """First stage of imports."""
        return ImportFetch(
            self.imports,
            self.operations,
            self.updates,
            self.blobs,
            self.queues,
            self._fetcher(),
            self.sealer,
            self.families,
            self.clock,
            self.settings.drop_wait_seconds,
            self.settings.limits,
        )

    def _fetcher(self) -> SafeFetcher:
        limits = FetchLimits(
            min_bytes_per_second=self.settings.fetch_min_bytes_per_second,
            rate_window_seconds=self.settings.fetch_rate_window_seconds,
        )
        policy = SourcePolicy(allow_loopback=self.settings.allow_loopback_sources)
        return SafeFetcher(policy, limits)

    @cached_property
    def scanning(self) -> Scanning:
        """Malware scanners."""
        chosen = self.settings.scan
        limits = WalkLimits(members=chosen.max_members, ratio=chosen.max_ratio)
        yara = YaraXScanner(limits=limits)
        known: dict[str, Callable[[], Scanner]] = {
            YARA_X: lambda: yara,
            CLAMD: lambda: ClamdScanner(
                chosen.clamd_address, chosen.clamd_max_bytes, limits=limits
            ),
            DEFENDER: lambda: DefenderScanner(self.blobs),
        }
        return Scanning(
            [known[name]() for name in chosen.engines],
            self.verdicts,
            self.clock,
            ScanRules(self.blobs, yara, self.clock) if YARA_X in chosen.engines else None,
        )

    @cached_property
    def import_scan(self) -> ImportScan:
        """Second stage of imports."""
        return ImportScan(
            self.imports,
            self.operations,
            self.blobs,
            self.queues,
            self.scanning,
            self.clock,
            self.settings.scan.defender_wait_seconds,
        )

    @cached_property
    def defender_results(self) -> DefenderResults:
        """Verdicts of Microsoft Defender."""
        return DefenderResults(self.blobs, self.operations, self.queues)

    @cached_property
    def recalls(self) -> RecallUpdates:
        """Updates that are taken back."""
        return RecallUpdates(
            self.updates,
            self.deployments,
            self.queues,
            self.best_updates,
            self.announcer,
            self.clock,
            self.audit,
        )

    @cached_property
    def rescan(self) -> Rescan:
        """Scans of what is published."""
        return Rescan(
            self.settings.instances,
            self.operations,
            self.updates,
            self.blobs,
            self.queues,
            self.scanning,
            self.recalls,
            self.clock,
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
            self.families,
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
    def update_lists(self) -> UpdateLists:
        """Lists of updates."""
        return UpdateLists(self.updates)
