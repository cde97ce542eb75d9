"""What every subject is built from."""

from __future__ import annotations

import time

from shared.ports import Ports
from shared.services.announce import Announcer
from shared.services.audit.trail import AuditTrail
from shared.services.pacing import Pacer
from shared.services.rollup_scheduler import RollupScheduler
from shared.services.throttle import Throttle
from shared.settings import Settings


class Core:
    """Ports, settings, and what is shared within a process: pace, budgets, who is told what."""

    def __init__(self, ports: Ports, settings: Settings) -> None:
        self.ports = ports
        self.settings = settings
        self.telemetry = ports.telemetry
        self.throttle = Throttle(settings.budget, time.monotonic)
        self.announcer = Announcer(
            ports.queues if settings.customer_topic_endpoint else None,
            settings.rollup_delay_seconds,
        )
        self.audit = AuditTrail(ports.audit_log, ports.clock)
        self.rollups = RollupScheduler(ports.queues, settings.rollup_delay_seconds, ports.clock)
        self.command_pacer = Pacer(settings.hub_commands_per_second)
        self.read_pacer = Pacer(settings.hub_reads_per_second)
