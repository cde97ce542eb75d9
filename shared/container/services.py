"""The services, by subject."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from shared.container.core import Core
from shared.ports import Ports
from shared.services.announce import Announcements
from shared.settings import Settings

if TYPE_CHECKING:
    from shared.container.deployments import DeploymentServices
    from shared.container.devices import DeviceServices
    from shared.container.imports import ImportServices
    from shared.container.maintenance import MaintenanceServices
    from shared.container.overviews import OverviewServices
    from shared.container.reporting import ReportingServices
    from shared.container.scanning import ScanningServices
    from shared.container.updates import UpdateServices
    from shared.services.audit.keyring_watch import KeyringWatch
    from shared.services.audit.proof import AuditProof


class Services:
    """Everything that triggers call, over one set of ports.

    A subject's modules are imported when it is first asked for: a cold start loads what its trigger
    needs and no more.
    """

    def __init__(self, ports: Ports, settings: Settings) -> None:
        self.core = core = Core(ports, settings)
        self.ports, self.settings, self.throttle = core.ports, core.settings, core.throttle
        self.telemetry = core.telemetry
        self.announcer, self.audit, self.rollups = core.announcer, core.audit, core.rollups
        self.reads = core.reads

    @cached_property
    def imports(self) -> ImportServices:
        """From a request or a drop to a published update."""
        from shared.container.imports import ImportServices

        return ImportServices(self.core, self.scanning, self.updates, lambda: self.announcements)

    @cached_property
    def scanning(self) -> ScanningServices:
        """Malware scans."""
        from shared.container.scanning import ScanningServices

        return ScanningServices(self.core, self.updates)

    @cached_property
    def updates(self) -> UpdateServices:
        """Published updates."""
        from shared.container.updates import UpdateServices

        return UpdateServices(self.core)

    @cached_property
    def devices(self) -> DeviceServices:
        """Devices and their events."""
        from shared.container.devices import DeviceServices

        return DeviceServices(self.core, self.updates)

    @cached_property
    def deployments(self) -> DeploymentServices:
        """Deployments and the twins that they ask devices through."""
        from shared.container.deployments import DeploymentServices

        return DeploymentServices(self.core)

    @cached_property
    def reporting(self) -> ReportingServices:
        """Figures and lists of groups."""
        from shared.container.reporting import ReportingServices

        return ReportingServices(self.core, self.deployments)

    @cached_property
    def overviews(self) -> OverviewServices:
        """An instance as a whole, and over time."""
        from shared.container.overviews import OverviewServices

        return OverviewServices(self.core, self.reporting)

    @cached_property
    def maintenance(self) -> MaintenanceServices:
        """Sweeps and dead letters."""
        from shared.container.maintenance import MaintenanceServices

        return MaintenanceServices(self.core, self.imports, self.updates, self.deployments)

    @cached_property
    def announcements(self) -> Announcements:
        """What customers are told."""
        return Announcements(
            instances=self.settings.instances,
            devices=self.ports.devices,
            operations=self.ports.operations,
            deployments=self.ports.deployments,
            topic=self.ports.customer_topic,
            queues=self.ports.queues,
            announcer=self.announcer,
            clock=self.ports.clock,
        )

    @cached_property
    def keyring_watch(self) -> KeyringWatch:
        """Writes down what was changed of the keyring."""
        from shared.services.audit.keyring_watch import KeyringWatch

        return KeyringWatch(
            instances=self.settings.instances,
            blobs=self.ports.blobs,
            audit=self.audit,
            clock=self.ports.clock,
        )

    @cached_property
    def audit_proof(self) -> AuditProof:
        """Anchors and checks the audit log."""
        from shared.services.audit.proof import AuditProof

        return AuditProof(self.ports.audit_log, self.ports.blobs, self.ports.clock)
