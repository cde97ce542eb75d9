"""What every subject is built from."""

from __future__ import annotations

import time
from functools import cached_property
from typing import TYPE_CHECKING

from shared.ports import Ports
from shared.services.announce import Announcer
from shared.services.audit.trail import AuditTrail
from shared.services.pacing import Pacer
from shared.services.rollup_scheduler import RollupScheduler
from shared.services.shared_reads import SharedReads
from shared.services.throttle import Throttle
from shared.settings import Settings

ROOT_KEYS_PATH = "/deviceUpdate/{instance}/rootKeys/rootkeys.json"

if TYPE_CHECKING:
    from shared.services.commands import Commands
    from shared.services.own_deployments import DevicesOwnDeployments


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
        self.reads = SharedReads(ports.fleet, ports.deployments, settings.reads_shared_seconds)
        self.command_pacer = Pacer(settings.hub_commands_per_second)
        self.read_pacer = Pacer(settings.hub_reads_per_second)

    @cached_property
    def commands(self) -> Commands:
        """What a twin is asked for."""
        from shared.services.commands import Commands

        return Commands(
            updates=self.ports.updates,
            blobs=self.ports.blobs,
            root_keys_url=self.settings.public_url + ROOT_KEYS_PATH,
        )

    @cached_property
    def own_deployments(self) -> DevicesOwnDeployments:
        """Deployments that single devices were given."""
        from shared.services.own_deployments import DevicesOwnDeployments

        return DevicesOwnDeployments(
            own_deployments=self.ports.own_deployments,
            devices=self.ports.devices,
            queues=self.ports.queues,
            clock=self.ports.clock,
            announcer=self.announcer,
        )
