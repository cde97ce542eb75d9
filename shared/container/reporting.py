"""Figures and lists of groups."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from shared.container.core import Core
from shared.container.deployments import DeploymentServices

if TYPE_CHECKING:
    from shared.services.reporting.explain import Explanations
    from shared.services.reporting.fleet_changes import FleetChanges
    from shared.services.reporting.group_lists import GroupLists
    from shared.services.reporting.report import Reports
    from shared.services.reporting.rollouts import RolloutReports
    from shared.services.reporting.rollup import RollUp


class ReportingServices:
    """Figures and lists of groups."""

    def __init__(self, core: Core, deployments: DeploymentServices) -> None:
        self._core = core
        self._deployments = deployments
        self._ports = core.ports
        self._settings = core.settings

    @cached_property
    def rollup(self) -> RollUp:
        """Sums over the buckets of a group."""
        from shared.services.reporting.rollup import RollUp

        return RollUp(
            passes=self._ports.passes,
            fleet=self._ports.fleet,
            members=self._ports.group_members,
            rollbacks=self._deployments.rollbacks,
            evaluator=self._deployments.evaluator,
            pending=self._deployments.pending,
            rollups=self._core.rollups,
            clock=self._ports.clock,
            completions=self._deployments.completions,
        )

    @cached_property
    def reports(self) -> Reports:
        """Compliance and deployment status."""
        from shared.services.reporting.report import Reports

        return Reports(
            fleet=self._core.reads,
            deployments=self._core.reads,
            clock=self._ports.clock,
        )

    @cached_property
    def groups(self) -> GroupLists:
        """Groups with their figures."""
        from shared.services.reporting.group_lists import GroupLists

        return GroupLists(
            fleet=self._core.reads,
            deployments=self._core.reads,
            clock=self._ports.clock,
        )

    @cached_property
    def changes(self) -> FleetChanges:
        """What operators change of classes and groups."""
        from shared.services.reporting.fleet_changes import FleetChanges

        return FleetChanges(
            fleet=self._ports.fleet,
            deployments=self._ports.deployments,
            rollup=self.rollup,
            rollups=self._core.rollups,
            clock=self._ports.clock,
            announcer=self._core.announcer,
        )

    @cached_property
    def rollouts(self) -> RolloutReports:
        """How roll-outs stand, and what they would do."""
        from shared.services.reporting.rollouts import RolloutReports

        return RolloutReports(
            deployments=self._ports.deployments,
            updates=self._ports.updates,
            fleet=self._ports.fleet,
            clock=self._ports.clock,
            limits=self._core.settings.limits,
            commands_per_second=self._core.settings.hub_commands_per_second,
        )

    @cached_property
    def explanations(self) -> Explanations:
        """Why devices have updates or have not."""
        from shared.services.reporting.explain import Explanations

        return Explanations(
            devices=self._ports.devices,
            deployments=self._ports.deployments,
            updates=self._ports.updates,
            passes=self._ports.passes,
            fleet=self._ports.fleet,
            clock=self._ports.clock,
            link_life=self._settings.links_good_for,
        )
