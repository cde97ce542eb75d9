"""Watches deployments that have a rollback policy, each time their group is summed up."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from shared import messages
from shared.domain.errors import Conflict
from shared.domain.fleet.compliance import state_counts
from shared.domain.fleet.counters import TOTAL, Counts
from shared.domain.fleet.deployment import (
    Deployment,
    DeploymentState,
    RollbackPolicy,
    state_for,
)
from shared.domain.fleet.rollback import rollback_of
from shared.domain.updates.update import Update
from shared.ports import Clock, Deployments, Fleet, KnownClass, Queues, Updates
from shared.services.audit.trail import AuditTrail, automatic

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Rollbacks:
    """Starts a rollback for a class where its deployment has failed too often."""

    deployments: Deployments
    updates: Updates
    fleet: Fleet
    queues: Queues
    clock: Clock
    audit: AuditTrail

    async def check(self, instance: str, group: str, counts: Counts) -> None:
        """Look at every deployment of the group; running again changes nothing."""
        deployments = [item.value for item in await self.deployments.of_group(instance, group)]
        watched = [item for item in deployments if item.rollback_policy is not None]
        if not watched:
            return
        for known in await self.fleet.classes(instance):
            for deployment in watched:
                if self._is_due(deployment, deployments, known, counts):
                    await self.start(instance, deployment, known.device_class.class_id)

    def _is_due(
        self,
        deployment: Deployment,
        deployments: list[Deployment],
        known: KnownClass,
        counts: Counts,
    ) -> bool:
        cells = counts.get((deployment.group_id, known.device_class.class_id), {})
        policy = deployment.rollback_policy
        if policy is None or not deployment.targets(known.device_class):
            return False
        now = self.clock.now()
        if state_for(deployment, deployments, known.device_class, now) != DeploymentState.ACTIVE:
            return False
        found = state_counts(cells, deployment.workflow_id)
        # of a roll-out that has asked 5 %, no 10 % of all could ever fail
        total = cells.get(TOTAL, 0) if deployment.rollout is None else found.commanded
        return policy.is_due(found.failed, total)

    async def target(self, instance: str, policy: RollbackPolicy) -> Update:
        """The update to go back to. Raises Conflict, `RollbackTargetUnusable`, if none can."""
        stored = await self.updates.get(instance, policy.update_id)
        if stored is None or stored.value.is_being_deleted:
            why = "was deleted"
        elif stored.value.recall is not None:
            why = f"was recalled: {stored.value.recall.reason}"
        else:
            return stored.value
        raise Conflict(
            f"No device can go back to update '{policy.update_id}': it {why}",
            code="RollbackTargetUnusable",
            target="/rollbackPolicy/update/updateId",
        )

    async def start(self, instance: str, deployment: Deployment, class_id: str) -> None:
        """Send the devices of a class that were asked back; starting it again changes nothing."""
        assert deployment.rollback_policy is not None
        try:
            target = await self.target(instance, deployment.rollback_policy)
        except Conflict as error:
            log.warning("%s should be rolled back. %s", deployment.deployment_id, error.message)
            return
        rollback = rollback_of(deployment, class_id, target, self.clock.now())
        change = automatic(
            f"rollback-{deployment.workflow_id}-{class_id}",
            "roll_back_deployment",
            f"management/groups/{rollback.group_id}/deployments/{rollback.deployment_id}",
            rollback.starts_at,
            failedDeploymentId=deployment.deployment_id,
            deviceClassId=class_id,
            update=rollback.update_id.to_wire(),
        )
        async with self.audit.change(instance, change) as outcome:
            outcome.is_made = await self.deployments.add(instance, rollback)
        if outcome.is_made:
            log.warning(
                "deployment %s failed too often on class %s: rolled back to %s",
                deployment.deployment_id,
                class_id,
                rollback.update_id,
            )
        await self.queues.put(
            messages.FanOut(
                instance=instance,
                group=rollback.group_id,
                deployment=rollback.deployment_id,
            )
        )
