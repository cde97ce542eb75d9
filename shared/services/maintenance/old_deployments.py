"""Forgets deployments that ended long ago, as an operator does who deletes them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from shared.domain.errors import Conflict, NotFound
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.outlived import is_outlived
from shared.ports import Clock, Deployments, Fleet
from shared.services.audit.trail import AuditTrail, automatic
from shared.services.deployments.deploy import Deploy
from shared.services.paging import every

_HISTORY_PAGE = 100


@dataclass(slots=True)
class OldDeployments:
    """Looks through the deployments of an instance."""

    deployments: Deployments
    fleet: Fleet
    deploy: Deploy
    audit: AuditTrail
    clock: Clock

    async def drop(self, instance: str, before: str, *, size: int) -> int:
        """Forget at most so many in which nothing has happened since a time; how many they were."""
        by_group = defaultdict[str, list[Deployment]](list)
        for stored in await self.deployments.of_instance(instance):
            by_group[stored.value.group_id].append(stored.value)
        classes = [known.device_class for known in await self.fleet.classes(instance)]
        dropped = 0
        for items in by_group.values():
            for item in items:
                if dropped >= size:
                    return dropped
                others = [other for other in items if other is not item]
                if is_outlived(item, others, classes, before):
                    dropped += await self._forget(instance, item, before)
        return dropped

    async def _forget(self, instance: str, item: Deployment, before: str) -> bool:
        history = every(
            lambda token: self.deployments.history(instance, item, token=token, size=_HISTORY_PAGE)
        )
        async for made in history:
            if made.at >= before:
                return False
        change = automatic(
            f"retention-{item.workflow_id}",
            "drop_deployment",
            f"management/groups/{item.group_id}/deployments/{item.deployment_id}",
            self.clock.now(),
            update=str(item.update_id),
        )
        try:
            async with self.audit.change(instance, change):
                await self.deploy.delete(instance, item.group_id, item.deployment_id)
        except (Conflict, NotFound):  # it is needed after all, or somebody was faster
            return False
        return True
