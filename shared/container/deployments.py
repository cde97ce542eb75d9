"""Deployments and the twins that they ask devices through."""

from __future__ import annotations

from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from shared.container.core import Core

if TYPE_CHECKING:
    from shared.services.deployments.completions import Completions
    from shared.services.deployments.controls import RolloutControls
    from shared.services.deployments.deploy import Deploy
    from shared.services.deployments.device_orders import DeviceOrders
    from shared.services.deployments.evaluator import Evaluator
    from shared.services.deployments.fan_out import FanOuts
    from shared.services.deployments.lists import DeploymentLists
    from shared.services.deployments.pending import PendingDevices
    from shared.services.deployments.reconcile import Reconcile
    from shared.services.deployments.rollback import Rollbacks
    from shared.services.own_deployments import DevicesOwnDeployments


class DeploymentServices:
    """Deployments and the twins that they ask devices through."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._ports = core.ports
        self._settings = core.settings

    @cached_property
    def fan_outs(self) -> FanOuts:
        """Work of deployments on its way to devices."""
        from shared.services.deployments.fan_out import FanOuts

        return FanOuts(
            deployments=self._ports.deployments,
            fleet=self._ports.fleet,
            queues=self._ports.queues,
            budget=self._ports.hub_budget,
            clock=self._ports.clock,
            commands_per_second=self._settings.hub_commands_per_second,
            announcer=self._core.announcer,
        )

    @cached_property
    def deploy(self) -> Deploy:
        """The life of deployments."""
        from shared.services.deployments.deploy import Deploy

        return Deploy(
            deployments=self._ports.deployments,
            updates=self._ports.updates,
            fleet=self._ports.fleet,
            fan_outs=self.fan_outs,
            clock=self._ports.clock,
            limits=self._settings.limits,
            announcer=self._core.announcer,
            link_life=timedelta(hours=self._settings.link_hours),
            telemetry=self._core.telemetry,
            commands=self._core.commands,
        )

    @cached_property
    def lists(self) -> DeploymentLists:
        """Lists of deployments."""
        from shared.services.deployments.lists import DeploymentLists

        return DeploymentLists(
            deployments=self._ports.deployments,
        )

    @cached_property
    def reconcile(self) -> Reconcile:
        """Twins as they should be."""
        from shared.services.deployments.reconcile import Reconcile

        return Reconcile(
            devices=self._ports.devices,
            passes=self._ports.passes,
            deployments=self._ports.deployments,
            hub=self._ports.hub,
            commands=self._core.commands,
            pacer=self._core.command_pacer,
            rollups=self._core.rollups,
            queues=self._ports.queues,
            clock=self._ports.clock,
            announcer=self._core.announcer,
            link_life=self._settings.links_good_for,
            telemetry=self._core.telemetry,
        )

    @cached_property
    def evaluator(self) -> Evaluator:
        """What moves roll-outs on or stops them."""
        from shared.services.deployments.evaluator import Evaluator
        from shared.services.deployments.transitions import Transitions

        return Evaluator(
            deployments=self._ports.deployments,
            fleet=self._ports.fleet,
            queues=self._ports.queues,
            fan_outs=self.fan_outs,
            rollbacks=self.rollbacks,
            transitions=Transitions(self._ports.deployments, self._core.announcer),
            clock=self._ports.clock,
        )

    @cached_property
    def pending(self) -> PendingDevices:
        """Devices whose twins may not have got what their rows say."""
        from shared.services.deployments.pending import PendingDevices

        return PendingDevices(self._ports.queues, self._ports.clock)

    @cached_property
    def rollbacks(self) -> Rollbacks:
        """Deployments that undo others."""
        from shared.services.deployments.rollback import Rollbacks

        return Rollbacks(
            deployments=self._ports.deployments,
            updates=self._ports.updates,
            fleet=self._ports.fleet,
            queues=self._ports.queues,
            clock=self._ports.clock,
            audit=self._core.audit,
        )

    @cached_property
    def completions(self) -> Completions:
        """Deployments that have ended."""
        from shared.services.deployments.completions import Completions

        return Completions(
            deployments=self._ports.deployments,
            fleet=self._ports.fleet,
            announcer=self._core.announcer,
            clock=self._ports.clock,
        )

    @cached_property
    def controls(self) -> RolloutControls:
        """What operators do to roll-outs."""
        from shared.services.deployments.controls import RolloutControls

        return RolloutControls(
            deployments=self._ports.deployments,
            fleet=self._ports.fleet,
            fan_outs=self.fan_outs,
            rollbacks=self.rollbacks,
            clock=self._ports.clock,
            announcer=self._core.announcer,
        )

    @property
    def own_deployments(self) -> DevicesOwnDeployments:
        """Deployments that single devices were given."""
        return self._core.own_deployments

    @cached_property
    def device_orders(self) -> DeviceOrders:
        """What operators order for single devices."""
        from shared.services.deployments.device_orders import DeviceOrders

        return DeviceOrders(
            devices=self._ports.devices,
            deployments=self._ports.deployments,
            queues=self._ports.queues,
            clock=self._ports.clock,
            admission=self.deploy.admission,
            announcer=self._core.announcer,
            own_deployments=self._core.own_deployments,
        )
