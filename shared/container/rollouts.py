"""How operators steer roll-outs and look at them."""

from __future__ import annotations

from functools import cached_property

from shared.container.deployments import DeploymentServices
from shared.services.deployments.controls import RolloutControls
from shared.services.reporting.rollouts import RolloutReports


class RolloutServices(DeploymentServices):
    """How operators steer roll-outs and look at them."""

    @cached_property
    def rollout_controls(self) -> RolloutControls:
        """Actions of operators."""
        return RolloutControls(
            deployments=self.deployments,
            fleet=self.fleet,
            queues=self.queues,
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
