"""Deletes an update: only what nothing else needs goes, and a deletion cut short is taken up again.

The update is marked first. From then on nobody can deploy it or refer to it, and whoever did so a
moment earlier is found by the checks that follow. Its row goes last: it says what else there is to
remove. Children that were imported with it go first, if they cannot be deployed and nothing else
refers to them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from shared import messages
from shared.domain.errors import Conflict, DeviceUpdateError, NotFound
from shared.domain.fleet.deployment import Deployment, is_active
from shared.domain.operation import Operation, OperationStatus, Stage
from shared.domain.updates.update import Update
from shared.domain.updates.update_id import UpdateId
from shared.ports import (
    Blobs,
    Clock,
    Deployments,
    Fleet,
    Operations,
    Queues,
    Stored,
    Updates,
)
from shared.services.operations import MAX_ATTEMPTS, given_up, operation_id
from shared.services.own_deployments import DevicesOwnDeployments
from shared.services.paging import every
from shared.services.retrying import retry_on_conflict
from shared.services.updates.best_updates import BestUpdates
from shared.services.updates.references import parents_of, released

log = logging.getLogger(__name__)

_NAMED = 5
"""Devices that a refusal names."""


@dataclass(slots=True)
class DeleteUpdate:
    """Deletions of updates."""

    operations: Operations
    updates: Updates
    deployments: Deployments
    own_deployments: DevicesOwnDeployments
    fleet: Fleet
    blobs: Blobs
    queues: Queues
    best_updates: BestUpdates
    clock: Clock

    async def start(self, instance: str, update_id: UpdateId, trace_id: str) -> str:
        """Begin the deletion of an update; the id of its operation.

        Raises:
            NotFound: There is no such update.
            Conflict: Another update refers to it, or an active deployment needs it.
        """
        stored = await self.updates.get(instance, update_id)
        if stored is None:
            raise NotFound(f"Update '{update_id}' does not exist.", target="version")
        await self._check(instance, stored.value)
        now = self.clock.now()
        operation = Operation(
            operation_id=operation_id(now, self.clock.fresh_id()),
            kind="delete",
            status=OperationStatus.NOT_STARTED,
            stage=Stage.DELETE,
            created_at=now,
            changed_at=now,
            trace_id=trace_id,
            update_id=update_id,
            subject=stored.value.operation_id,
        )
        await self.operations.add(instance, operation)
        await self.queues.put(
            messages.DeleteUpdate(instance=instance, operation=operation.operation_id)
        )
        return operation.operation_id

    async def run(self, instance: str, identity: str) -> None:
        """Delete; running again goes on where it stopped. What was begun too often ends.

        Raises:
            DependencyFailed: The storage failed in a way that may pass.
        """
        stored = await self.operations.get(instance, identity)
        if stored is None or stored.value.is_finished or stored.value.update_id is None:
            return
        running = stored.value.begun(Stage.DELETE, self.clock.now())
        if running.tries > MAX_ATTEMPTS:
            await self.fail(instance, identity, given_up(stored.value))
            return
        etag = await self.operations.save(instance, running, stored.etag)
        try:
            await self._delete(instance, stored.value.update_id, stored.value.subject)
        except DeviceUpdateError as error:
            if error.retryable:
                raise
            await self.operations.save(instance, running.failed(error, self.clock.now()), etag)
            return
        done = running.succeeded(running.update_id, self.clock.now())
        await self.operations.save(instance, done, etag)

    async def fail(self, instance: str, identity: str, error: DeviceUpdateError) -> None:
        """End a deletion that could not be done in any of its tries."""
        stored = await self.operations.get(instance, identity)
        if stored is not None and not stored.value.is_finished:
            failed = stored.value.failed(error, self.clock.now())
            await self.operations.save(instance, failed, stored.etag)

    async def _delete(self, instance: str, update_id: UpdateId, made_by: str) -> None:
        update = await self._mark(instance, update_id, made_by, is_being_deleted=True)
        if update is None:
            return
        try:
            await self._check(instance, update)
        except Conflict:
            await self._mark(instance, update_id, made_by, is_being_deleted=False)
            raise
        await self.best_updates.published(instance, update)
        for child in dict.fromkeys(update.references):
            await released(self.updates, instance, child, update_id)
            await self._delete_part(instance, child, made_by)
        await self._delete_content(instance, update)
        await self.updates.delete(instance, update_id)
        log.info("update %s of %s deleted", update_id, instance)

    async def _delete_part(self, instance: str, child: UpdateId, made_by: str) -> None:
        """Delete a child that came with its parent and can only be a part of others, if of none."""
        stored = await self.updates.get(instance, child)
        if stored is None or stored.value.is_deployable or stored.value.operation_id != made_by:
            return
        try:
            await self._delete(instance, child, made_by)
        except Conflict as error:
            log.info("child %s of a deleted update stays: %s", child, error.message)

    async def _mark(
        self, instance: str, update_id: UpdateId, made_by: str, *, is_being_deleted: bool
    ) -> Update | None:
        """The update, marked; None if it is gone or was imported anew since."""

        async def cycle() -> Update | None:
            stored = await self.updates.get(instance, update_id)
            if stored is None or stored.value.operation_id != made_by:
                return None
            marked = replace(stored.value, is_being_deleted=is_being_deleted)
            if marked != stored.value:
                await self.updates.save(instance, marked, stored.etag)
            return marked

        return await retry_on_conflict(cycle)

    async def _check(self, instance: str, update: Update) -> None:
        """Raises Conflict where something needs the update."""
        parents = await parents_of(self.updates, instance, update)
        if parents:
            raise Conflict(
                f"Update '{update.update_id}' is part of {_listed(parents)}; delete that first.",
                target="version",
            )
        using = await self._using(instance, update.update_id)
        if using:
            named = _listed([f"{item.group_id}/{item.deployment_id}" for item in using])
            raise Conflict(
                f"Update '{update.update_id}' is used by the active deployment {named}; "
                "cancel or delete that first.",
                target="version",
            )
        own = await self.own_deployments.in_force(instance, update.update_id, _NAMED + 1)
        if own:
            named = ", ".join(f"'{item.deployment_id}' of '{of.key}'" for of, item in own[:_NAMED])
            more = " and of more devices" if len(own) > _NAMED else ""
            raise Conflict(
                f"Update '{update.update_id}' is used by the devices' own deployments {named}"
                f"{more}; cancel or delete those first.",
                target="version",
            )

    async def _using(self, instance: str, update_id: UpdateId) -> list[Deployment]:
        stored = await self.deployments.of_instance(instance)
        deployments = [item.value for item in stored]
        concerned = [item for item in deployments if update_id in _updates_of(item)]
        if not concerned:
            return []
        classes = [known.device_class for known in await self.fleet.classes(instance)]
        now = self.clock.now()
        return [
            item
            for item in concerned
            if is_active(
                item,
                [other for other in deployments if other.group_id == item.group_id],
                classes,
                now,
            )
        ]

    async def _delete_content(self, instance: str, update: Update) -> None:
        """Delete the blobs that no other update has.

        ETags are read before the updates are, and an import touches its blobs after it has
        published: one of the two sees the other.
        """
        names = {f"{instance}/{digest}" for digest in update.content.values()}
        etags = {
            name: known["etag"]
            for name in names
            if (known := await self.blobs.metadata("content", name)) is not None
        }
        for other in await self._others(instance, update.update_id):
            for digest in other.value.content.values():
                etags.pop(f"{instance}/{digest}", None)
        for name, etag in etags.items():
            await self.blobs.delete("content", name, etag)

    async def _others(self, instance: str, update_id: UpdateId) -> list[Stored[Update]]:
        known = every(lambda token: self.updates.list(instance, token=token))
        return [item async for item in known if item.value.update_id != update_id]


def _updates_of(deployment: Deployment) -> set[UpdateId]:
    policy = deployment.rollback_policy
    return {deployment.update_id} | ({policy.update_id} if policy else set())


def _listed(names: Sequence[object]) -> str:
    return ", ".join(f"'{name}'" for name in names)
