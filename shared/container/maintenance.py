"""What sets work going again."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING

from shared.container.core import Core
from shared.container.deployments import DeploymentServices
from shared.container.imports import ImportServices
from shared.container.updates import UpdateServices

if TYPE_CHECKING:
    from shared.services.maintenance.dead_letters import DeadLetters
    from shared.services.maintenance.event_lag import LagMeter
    from shared.services.maintenance.failure_notes import FailureNotes
    from shared.services.maintenance.old_deployments import OldDeployments
    from shared.services.maintenance.orphans import Orphans
    from shared.services.maintenance.poison import Poison
    from shared.services.maintenance.poison_counts import PoisonCounts
    from shared.services.maintenance.queue_metrics import QueueMetrics
    from shared.services.maintenance.retention import RetentionRuns
    from shared.services.maintenance.service_health import ServiceHealth
    from shared.services.maintenance.sweep import Sweep


class MaintenanceServices:
    """What sets work going again."""

    def __init__(
        self,
        core: Core,
        imports: ImportServices,
        updates: UpdateServices,
        deployments: DeploymentServices,
    ) -> None:
        self._core = core
        self._deployments = deployments
        self._imports = imports
        self._updates = updates
        self._ports = core.ports
        self._settings = core.settings

    @cached_property
    def dead_letters(self) -> DeadLetters:
        """Events that were given up."""
        from shared.services.maintenance.dead_letters import DeadLetters

        return DeadLetters(
            blobs=self._ports.blobs,
        )

    @cached_property
    def orphans(self) -> Orphans:
        """What crashes have left."""
        from shared.services.maintenance.orphans import Orphans

        return Orphans(
            imports=self._imports.operations,
            updates=self._ports.updates,
            blobs=self._ports.blobs,
            verdicts=self._ports.verdicts,
            clock=self._ports.clock,
        )

    @cached_property
    def sweep(self) -> Sweep:
        """Finds work that was lost on the way."""
        from shared.services.maintenance.sweep import Sweep

        return Sweep(
            instances=self._settings.instances,
            operations=self._ports.operations,
            deployments=self._ports.deployments,
            fleet=self._ports.fleet,
            best_updates=self._updates.best,
            blobs=self._ports.blobs,
            queues=self._ports.queues,
            rollups=self._core.rollups,
            clock=self._ports.clock,
            imports=self._imports.operations,
            orphans=self.orphans,
            announcer=self._core.announcer,
        )

    @cached_property
    def poison(self) -> Poison:
        """What failed for good."""
        from shared.services.maintenance.poison import Poison

        return Poison(
            poison=self._ports.poison_queues,
            queues=self._ports.queues,
            blobs=self._ports.blobs,
            operations=self._ports.operations,
            dead_letters=self.dead_letters,
            notes=self.failure_notes,
        )

    @cached_property
    def failure_notes(self) -> FailureNotes:
        """Why messages failed for good."""
        from shared.services.maintenance.failure_notes import FailureNotes

        return FailureNotes(blobs=self._ports.blobs, clock=self._ports.clock)

    @cached_property
    def lag_meter(self) -> LagMeter:
        """How far behind the hub the service is."""
        from shared.services.maintenance.event_lag import LagMeter

        return LagMeter(self._ports.event_lags, self._ports.clock, self._core.telemetry)

    @cached_property
    def service_health(self) -> ServiceHealth:
        """How the service is doing."""
        from shared.services.maintenance.service_health import ServiceHealth

        return ServiceHealth(
            instances=list(self._settings.instances),
            operations=self._ports.operations,
            poison=self._ports.poison_queues,
            blobs=self._ports.blobs,
            signing=self._updates.signing,
            hub=self._ports.hub,
            lags=self._ports.event_lags,
            clock=self._ports.clock,
            now=time.monotonic,
        )

    @cached_property
    def poison_counts(self) -> PoisonCounts:
        """How much failed for good."""
        from shared.services.maintenance.poison_counts import PoisonCounts

        return PoisonCounts(self.service_health, self.poison)

    @cached_property
    def queue_metrics(self) -> QueueMetrics:
        """How the queues stand, told."""
        from shared.services.maintenance.queue_metrics import QueueMetrics

        return QueueMetrics(self.service_health, self._core.telemetry)

    @cached_property
    def old_deployments(self) -> OldDeployments:
        """Forgets deployments that ended long ago."""
        from shared.services.maintenance.old_deployments import OldDeployments

        return OldDeployments(
            deployments=self._ports.deployments,
            fleet=self._ports.fleet,
            deploy=self._deployments.deploy,
            audit=self._core.audit,
            clock=self._ports.clock,
        )

    @cached_property
    def retention(self) -> RetentionRuns:
        """Drops what has been kept for long enough."""
        from shared.services.maintenance.retention import RetentionRuns

        return RetentionRuns(
            retention=self._settings.retention,
            operations=self._ports.operations,
            audit_log=self._ports.audit_log,
            audit=self._core.audit,
            trends=self._ports.trends,
            devices=self._ports.devices,
            old_deployments=self.old_deployments,
            blobs=self._ports.blobs,
            clock=self._ports.clock,
        )
