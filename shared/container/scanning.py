"""Malware scans."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from shared.container.core import Core
from shared.container.updates import UpdateServices

if TYPE_CHECKING:
    from shared.services.scanning.defender import DefenderResults
    from shared.services.scanning.engines import Scanning
    from shared.services.scanning.rescan import Rescan


class ScanningServices:
    """Malware scans."""

    def __init__(self, core: Core, updates: UpdateServices) -> None:
        self._core = core
        self._updates = updates
        self._ports = core.ports
        self._settings = core.settings

    @cached_property
    def engines(self) -> Scanning:
        """The engines in turn."""
        from shared.services.scanning.engines import Scanning
        from shared.services.scanning.rules import ScanRules

        scanner = self._ports.rule_scanner
        rules = ScanRules(self._ports.blobs, scanner, self._ports.clock) if scanner else None
        return Scanning(
            engines=self._ports.scanners,
            verdicts=self._ports.verdicts,
            clock=self._ports.clock,
            rules=rules,
            telemetry=self._core.telemetry,
        )

    @cached_property
    def defender_results(self) -> DefenderResults:
        """Verdicts of Microsoft Defender."""
        from shared.services.scanning.defender import DefenderResults
        from shared.services.scanning.evidence import Evidence
        from shared.services.scanning.harm import HarmfulContent

        return DefenderResults(
            blobs=self._ports.blobs,
            evidence=Evidence(self._ports.blobs, self._ports.sealer),
            operations=self._ports.operations,
            queues=self._ports.queues,
            harm=HarmfulContent(
                verdicts=self._ports.verdicts,
                updates=self._ports.updates,
                recalls=self._updates.recalls,
                clock=self._ports.clock,
            ),
        )

    @cached_property
    def rescan(self) -> Rescan:
        """Scans of what is published."""
        from shared.services.scanning.rescan import Rescan

        return Rescan(
            instances=self._settings.instances,
            operations=self._ports.operations,
            updates=self._ports.updates,
            blobs=self._ports.blobs,
            queues=self._ports.queues,
            scanning=self.engines,
            recalls=self._updates.recalls,
            clock=self._ports.clock,
        )
