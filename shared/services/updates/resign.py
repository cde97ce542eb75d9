"""Signs what is published anew when the signing key changed.

An order goes page by page through the updates of each instance, then once over the deployments.
Everything is compared with the keyring, so doing it again changes nothing. The updates come first:
whatever is commanded after a deployment was renewed carries a new signature.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass

from shared import messages
from shared.domain.fleet.deployment import Deployment, is_active
from shared.domain.updates.keyring import Keyring
from shared.ports import Clock, Deployments, Fleet, Queues, Updates
from shared.services.own_deployments import DevicesOwnDeployments
from shared.services.retrying import retry_on_conflict
from shared.services.updates.signing import Signing

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Resign:
    """Carries out the orders of the queue `resign`; an operator's is an empty object."""

    instances: Iterable[str]
    signing: Signing
    updates: Updates
    deployments: Deployments
    own_deployments: DevicesOwnDeployments
    fleet: Fleet
    queues: Queues
    clock: Clock

    async def run(self, order: messages.Resign) -> None:
        """Do one piece of the work and order the next."""
        instance = order.instance
        if instance is None:
            for item in self.instances:
                await self.queues.put(messages.Resign(instance=item))
        elif order.deployments:
            await self._deployments(instance)
        else:
            await self._updates(instance, order.token)

    async def _updates(self, instance: str, token: str | None) -> None:
        page = await self.updates.list(instance, token=token)
        count = 0
        for stored in page.items:
            count += await self.signing.renew(instance, stored.value.update_id)
        log.info("%d updates of instance %s were signed anew", count, instance)
        await self.queues.put(
            messages.Resign(instance=instance, token=page.token, deployments=not page.token)
        )

    async def _deployments(self, instance: str) -> None:
        keyring = await self.signing.keyring()
        classes = [known.device_class for known in await self.fleet.classes(instance)]
        groups: dict[str, list[Deployment]] = {}
        for stored in await self.deployments.of_instance(instance):
            groups.setdefault(stored.value.group_id, []).append(stored.value)
        now = self.clock.now()
        for deployments in groups.values():
            for item in deployments:
                if item.starts_at <= now and is_active(item, deployments, classes, now):
                    await self._renew(instance, item, keyring)
        await self.own_deployments.change(instance, None, lambda own: _renewed_own(own, keyring))

    async def _renew(self, instance: str, deployment: Deployment, keyring: Keyring) -> None:
        group, identity = deployment.group_id, deployment.deployment_id

        async def cycle() -> bool:
            stored = await self.deployments.get(instance, group, identity)
            if stored is None or stored.value.issue.edition >= keyring.edition:
                return False
            changed = stored.value.renewed(keyring.edition, keyring.revoked_edition)
            await self.deployments.save(instance, changed, stored.etag)
            return True

        if await retry_on_conflict(cycle):
            log.info("deployment %s hands out signatures of edition %d", identity, keyring.edition)
            await self.queues.put(
                messages.FanOut(instance=instance, group=group, deployment=identity)
            )


def _renewed_own(own: Deployment, keyring: Keyring) -> Deployment:
    if own.recall_reason is not None or own.issue.edition >= keyring.edition:
        return own
    return own.renewed(keyring.edition, keyring.revoked_edition)
