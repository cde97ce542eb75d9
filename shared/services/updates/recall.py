"""Takes back an update that was found bad after it was published.

The mark on the update comes first: from then on nobody can deploy it, refer to it or be handed it.
Then whatever would still hand it out is stopped. Everything looks at the present state, so a recall
cut short goes on where it stopped.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace

from shared import messages
from shared.domain.errors import NotFound
from shared.domain.events.catalog import update_recalled
from shared.domain.fleet.deployment import Deployment
from shared.domain.updates.update import Recall, Update
from shared.domain.updates.update_id import UpdateId
from shared.ports import Clock, Deployments, Fleet, Queues, Stored, Updates
from shared.services.announce import Announcer
from shared.services.audit.trail import AuditTrail, automatic
from shared.services.own_deployments import DevicesOwnDeployments
from shared.services.retrying import retry_on_conflict
from shared.services.updates.best_updates import BestUpdates
from shared.services.updates.references import parents_of

log = logging.getLogger(__name__)


@dataclass(slots=True)
class RecallUpdates:
    """Recalls, whether a person or a scan asks for one."""

    updates: Updates
    deployments: Deployments
    own_deployments: DevicesOwnDeployments
    fleet: Fleet
    queues: Queues
    best_updates: BestUpdates
    announcer: Announcer
    clock: Clock
    audit: AuditTrail

    async def start(
        self, instance: str, update_id: UpdateId, reason: str, *, is_automatic: bool = False
    ) -> Stored[Update]:
        """Recall an update; it is marked when this returns, and stopped soon after.

        Recalling it again changes nothing: the first reason stays. `is_automatic` says that no
        request asks for it, so that the audit log learns of it here.

        Raises:
            NotFound: There is no such update.
        """
        stored = await self.updates.get(instance, update_id)
        if stored is None:
            raise NotFound(f"Update '{update_id}' does not exist.", target="updateId")
        made_by = stored.value.operation_id
        order = messages.StopRecalled(
            instance=instance,
            update=update_id,
            made_by=made_by,
            reason=reason,
            is_automatic=is_automatic,
        )
        await self.queues.put(order)
        marked = await self._marked(order)
        if marked is None:
            raise NotFound(f"Update '{update_id}' was deleted meanwhile.", target="updateId")
        return marked

    async def run(self, order: messages.StopRecalled) -> None:
        """Carry out an order; once more changes nothing."""
        instance, update_id = order.instance, order.update
        stored = await self._marked(order)
        if stored is None or stored.value.recall is None:
            return
        reason, at = stored.value.recall.reason, stored.value.recall.at
        await self.announcer.send(instance, [update_recalled(instance, update_id, reason, at)])
        await self.best_updates.published(instance, stored.value)
        for item in await self.deployments.of_instance(instance):
            if item.value.update_id == update_id:
                await self._stop(instance, item.value, reason)
        await self.own_deployments.change(
            instance,
            update_id,
            lambda own: own if own.recall_reason is not None else own.recalled(reason),
        )
        await self._take_back(instance, update_id)
        for parent in await parents_of(self.updates, instance, stored.value):
            known = await self.updates.get(instance, parent)
            if known is not None and known.value.recall is None:
                why = f"It holds the recalled update '{update_id}': {reason}"
                await self.queues.put(
                    messages.StopRecalled(
                        instance=instance,
                        update=parent,
                        made_by=known.value.operation_id,
                        reason=why,
                        is_automatic=True,
                    )
                )

    async def _take_back(self, instance: str, update_id: UpdateId) -> None:
        """Have it taken back where a deployment does not come to: from devices that have gone to
        another group since, or whose deployment was deleted.
        """
        buckets = set[int]()
        for group in await self.fleet.groups(instance, with_deleted=True):
            buckets |= set(await self.fleet.buckets(instance, group.group_id))
        for bucket in sorted(buckets):
            await self.queues.put(
                messages.Reconcile(instance=instance, bucket=bucket, recalled=update_id)
            )

    async def _marked(self, order: messages.StopRecalled) -> Stored[Update] | None:
        """The update with its mark; None if it is gone or was imported anew since."""
        if not order.is_automatic:
            return (await self._mark(order))[0]
        change = automatic(
            f"recall-{order.made_by}-{order.update}",
            "recall_update",
            order.update.path,
            self.clock.now(),
            reason=order.reason,
        )
        async with self.audit.change(order.instance, change) as outcome:
            marked, outcome.is_made = await self._mark(order)
            return marked

    async def _mark(self, order: messages.StopRecalled) -> tuple[Stored[Update] | None, bool]:
        """Mark the update, and whether that changed anything.

        This is the one place where an update becomes recalled.
        """
        instance, update_id = order.instance, order.update

        async def cycle() -> tuple[Stored[Update] | None, bool]:
            stored = await self.updates.get(instance, update_id)
            if stored is None or stored.value.operation_id != order.made_by:
                return None, False
            if stored.value.recall is not None:
                return stored, False
            recalled = replace(stored.value, recall=Recall(order.reason, self.clock.now()))
            etag = await self.updates.save(instance, recalled, stored.etag)
            log.warning("update %s of %s is recalled: %s", update_id, instance, order.reason)
            return Stored(recalled, etag), True

        return await retry_on_conflict(cycle)

    async def _stop(self, instance: str, deployment: Deployment, reason: str) -> None:
        """Cancel a deployment for every class, present or to come."""
        group, identity = deployment.group_id, deployment.deployment_id

        async def cycle() -> bool:
            stored = await self.deployments.get(instance, group, identity)
            if stored is None or stored.value.workflow_id != deployment.workflow_id:
                return False
            if stored.value.recall_reason is None:
                recalled = stored.value.recalled(reason)
                await self.deployments.save(instance, recalled, stored.etag)
                return True
            return not stored.value.is_fanned_out

        if await retry_on_conflict(cycle):
            await self.queues.put(
                messages.FanOut(instance=instance, group=group, deployment=identity)
            )
