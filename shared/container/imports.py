"""How updates come in."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from shared.container.core import Core
from shared.container.scanning import ScanningServices
from shared.container.updates import UpdateServices

if TYPE_CHECKING:
    from collections.abc import Callable

    from shared.services.announce import Announcements
    from shared.services.imports.at_once import ImportAtOnce
    from shared.services.imports.compatibility import Families
    from shared.services.imports.deltas import Deltas
    from shared.services.imports.fetch import ImportFetch
    from shared.services.imports.operation import Imports
    from shared.services.imports.publish import ImportPublish
    from shared.services.imports.scan import ImportScan
    from shared.services.imports.uploads import Uploads
    from shared.services.imports.validation import ManifestValidation
    from shared.services.scanning.evidence import Evidence


class ImportServices:
    """How updates come in."""

    def __init__(
        self,
        core: Core,
        scanning: ScanningServices,
        updates: UpdateServices,
        announcements: Callable[[], Announcements],
    ) -> None:
        self._core = core
        self._announcements = announcements
        self._scanning = scanning
        self._updates = updates
        self._ports = core.ports
        self._settings = core.settings

    @cached_property
    def _evidence(self) -> Evidence:
        from shared.services.scanning.evidence import Evidence

        return Evidence(self._ports.blobs, self._ports.sealer)

    @cached_property
    def operations(self) -> Imports:
        """Import operations, from their start to their end."""
        from shared.services.imports.operation import Imports

        return Imports(
            operations=self._ports.operations,
            blobs=self._ports.blobs,
            queues=self._ports.queues,
            sealer=self._ports.sealer,
            clock=self._ports.clock,
            limits=self._settings.limits,
            announcer=self._core.announcer,
            telemetry=self._core.telemetry,
            audit=self._core.audit,
        )

    @cached_property
    def families(self) -> Families:
        """Which updates fit the same devices."""
        from shared.services.imports.compatibility import Families

        return Families(
            updates=self._ports.updates,
            holders=self._ports.holders,
            limits=self._settings.limits,
        )

    @cached_property
    def fetch(self) -> ImportFetch:
        """The first stage."""
        from shared.services.imports.fetch import ImportFetch

        return ImportFetch(
            imports=self.operations,
            operations=self._ports.operations,
            updates=self._ports.updates,
            blobs=self._ports.blobs,
            evidence=self._evidence,
            queues=self._ports.queues,
            fetcher=self._ports.fetcher,
            sealer=self._ports.sealer,
            families=self.families,
            clock=self._ports.clock,
            drop_wait_seconds=self._settings.drop_wait_seconds,
            limits=self._settings.limits,
        )

    @cached_property
    def scan(self) -> ImportScan:
        """The second stage."""
        from shared.services.imports.scan import ImportScan

        return ImportScan(
            imports=self.operations,
            operations=self._ports.operations,
            blobs=self._ports.blobs,
            evidence=self._evidence,
            queues=self._ports.queues,
            scanning=self._scanning.engines,
            clock=self._ports.clock,
            wait_seconds=self._settings.scan.defender_wait_seconds,
        )

    @cached_property
    def publish(self) -> ImportPublish:
        """The last stage."""
        from shared.services.imports.publish import ImportPublish

        return ImportPublish(
            imports=self.operations,
            operations=self._ports.operations,
            updates=self._ports.updates,
            blobs=self._ports.blobs,
            evidence=self._evidence,
            scanning=self._scanning.engines,
            signing=self._updates.signing,
            best_updates=self._updates.best,
            families=self.families,
            commands=self._core.commands,
            clock=self._ports.clock,
        )

    @cached_property
    def at_once(self) -> ImportAtOnce:
        """All stages of a small import, and the first of others."""
        from shared.services.imports.at_once import ImportAtOnce

        return ImportAtOnce(
            fetch=self.fetch,
            scan=self.scan,
            publish=self.publish,
            announcements=self._announcements(),
            most_bytes=self._settings.import_at_once_bytes,
        )

    @cached_property
    def deltas(self) -> Deltas:
        """Deltas between versions, which are scanned and published as imports are."""
        from shared.services.imports.deltas import Deltas

        return Deltas(
            imports=self.operations,
            operations=self._ports.operations,
            updates=self._ports.updates,
            blobs=self._ports.blobs,
            evidence=self._evidence,
            queues=self._ports.queues,
            maker=self._ports.delta_maker,
            scanning=self._scanning.engines,
            signing=self._updates.signing,
            commands=self._core.commands,
            clock=self._ports.clock,
        )

    @cached_property
    def uploads(self) -> Uploads:
        """Uploads from browsers and commands."""
        from shared.services.imports.uploads import Uploads

        return Uploads(self._ports.blobs, self.operations, self._ports.clock)

    @cached_property
    def validation(self) -> ManifestValidation:
        """Checks of import manifests without an import."""
        from shared.services.imports.validation import ManifestValidation

        return ManifestValidation(self._ports.updates, self._ports.fleet, self._settings.limits)
