"""Tells how the work queues stand: length, age of the oldest message, what failed for good."""

from __future__ import annotations

from dataclasses import dataclass

from shared.ports import Telemetry
from shared.services.maintenance.service_health import ServiceHealth
from shared.signals import Metric


@dataclass(frozen=True, slots=True)
class QueueMetrics:
    """Looks at the queues only where somebody is told."""

    health: ServiceHealth
    telemetry: Telemetry

    async def tell(self) -> None:
        """Look at every queue once."""
        if not self.telemetry.is_on:
            return
        for state in await self.health.queues():
            record, queue = self.telemetry.record, state.queue
            record(Metric.QUEUE_LENGTH, state.message_count, queue=queue)
            record(Metric.QUEUE_AGE, state.oldest_seconds, queue=queue)
            record(Metric.QUEUE_POISON, state.poison_count, queue=queue)
