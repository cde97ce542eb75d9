"""What operators read of an instance as a whole, and over time."""

from __future__ import annotations

from functools import cached_property

from shared.container.deployments import DeploymentServices
from shared.services.reporting.attention import Attention
from shared.services.reporting.deployment_overview import DeploymentOverviews
from shared.services.reporting.installed import InstalledUpdates
from shared.services.reporting.search import Search
from shared.services.reporting.trends import TrendRecords


class ReportServices(DeploymentServices):
    """What operators read of an instance as a whole, and over time."""

    @cached_property
    def attention(self) -> Attention:
        """What needs attention."""
        return Attention(
            fleet=self.fleet,
            updates=self.updates,
            operations=self.operations,
            recounts=self.recounts,
            clock=self.clock,
        )

    @cached_property
    def deployment_overviews(self) -> DeploymentOverviews:
        """Deployments across groups."""
        return DeploymentOverviews(
            fleet=self.fleet, deployments=self.deployments, reports=self.reports, clock=self.clock
        )

    @cached_property
    def installed_updates(self) -> InstalledUpdates:
        """Installed updates and the usage of each."""
        return InstalledUpdates(
            fleet=self.fleet, updates=self.updates, deployments=self.deployments
        )

    @cached_property
    def search(self) -> Search:
        """One search over everything."""
        return Search(
            devices=self.devices,
            fleet=self.fleet,
            deployments=self.deployments,
            updates=self.updates,
        )

    @cached_property
    def trend_records(self) -> TrendRecords:
        """Figures over time."""
        return TrendRecords(
            trends=self.trends,
            fleet=self.fleet,
            deployments=self.deployments,
            operations=self.operations,
            clock=self.clock,
        )
