"""What sets work going again."""

from __future__ import annotations

from functools import cached_property

from shared.container.services import Services
from shared.services.maintenance.dead_letters import DeadLetters
from shared.services.maintenance.orphans import Orphans
from shared.services.maintenance.sweep import Sweep


class MaintenanceServices:
    """What sets work going again."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._ports = services.ports
        self._settings = services.settings

    @cached_property
    def dead_letters(self) -> DeadLetters:
        """Events that were given up."""
        return DeadLetters(
            blobs=self._ports.blobs,
        )

    @cached_property
    def orphans(self) -> Orphans:
        """What crashes have left."""
        return Orphans(
            imports=self._services.imports.operations,
            updates=self._ports.updates,
            blobs=self._ports.blobs,
            verdicts=self._ports.verdicts,
            clock=self._ports.clock,
        )

    @cached_property
    def sweep(self) -> Sweep:
        """Finds work that was lost on the way."""
        return Sweep(
            instances=self._settings.instances,
            operations=self._ports.operations,
            deployments=self._ports.deployments,
            fleet=self._ports.fleet,
            best_updates=self._services.updates.best,
            blobs=self._ports.blobs,
            queues=self._ports.queues,
            rollups=self._services.rollups,
            clock=self._ports.clock,
            imports=self._services.imports.operations,
            orphans=self.orphans,
            announcer=self._services.announcer,
        )
