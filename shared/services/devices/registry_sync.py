"""Re-reads the hub's registry: what events have missed is put right.

Pages of a twin query bring in every device, one page a queue message, with a pause in between that
keeps below the hub's throttle of queries. The query index may be half an hour old, so wherever it
contradicts what is known the twin itself is read. Then the rows that no page has named are looked
up one by one: their devices are gone, or too new for the index. Last, each bucket is recounted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from shared import messages
from shared.domain.errors import DependencyFailed, DeviceUpdateError
from shared.domain.fleet.device import BUCKETS, DeviceRecord, TwinChange, bucket_of, device_key
from shared.domain.operation import Operation, OperationStatus, Stage
from shared.ports import Clock, Devices, Hub, Operations, Queues, TwinSource
from shared.services.devices.log_collections import CollectLogs
from shared.services.devices.observe import ObserveDevices
from shared.services.devices.recount import Recount
from shared.services.operations import operation_id
from shared.services.pacing import DEFAULT_PUSH_BACK_SECONDS, Pacer
from shared.services.retrying import raise_first

type ImportType = Literal["Devices", "Modules", "All"]

GIVE_UP_AFTER = timedelta(hours=1)
"""How long the hub may be out of reach before the operation fails."""
_LONGEST = timedelta(days=1)
_PARALLEL_BUCKETS = 8
_BUCKETS_PER_MESSAGE = 32
_SOURCES: dict[Stage, TwinSource] = {Stage.DEVICES: "devices", Stage.MODULES: "devices.modules"}


@dataclass(slots=True)
class ImportDevices:
    """Re-reads of the registry, as operations that go on from page to page."""

    operations: Operations
    devices: Devices
    hub: Hub
    observe: ObserveDevices
    logs: CollectLogs
    queues: Queues
    reads: Pacer
    clock: Clock
    seconds_per_query: float
    recount: Recount

    async def start(self, instance: str, kind: ImportType, trace_id: str) -> str:
        """Begin a re-read, unless one that covers it is running; the id of its operation.

        One that began more than a day ago is taken for dead.
        """
        now = self.clock.now()
        running = await self._running(instance, kind, now)
        if running is not None:
            return running
        operation = Operation(
            operation_id=operation_id(now, self.clock.fresh_id()),
            kind="devices",
            status=OperationStatus.NOT_STARTED,
            stage=Stage.MODULES if kind == "Modules" else Stage.DEVICES,
            created_at=now,
            changed_at=now,
            trace_id=trace_id,
            subject=kind,
        )
        await self.operations.add(instance, operation)
        await self._enqueue(instance, operation, 0)
        return operation.operation_id

    async def _running(self, instance: str, kind: ImportType, now: str) -> str | None:
        day = datetime.fromisoformat(now) - _LONGEST
        page = await self.operations.list(
            instance,
            None,
            kind="devices",
            is_running=True,
            newer_than=operation_id(day.isoformat(), ""),
        )
        covering = (item.value for item in page.items if item.value.subject in (kind, "All"))
        found = next(covering, None)
        return None if found is None else found.operation_id

    async def run(self, instance: str, identity: str, step: int) -> None:
        """Do one step and ask for the next; a message of a step that is done changes nothing."""
        stored = await self.operations.get(instance, identity)
        if stored is None or stored.value.is_finished or stored.value.step != step:
            return
        operation = stored.value
        try:
            after = await self._step(instance, operation)
        except DependencyFailed as error:
            if error.retryable and not self._is_given_up(operation):
                wait = error.retry_after or DEFAULT_PUSH_BACK_SECONDS
                await self._enqueue(instance, operation, wait)
                return
            await self.fail(instance, identity, error)
            return
        await self.operations.save(instance, after, stored.etag)
        if not after.is_finished:
            is_query = after.stage in _SOURCES
            await self._enqueue(instance, after, self.seconds_per_query if is_query else 0)

    async def fail(self, instance: str, identity: str, error: DeviceUpdateError) -> None:
        """End a re-read that cannot go on."""
        stored = await self.operations.get(instance, identity)
        if stored is not None and not stored.value.is_finished:
            failed = stored.value.failed(error, self.clock.now())
            await self.operations.save(instance, failed, stored.etag)

    async def _enqueue(self, instance: str, operation: Operation, delay_seconds: float) -> None:
        await self.queues.put(
            messages.RegistryStep(
                instance=instance, operation=operation.operation_id, step=operation.step
            ),
            delay_seconds=delay_seconds,
        )

    def _is_given_up(self, operation: Operation) -> bool:
        now = datetime.fromisoformat(self.clock.now())
        return now - datetime.fromisoformat(operation.changed_at) > GIVE_UP_AFTER

    async def _step(self, instance: str, operation: Operation) -> Operation:
        """The operation after its next step."""
        step = operation.step + 1
        if operation.stage is Stage.CHECK:
            position = await self._check(instance, operation)
            if position is None:
                return replace(operation.succeeded(None, self.clock.now()), step=step)
            return operation.moved(Stage.CHECK, self.clock.now(), position=position, step=step)
        started_at = self.clock.now()
        source = _SOURCES[operation.stage]
        page = await self.hub.query_twins(instance, source, operation.position)
        await self._fold(instance, operation, page.items, started_at)
        following: Stage = operation.stage
        if page.token is None:
            has_modules_left = operation.stage is Stage.DEVICES and operation.subject == "All"
            following = Stage.MODULES if has_modules_left else Stage.CHECK
        return operation.moved(following, self.clock.now(), position=page.token, step=step)

    async def _fold(
        self, instance: str, operation: Operation, twins: Sequence[TwinChange], at: str
    ) -> None:
        by_bucket: dict[int, list[TwinChange]] = {}
        for twin in twins:
            by_bucket.setdefault(bucket_of(twin.device_id), []).append(twin)
        limit = asyncio.Semaphore(_PARALLEL_BUCKETS)

        async def fold(bucket: int, some: list[TwinChange]) -> None:
            async with limit:
                await self._fold_bucket(instance, operation, bucket, some, at)

        # every bucket is tried to its end, so that none is left half done by another's failure
        results = await asyncio.gather(
            *(fold(*item) for item in by_bucket.items()), return_exceptions=True
        )
        raise_first(results)

    async def _fold_bucket(
        self,
        instance: str,
        operation: Operation,
        bucket: int,
        twins: Sequence[TwinChange],
        at: str,
    ) -> None:
        keys = [device_key(twin.device_id, twin.module_id) for twin in twins]
        known = await self.devices.load(instance, bucket, keys)
        changes: list[TwinChange] = []
        seeds: dict[str, TwinChange | None] = {}
        for key, twin in zip(keys, twins, strict=True):
            record = known[key].value if key in known else None
            if (record is None or not record.registers) and "agent" not in twin.content:
                continue  # it has no update agent
            if record is not None and 0 < record.twin_version <= twin.version:
                changes.append(twin)
                continue
            current = await self._present(instance, twin.device_id, twin.module_id, record, at)
            if current is not None:
                changes.append(current)
                seeds[key] = current
        if changes:
            await self.observe.twin_changes(
                instance, bucket, changes, seen_by=operation.operation_id, seeds=seeds
            )
            await self.logs.reported(instance, changes)

    async def _present(
        self,
        instance: str,
        device_id: str,
        module_id: str | None,
        record: DeviceRecord | None,
        at: str,
    ) -> TwinChange | None:
        """The twin as it is now; a device that is gone, or was made anew, is forgotten first."""
        await self.reads.turn(instance)
        current = await self.hub.read_twin(instance, device_id, module_id)
        is_stale = record is not None and record.twin_version > (current.version if current else 0)
        if is_stale:
            await self.observe.deleted(instance, device_id, module_id, at)
        return current

    async def _check(self, instance: str, operation: Operation) -> str | None:
        """Look up what the pages have not named, some buckets at a time; where to go on."""
        bucket, _, token = (operation.position or "0:").partition(":")
        at = self.clock.now()
        for number in range(int(bucket), min(BUCKETS, int(bucket) + _BUCKETS_PER_MESSAGE)):
            page = await self.devices.of_bucket(instance, number, token=token or None)
            unseen = [row.value for row in page.items if _is_unseen(row.value, operation)]
            changes = []
            for record in unseen:
                current = await self._present(
                    instance, record.device_id, record.module_id, record, at
                )
                if current is not None:
                    changes.append(current)
            if changes:
                await self.observe.twin_changes(
                    instance, number, changes, seen_by=operation.operation_id
                )
            if page.token is not None:
                return f"{number}:{page.token}"
            await self.recount.bucket(instance, number)
            token = ""
        following = int(bucket) + _BUCKETS_PER_MESSAGE
        return f"{following}:" if following < BUCKETS else None


def _is_unseen(record: DeviceRecord, operation: Operation) -> bool:
    is_asked_for = operation.subject in ("All", "Modules" if record.module_id else "Devices")
    return is_asked_for and bool(record.registers) and record.seen_by != operation.operation_id
