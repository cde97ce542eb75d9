"""The composition root: the one place that chooses adapters for the services."""

from __future__ import annotations

import time
from functools import cached_property

from shared.container.reports import ReportServices
from shared.services.maintenance.dead_letters import DeadLetters
from shared.services.maintenance.event_lag import LagMeter
from shared.services.maintenance.orphans import Orphans
from shared.services.maintenance.poison import Poison
from shared.services.maintenance.service_health import ServiceHealth
from shared.services.maintenance.sweep import Sweep
from shared.services.throttle import Throttle
from shared.settings import read_settings

__all__ = ["Container", "container"]


class Container(ReportServices):
    """The services, each made when first asked for."""

    @cached_property
    def throttle(self) -> Throttle:
        """Budgets of requests."""
        return Throttle(self.settings.budget, time.monotonic)

    @cached_property
    def dead_letters(self) -> DeadLetters:
        """Events that were given up."""
        return DeadLetters(self.blobs)

    @cached_property
    def poison(self) -> Poison:
        """What failed for good."""
        return Poison(
            poison=self.poison_queues,
            queues=self.queues,
            blobs=self.blobs,
            operations=self.operations,
            dead_letters=self.dead_letters,
        )

    @cached_property
    def lag_meter(self) -> LagMeter:
        """How far behind the hub the service is."""
        return LagMeter(self.event_lags, self.clock)

    @cached_property
    def service_health(self) -> ServiceHealth:
        """How the service is doing."""
        return ServiceHealth(
            instances=list(self.settings.instances),
            operations=self.operations,
            poison=self.poison_queues,
            blobs=self.blobs,
            signing=self.signing,
            hub=self.hub,
            lags=self.event_lags,
            clock=self.clock,
            now=time.monotonic,
        )

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
            self.rollups,
            self.clock,
            self.imports,
            Orphans(self.imports, self.updates, self.blobs, self.verdicts, self.clock),
            self.announcer,
        )


_containers: list[Container] = []


def container() -> Container:
    """The container of this process, made from the app settings at the first call."""
    if not _containers:
        _containers.append(Container(read_settings()))
    return _containers[0]
