"""Deployments and the twins that they ask devices through."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property

from shared.container.services import Services
from shared.services.deployments.command import Commands
from shared.services.deployments.completions import Completions
from shared.services.deployments.deploy import Deploy
from shared.services.deployments.fan_out import FanOuts
from shared.services.deployments.lists import DeploymentLists
from shared.services.deployments.reconcile import Reconcile
from shared.services.deployments.rollback import Rollbacks

ROOT_KEYS_PATH = "/deviceUpdate/{instance}/rootKeys/rootkeys.json"


class DeploymentServices:
    """Deployments and the twins that they ask devices through."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._ports = services.ports
        self._settings = services.settings

    @cached_property
    def fan_outs(self) -> FanOuts:
        """Work of deployments on its way to devices."""
        return FanOuts(
            deployments=self._ports.deployments,
            fleet=self._ports.fleet,
            queues=self._ports.queues,
            budget=self._ports.hub_budget,
            clock=self._ports.clock,
            commands_per_second=self._settings.hub_commands_per_second,
            announcer=self._services.announcer,
        )

    @cached_property
    def deploy(self) -> Deploy:
        """The life of deployments."""
        return Deploy(
            deployments=self._ports.deployments,
            updates=self._ports.updates,
            fleet=self._ports.fleet,
            fan_outs=self.fan_outs,
            clock=self._ports.clock,
            limits=self._settings.limits,
            announcer=self._services.announcer,
            link_life=timedelta(hours=self._settings.link_hours),
        )

    @cached_property
    def lists(self) -> DeploymentLists:
        """Lists of deployments."""
        return DeploymentLists(
            deployments=self._ports.deployments,
        )

    @cached_property
    def commands(self) -> Commands:
        """What a twin is asked for."""
        return Commands(
            updates=self._ports.updates,
            blobs=self._ports.blobs,
            root_keys_url=self._settings.public_url + ROOT_KEYS_PATH,
        )

    @cached_property
    def reconcile(self) -> Reconcile:
        """Twins as they should be."""
        return Reconcile(
            devices=self._ports.devices,
            passes=self._ports.passes,
            deployments=self._ports.deployments,
            hub=self._ports.hub,
            commands=self.commands,
            pacer=self._services.command_pacer,
            rollups=self._services.rollups,
            clock=self._ports.clock,
            announcer=self._services.announcer,
        )

    @cached_property
    def rollbacks(self) -> Rollbacks:
        """Deployments that undo others."""
        return Rollbacks(
            deployments=self._ports.deployments,
            updates=self._ports.updates,
            fleet=self._ports.fleet,
            queues=self._ports.queues,
            clock=self._ports.clock,
            audit=self._services.audit,
        )

    @cached_property
    def completions(self) -> Completions:
        """Deployments that have ended."""
        return Completions(
            deployments=self._ports.deployments,
            fleet=self._ports.fleet,
            announcer=self._services.announcer,
            clock=self._ports.clock,
        )
