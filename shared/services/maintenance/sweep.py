"""Finds work that was lost on the way and sets it going again, and removes what lost work has left.

Every trigger may be lost, a crash may come between a row and its message: this is the backstop.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared import messages
from shared.domain.errors import ConcurrentUpdate, DependencyFailed, NotFound
from shared.domain.fleet.deployment import Deployment
from shared.domain.instant import later, seconds_between
from shared.domain.operation import Operation, Stage
from shared.domain.rollouts.progress import Status
from shared.ports import (
    Blobs,
    Clock,
    Deployments,
    Fleet,
    LastRollup,
    Operations,
    Queues,
    Stored,
)
from shared.services.announce import Announcer
from shared.services.deployments.fingerprint import fingerprint
from shared.services.devices.registry_sync import GIVE_UP_AFTER
from shared.services.imports.operation import Imports
from shared.services.maintenance.orphans import Orphans, Removed
from shared.services.rollup_scheduler import RollupScheduler
from shared.services.updates.best_updates import BestUpdates
from shared.topology import SCAN_REQUEST, quarantine_prefix

_QUIET_MINUTES = 15
_LONGEST_REST = timedelta(minutes=30)
_REST_SHARE = 0.5
STALLED_AFTER = timedelta(minutes=2)
_PAGES = 5
_MESSAGES = {
    Stage.FETCH: messages.FetchImport,
    Stage.PUBLISH: messages.PublishImport,
    Stage.DELETE: messages.DeleteUpdate,
}

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Sweep:
    """Looks over every instance."""

    instances: Iterable[str]
    operations: Operations
    deployments: Deployments
    fleet: Fleet
    best_updates: BestUpdates
    blobs: Blobs
    queues: Queues
    rollups: RollupScheduler
    clock: Clock
    imports: Imports
    orphans: Orphans
    announcer: Announcer = field(default_factory=Announcer)

    async def run(self) -> None:
        """Restart stalled operations and fan-outs, refresh derived figures, remove orphans.

        Finds what is pending by rows that say so; what takes reading all updates is `run_through`.
        """
        resumed, removed = 0, Removed()
        for instance in self.instances:
            resumed += await self._operations(instance)
            removed += await self.orphans.sweep(instance)
            deployments = await self.deployments.of_instance(instance)
            watched = await self._fan_outs(instance, deployments)
            by_group: dict[str, list[Stored[Deployment]]] = {}
            for item in deployments:
                by_group.setdefault(item.value.group_id, []).append(item)
            classes = await self.fleet.classes(instance)
            await self.best_updates.refresh(
                instance,
                *(known.device_class for known in classes if not known.is_best_known),
            )
            for group in await self.fleet.groups(instance, with_deleted=True):
                if group.group_id in watched or self._is_turn_of(group.group_id):
                    here = by_group.get(group.group_id, ())
                    await self._look(instance, group.group_id, fingerprint(here))
        if resumed:
            log.warning("sweep: %d stalled operations set going again", resumed)
        _tell(removed)

    async def run_through(self) -> None:
        """Read all updates: for the best one of every class, and for content that none has."""
        for instance in self.instances:
            classes = await self.fleet.classes(instance)
            await self.best_updates.refresh(instance, *(known.device_class for known in classes))
            _tell(await self.orphans.sweep_content(instance))

    async def _operations(self, instance: str) -> int:
        resumed = 0
        token: str | None = None
        for _ in range(_PAGES):
            page = await self.operations.list(instance, token, is_unsettled=True)
            for stored in page.items:
                if stored.value.is_finished:
                    await self.announcer.operation(instance, stored.value.operation_id)
                elif self._idle(stored.value) > STALLED_AFTER:
                    await self._resume(instance, stored)
                    resumed += 1
            token = page.token
            if token is None:
                break
        return resumed

    def _idle(self, operation: Operation) -> timedelta:
        now = datetime.fromisoformat(self.clock.now())
        return now - datetime.fromisoformat(operation.changed_at)

    async def _resume(self, instance: str, stored: Stored[Operation]) -> None:
        operation = stored.value
        log.info("operation %s stalled in stage %s", operation.operation_id, operation.stage)
        identity, step = operation.operation_id, operation.step
        if operation.stage is Stage.EXPORT:
            await self.queues.put(messages.ExportDevices(instance=instance, operation=identity))
        elif operation.kind == "devices" and self._idle(operation) > GIVE_UP_AFTER:
            await self._give_up(instance, stored)
        elif operation.kind == "devices":
            await self.queues.put(
                messages.RegistryStep(instance=instance, operation=identity, step=step)
            )
        elif operation.kind == "rescan":
            await self.queues.put(
                messages.RescanStep(instance=instance, operation=identity, step=step)
            )
        elif operation.stage is Stage.SCAN:
            await self._scan_again(instance, operation)
        elif operation.kind == "delta":
            await self.queues.put(messages.MakeDelta(instance=instance, operation=identity))
        else:
            resume = _MESSAGES[operation.stage]
            await self.queues.put(resume(instance=instance, operation=identity))

    async def _give_up(self, instance: str, stored: Stored[Operation]) -> None:
        """End a re-read none of whose messages gets anywhere: they would become poison for ever."""
        stuck = DependencyFailed(
            f"Stage '{stored.value.stage}' has not come further for an hour.",
            code="GivenUp",
            retryable=False,
        )
        failed = stored.value.failed(stuck, self.clock.now())
        try:
            await self.operations.save(instance, failed, stored.etag)
        except ConcurrentUpdate:
            log.info("operation %s goes on after all", failed.operation_id)

    async def _scan_again(self, instance: str, operation: Operation) -> None:
        """Write the request anew: its creation is what triggers a scan."""
        name = quarantine_prefix(instance, operation.operation_id) + SCAN_REQUEST
        request = await self.blobs.read("quarantine", name)
        if request is not None:
            await self.blobs.write("quarantine", name, request)
            return
        gone = NotFound("The quarantined content is gone; import again.")
        await self.imports.fail(instance, operation.operation_id, gone)

    async def _look(self, instance: str, group: str, judged_by: str) -> None:
        """Have a group summed up whose deployments have changed since the last sum, or in which
        something else may have changed of which nobody has told.
        """
        last = await self.fleet.last_rollup(instance, group)
        if last is None or last.judged_by != judged_by or _rests_until(last) <= self.clock.now():
            await self.rollups.request(instance, group)

    def _is_turn_of(self, group: str) -> bool:
        """Whether a group that no roll-out moves is summed up now: a sum reads every bucket."""
        minute = int(datetime.fromisoformat(self.clock.now()).timestamp()) // 60
        return minute % _QUIET_MINUTES == zlib.crc32(group.encode()) % _QUIET_MINUTES

    async def _fan_outs(self, instance: str, deployments: Iterable[Stored[Deployment]]) -> set[str]:
        """Set fan-outs going again; the groups whose roll-outs time alone may move."""
        now, watched = self.clock.now(), set[str]()
        for stored in deployments:
            deployment = stored.value
            if _is_moving(deployment, now):
                watched.add(deployment.group_id)
            if deployment.events:
                await self.announcer.deployment(
                    instance, deployment.group_id, deployment.deployment_id
                )
            is_late = max(deployment.starts_at, deployment.fan_out_until) <= now
            if not deployment.is_fanned_out and is_late:
                await self.queues.put(
                    messages.FanOut(
                        instance=instance,
                        group=deployment.group_id,
                        deployment=deployment.deployment_id,
                    )
                )
        return watched


def _rests_until(last: LastRollup) -> str:
    """Until when a group is left alone: for half of the time for which nothing has changed, so
    that a change of which nobody was told is found half as late again, and no longer than until
    time alone may bring something.
    """
    still = timedelta(seconds=seconds_between(last.still_since, last.as_of))
    until = later(last.as_of, min(_LONGEST_REST, still * _REST_SHARE))
    return min(until, last.wake_at or until)


def _tell(removed: Removed) -> None:
    if removed != Removed():
        log.warning(
            "sweep: leftovers of %d imports and %d blobs of content removed",
            removed.quarantined,
            removed.content,
        )


def _is_moving(deployment: Deployment, now: str) -> bool:
    """Whether something may still follow from what its devices report, or from time alone."""
    if not deployment.has_started(now) or deployment.is_final:
        return False
    if deployment.progress is not None:
        return deployment.progress.status is not Status.COMPLETED
    is_ended = any(subgroup.is_canceled for subgroup in deployment.subgroups.values())
    return not deployment.is_finished and not is_ended
