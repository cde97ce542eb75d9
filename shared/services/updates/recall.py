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
from shared.domain.fleet import deployment as rules
from shared.domain.fleet.deployment import Deployment
from shared.domain.updates.update import Recall, Update
from shared.domain.updates.update_id import UpdateId
from shared.ports import Clock, Deployments, Queues, Stored, Updates
from shared.services.announce import Announcer
from shared.services.retrying import until_uncontended
from shared.services.updates.best_updates import BestUpdates
from shared.services.updates.references import parents_of

log = logging.getLogger(__name__)


@dataclass(slots=True)
class RecallUpdates:
    """Recalls, whether a person or a scan asks for one."""

    updates: Updates
    deployments: Deployments
    queues: Queues
    best_updates: BestUpdates
    announcer: Announcer
    clock: Clock

    async def start(self, instance: str, update_id: UpdateId, reason: str) -> Stored[Update]:
        """Recall an update; it is marked when this returns, and stopped soon after.

        Recalling it again changes nothing: the first reason stays.

        Raises:
            NotFound: There is no such update.
        """
        stored = await self.updates.get(instance, update_id)
        if stored is None:
            raise NotFound(f"Update '{update_id}' does not exist.", target="updateId")
        made_by = stored.value.operation_id
        await self._order(instance, update_id, made_by, reason)
        marked = await self._marked(instance, update_id, made_by, reason)
        if marked is None:
            raise NotFound(f"Update '{update_id}' was deleted meanwhile.", target="updateId")
        return marked

    async def run(self, order: messages.StopRecalled) -> None:
        """Carry out an order; once more changes nothing."""
        instance, update_id = order.instance, order.update
        stored = await self._marked(instance, update_id, order.made_by, order.reason)
        if stored is None or stored.value.recall is None:
            return
        reason, at = stored.value.recall.reason, stored.value.recall.at
        await self.announcer.send(instance, [update_recalled(instance, update_id, reason, at)])
        await self.best_updates.published(instance, stored.value)
        for item in await self.deployments.of_instance(instance):
            if item.value.update_id == update_id:
                await self._stop(instance, item.value, reason)
        for parent in await parents_of(self.updates, instance, stored.value):
            known = await self.updates.get(instance, parent)
            if known is not None and known.value.recall is None:
                why = f"It holds the recalled update '{update_id}': {reason}"
                await self._order(instance, parent, known.value.operation_id, why)

    async def _order(self, instance: str, update_id: UpdateId, made_by: str, reason: str) -> None:
        await self.queues.put(
            messages.StopRecalled(
                instance=instance, update=update_id, made_by=made_by, reason=reason
            )
        )

    async def _marked(
        self, instance: str, update_id: UpdateId, made_by: str, reason: str
    ) -> Stored[Update] | None:
        """The update with its mark; None if it is gone or was imported anew since.

        This is the one place where an update becomes recalled.
        """

        async def cycle() -> Stored[Update] | None:
            stored = await self.updates.get(instance, update_id)
            if stored is None or stored.value.operation_id != made_by:
                return None
            if stored.value.recall is not None:
                return stored
            recalled = replace(stored.value, recall=Recall(reason, self.clock.now()))
            etag = await self.updates.save(instance, recalled, stored.etag)
            log.warning("update %s of %s is recalled: %s", update_id, instance, reason)
            return Stored(recalled, etag)

        return await until_uncontended(cycle)

    async def _stop(self, instance: str, deployment: Deployment, reason: str) -> None:
        """Cancel a deployment for every class, present or to come."""
        group, identity = deployment.group_id, deployment.deployment_id

        async def cycle() -> bool:
            stored = await self.deployments.get(instance, group, identity)
            if stored is None or stored.value.workflow_id != deployment.workflow_id:
                return False
            if stored.value.recall_reason is None:
                recalled = rules.recalled(stored.value, reason)
                await self.deployments.save(instance, recalled, stored.etag)
                return True
            return not stored.value.is_fanned_out

        if await until_uncontended(cycle):
            await self.queues.put(
                messages.FanOut(instance=instance, group=group, deployment=identity)
            )
