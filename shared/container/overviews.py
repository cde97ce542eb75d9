"""What operators read of an instance as a whole, and over time."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from shared.container.core import Core
from shared.container.reporting import ReportingServices

if TYPE_CHECKING:
    from shared.services.reporting.attention import Attention
    from shared.services.reporting.deployment_overview import DeploymentOverviews
    from shared.services.reporting.held_rollouts import HeldRollouts
    from shared.services.reporting.installed import InstalledUpdates
    from shared.services.reporting.search import Search
    from shared.services.reporting.trends import TrendRecords


class OverviewServices:
    """What operators read of an instance as a whole, and over time."""

    def __init__(self, core: Core, reporting: ReportingServices) -> None:
        self._reporting = reporting
        self._reads = core.reads
        self._ports = core.ports
        self._settings = core.settings

    @cached_property
    def attention(self) -> Attention:
        """What needs attention."""
        from shared.services.reporting.attention import Attention

        return Attention(
            fleet=self._reads,
            updates=self._ports.updates,
            operations=self._ports.operations,
            recounts=self._ports.recounts,
            clock=self._ports.clock,
            new_classes=self._ports.new_classes,
            most_new_classes=self._settings.limits.new_classes_per_hour,
        )

    @cached_property
    def held_rollouts(self) -> HeldRollouts:
        """Roll-outs that wait for somebody."""
        from shared.services.reporting.held_rollouts import HeldRollouts

        return HeldRollouts(fleet=self._reads, deployments=self._reads, clock=self._ports.clock)

    @cached_property
    def deployments(self) -> DeploymentOverviews:
        """Deployments across groups."""
        from shared.services.reporting.deployment_overview import DeploymentOverviews

        return DeploymentOverviews(
            fleet=self._reads,
            deployments=self._reads,
            reports=self._reporting.reports,
            clock=self._ports.clock,
        )

    @cached_property
    def installed(self) -> InstalledUpdates:
        """Installed updates and the usage of each."""
        from shared.services.reporting.installed import InstalledUpdates

        return InstalledUpdates(
            fleet=self._reads,
            updates=self._ports.updates,
            deployments=self._reads,
        )

    @cached_property
    def search(self) -> Search:
        """One search over everything."""
        from shared.services.reporting.search import Search

        return Search(
            devices=self._ports.devices,
            fleet=self._ports.fleet,
            deployments=self._ports.deployments,
            updates=self._ports.updates,
        )

    @cached_property
    def trends(self) -> TrendRecords:
        """Figures over time."""
        from shared.services.reporting.trends import TrendRecords

        return TrendRecords(
            trends=self._ports.trends,
            fleet=self._ports.fleet,
            deployments=self._ports.deployments,
            operations=self._ports.operations,
            clock=self._ports.clock,
        )
