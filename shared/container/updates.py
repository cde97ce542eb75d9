"""How updates come in, are signed, listed and removed."""

from __future__ import annotations

from functools import cached_property

from shared.adapters.fetch import SafeFetcher
from shared.adapters.scanning.scanner import YaraXScanner
from shared.container.adapters import Adapters
from shared.domain.source_url import SourcePolicy
from shared.services.announce import Announcer
from shared.services.best_updates import BestUpdates
from shared.services.delete_update import DeleteUpdate
from shared.services.import_fetch import ImportFetch
from shared.services.import_publish import ImportPublish
from shared.services.import_scan import ImportScan
from shared.services.imports import Imports
from shared.services.resign import Resign
from shared.services.signing import Signing
from shared.services.update_lists import UpdateLists


class UpdateServices(Adapters):
    """How updates come in, are signed, listed and removed."""

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
    def update_lists(self) -> UpdateLists:
        """Lists of updates."""
        return UpdateLists(self.updates)
