"""Figures and lists of groups."""

from __future__ import annotations

from functools import cached_property

from shared.container.services import Services
from shared.services.reporting.fleet_changes import FleetChanges
from shared.services.reporting.group_lists import GroupLists
from shared.services.reporting.report import Reports
from shared.services.reporting.rollup import RollUp


class ReportingServices:
    """Figures and lists of groups."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._ports = services.ports
        self._settings = services.settings

    @cached_property
    def rollup(self) -> RollUp:
        """Sums over the buckets of a group."""
        return RollUp(
            devices=self._ports.devices,
            fleet=self._ports.fleet,
            rollbacks=self._services.deployments.rollbacks,
            clock=self._ports.clock,
            completions=self._services.deployments.completions,
        )

    @cached_property
    def reports(self) -> Reports:
        """Compliance and deployment status."""
        return Reports(
            fleet=self._ports.fleet,
            deployments=self._ports.deployments,
            clock=self._ports.clock,
        )

    @cached_property
    def groups(self) -> GroupLists:
        """Groups with their figures."""
        return GroupLists(
            fleet=self._ports.fleet,
            deployments=self._ports.deployments,
            clock=self._ports.clock,
        )

    @cached_property
    def changes(self) -> FleetChanges:
        """What operators change of classes and groups."""
        return FleetChanges(
            fleet=self._ports.fleet,
            deployments=self._ports.deployments,
            rollup=self.rollup,
            rollups=self._services.rollups,
            clock=self._ports.clock,
            announcer=self._services.announcer,
        )
