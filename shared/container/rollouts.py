"""How operators steer roll-outs and look at them."""

from __future__ import annotations

from functools import cached_property

from shared.container.deployments import DeploymentServices
from shared.services.deployments.controls import RolloutControls
from shared.services.deployments.device_orders import DeviceOrders
from shared.services.deployments.rollback import Rollbacks
from shared.services.reporting.explain import Explanations
from shared.services.reporting.rollouts import RolloutReports


class RolloutServices(DeploymentServices):
    """How operators steer roll-outs and look at them."""

    @cached_property
    def rollout_controls(self) -> RolloutControls:
        """Actions of operators."""
        return RolloutControls(
            deployments=self.deployments,
            fleet=self.fleet,
            fan_outs=self.fan_outs,
            rollbacks=Rollbacks(
                self.deployments, self.updates, self.fleet, self.queues, self.clock, self.audit
            ),
            clock=self.clock,
            announcer=self.announcer,
        )

    @cached_property
    def rollout_reports(self) -> RolloutReports:
        """How roll-outs stand, and what they would do."""
        return RolloutReports(
            deployments=self.deployments,
            updates=self.updates,
            fleet=self.fleet,
            clock=self.clock,
            limits=self.settings.limits,
            commands_per_second=self.settings.hub_commands_per_second,
        )

    @cached_property
    def device_orders(self) -> DeviceOrders:
        """Orders for single devices."""
        return DeviceOrders(
            devices=self.devices,
            deployments=self.deployments,
            queues=self.queues,
            clock=self.clock,
            admission=self.deploy.admission,
            announcer=self.announcer,
        )

    @cached_property
    def explanations(self) -> Explanations:
        """Why devices have updates or have not."""
        return Explanations(
            devices=self.devices,
            deployments=self.deployments,
            updates=self.updates,
            passes=self.passes,
            clock=self.clock,
        )
