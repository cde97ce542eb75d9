"""How deployments reach devices."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property

from shared.container.devices import DeviceServices
from shared.services.deployments.command import Commands
from shared.services.deployments.deploy import Deploy
from shared.services.deployments.fan_out import FanOuts
from shared.services.deployments.lists import DeploymentLists
from shared.services.deployments.reconcile import Reconcile

ROOT_KEYS_PATH = "/deviceUpdate/{instance}/rootKeys/rootkeys.json"


class DeploymentServices(DeviceServices):
    """How deployments reach devices."""

    @cached_property
    def reconcile(self) -> Reconcile:
        """Twins as they should be."""
        return Reconcile(
            devices=self.devices,
            passes=self.passes,
            deployments=self.deployments,
            hub=self.hub,
            commands=Commands(self.updates, self.blobs, self.settings.public_url + ROOT_KEYS_PATH),
            pacer=self.pacer,
            rollups=self.rollups,
            clock=self.clock,
            announcer=self.announcer,
        )

    @cached_property
    def fan_outs(self) -> FanOuts:
        """Work of deployments on its way to devices."""
        return FanOuts(
            deployments=self.deployments,
            fleet=self.fleet,
            queues=self.queues,
            budget=self.hub_budget,
            clock=self.clock,
            commands_per_second=self.settings.hub_commands_per_second,
            announcer=self.announcer,
        )

    @cached_property
    def deploy(self) -> Deploy:
        """Deployments."""
        return Deploy(
            self.deployments,
            self.updates,
            self.fleet,
            self.fan_outs,
            self.clock,
            self.settings.limits,
            self.announcer,
            timedelta(hours=self.settings.link_hours),
        )

    @cached_property
    def deployment_lists(self) -> DeploymentLists:
        """Lists of deployments."""
        return DeploymentLists(self.deployments)
