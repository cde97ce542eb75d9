"""Takes what the hub says about devices into the device rows and their counters."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from shared import messages
from shared.domain.errors import InvalidInput
from shared.domain.fleet.counters import outcome_in
from shared.domain.fleet.device import (
    DeviceRecord,
    DeviceState,
    TwinChange,
    bucket_of,
    device_key,
    fold,
    fold_connection,
    fold_deletion,
    introduces,
    is_unexplained,
)
from shared.domain.fleet.names import is_storable
from shared.domain.fleet.windows import when_to_ask
from shared.domain.refused_events import Refusal
from shared.ports import (
    NO_TELEMETRY,
    Devices,
    DeviceWrite,
    Fleet,
    Hub,
    Queues,
    Revision,
    Stored,
    Telemetry,
)
from shared.services.announce import Announcer
from shared.services.device_write import device_write
from shared.services.devices.class_admission import ClassAdmission
from shared.services.devices.refusals import Refusals
from shared.services.devices.results import tell_results
from shared.services.pacing import Pacer
from shared.services.retrying import KeyedLocks, retry_on_conflict
from shared.services.rollup_scheduler import RollupScheduler
from shared.services.updates.best_updates import BestUpdates

log = logging.getLogger(__name__)

_SUCCEEDED = DeviceState.SUCCEEDED
_LOOK_AFTER_SECONDS = 10.0
"""An agent acknowledges a command it has refused just after it has reported the failure."""

type Fold = Callable[[DeviceRecord], DeviceRecord]


@dataclass(slots=True)
class ObserveDevices:
    """Folds events of devices; safe to run twice, late, out of order and in several workers."""

    devices: Devices
    fleet: Fleet
    hub: Hub
    queues: Queues
    rollups: RollupScheduler
    best_updates: BestUpdates
    announcer: Announcer = field(default_factory=Announcer)
    reads: Pacer = field(default_factory=lambda: Pacer(20.0))
    refusals: Refusals | None = None
    admission: ClassAdmission | None = None
    locks: KeyedLocks = field(default_factory=KeyedLocks)
    telemetry: Telemetry = NO_TELEMETRY

    async def twin_changes(
        self,
        instance: str,
        bucket: int,
        changes: Sequence[TwinChange],
        *,
        seen_by: str = "",
        seeds: Mapping[str, TwinChange | None] | None = None,
    ) -> None:
        """Fold changes of devices of one bucket, and have those reconciled that moved.

        A change that changes nothing may be a repetition of one whose first run died between the
        row and the message, so its device is reconciled as well.

        Args:
            instance: The instance.
            bucket: The bucket.
            changes: The changes, in any order.
            seen_by: The re-read of the registry that they come from.
            seeds: Whole twins that were read from the hub just now, by device.
        """
        by_device: dict[str, list[TwinChange]] = {}
        for change in changes:
            by_device.setdefault(device_key(change.device_id, change.module_id), []).append(change)
        for key in [key for key in by_device if not is_storable(key)]:
            await self._refuse(instance, key, "its names are longer than a key of storage")
            del by_device[key]

        def fold_all(items: Sequence[TwinChange]) -> Fold:
            def folded(record: DeviceRecord) -> DeviceRecord:
                for item in items:
                    record = fold(record, item)
                return replace(record, seen_by=seen_by) if seen_by else record

            return folded

        writes = await self._fold(
            instance,
            bucket,
            {key: fold_all(items) for key, items in by_device.items()},
            {
                key: DeviceRecord(items[0].device_id, items[0].module_id)
                for key, items in by_device.items()
            },
            dict(seeds or {}),
        )
        await self._announce(instance, bucket, writes, by_device)
        changed = {write.after.key for write in writes if write.before is not None}
        for key, items in by_device.items():
            if items[0].module_id is not None and key not in changed:
                await self._follow_device(instance, bucket, key)

    async def _follow_device(self, instance: str, bucket: int, key: str) -> None:
        """Delete a module whose device was deleted while its first row was written."""
        device_id = key.partition("/")[0]
        rows = await self.devices.load(instance, bucket, [device_id, key])
        if device_id in rows and key in rows:
            deleted_at = rows[device_id].value.deleted_at
            if rows[key].value.deleted_at < deleted_at:
                module_id = rows[key].value.module_id
                await self._deleted(instance, device_id, module_id, deleted_at)

    async def look_again(self, instance: str, bucket: int, keys: Sequence[str]) -> None:
        """Read the whole twins of devices that have reported a failure of they do not say what."""
        rows = await self.devices.load(instance, bucket, keys)
        found = []
        for row in rows.values():
            if is_unexplained(row.value):
                found.append(await self._read(instance, row.value.device_id, row.value.module_id))
        await self.twin_changes(instance, bucket, [twin for twin in found if twin is not None])

    async def look_at_held(self, instance: str, bucket: int, keys: Sequence[str]) -> None:
        """See whether devices that were held back have a class by now."""
        writes = await self._fold(instance, bucket, dict.fromkeys(keys, _as_it_is), {}, {})
        await self._announce(instance, bucket, writes)
        rows = await self.devices.load(instance, bucket, keys)
        for key in keys:
            if self.admission is not None and (key not in rows or not rows[key].value.held_class):
                device_id, _, module_id = key.partition("/")
                await self.admission.classes.release(instance, device_id, module_id or None)

    async def connection(
        self,
        instance: str,
        device_id: str,
        module_id: str | None,
        *,
        is_connected: bool,
        sequence_number: str,
        at: str = "",
    ) -> None:
        """Fold a connection event of that time. Devices of which nothing else is known are left
        alone: they are no clients yet.
        """
        key, bucket = device_key(device_id, module_id), bucket_of(device_id)

        def folded(record: DeviceRecord) -> DeviceRecord:
            if not record.registers:
                return record
            return fold_connection(
                record, is_connected=is_connected, sequence_number=sequence_number, at=at
            )

        writes = await self._fold(instance, bucket, {key: folded}, {}, {})
        await self._announce(instance, bucket, writes)

    async def deleted(self, instance: str, device_id: str, module_id: str | None, at: str) -> None:
        """Fold the deletion of a device, which may have been created again since.

        One that was never seen is written down as well: a change from before its deletion may still
        be on its way, and would outrank those of a device that is created again. The modules of a
        device are deleted with it, of which the hub does not tell.
        """
        await self._deleted(instance, device_id, module_id, at)
        if module_id is None:
            bucket = bucket_of(device_id)
            for module in await self.devices.modules(instance, bucket, device_id):
                await self._deleted(instance, device_id, module.value.module_id, at)

    async def _deleted(self, instance: str, device_id: str, module_id: str | None, at: str) -> None:
        key, bucket = device_key(device_id, module_id), bucket_of(device_id)

        async def cycle() -> list[DeviceWrite]:
            before = (await self.devices.load(instance, bucket, [key])).get(key)
            if before is None:
                after = DeviceRecord(device_id, module_id, deleted_at=at)
            else:
                present = await self._read(instance, device_id, module_id)
                after = fold_deletion(before.value, at, present)
            write = device_write(self.announcer, instance, before, after)
            return await self._committed(instance, bucket, [write] if write else [])

        async with self.locks.lock(instance, bucket):
            writes = await retry_on_conflict(cycle)
        await self._announce(instance, bucket, writes, [key])

    async def _fold(
        self,
        instance: str,
        bucket: int,
        folds: Mapping[str, Fold],
        fresh: Mapping[str, DeviceRecord],
        seeds: dict[str, TwinChange | None],
    ) -> list[DeviceWrite]:
        async def cycle() -> list[DeviceWrite]:
            at_hand = self.devices.remembered(instance, bucket, folds)
            writes = await self._writes(instance, folds, at_hand, {}, seeds)
            # that nothing changes is certain only of a row that was just read
            rest = {key: folded for key, folded in folds.items() if key not in writes}
            if rest:
                known = await self.devices.load(instance, bucket, list(rest))
                writes |= await self._writes(instance, rest, known, fresh, seeds)
            return await self._committed(instance, bucket, list(writes.values()))

        async with self.locks.lock(instance, bucket):
            return await retry_on_conflict(cycle)

    async def _writes(
        self,
        instance: str,
        folds: Mapping[str, Fold],
        known: Mapping[str, Stored[DeviceRecord]],
        fresh: Mapping[str, DeviceRecord],
        seeds: dict[str, TwinChange | None],
    ) -> dict[str, DeviceWrite]:
        """What the folds make of rows that are known, or of new records, where that differs."""
        writes = {}
        for key, folded in folds.items():
            before = known.get(key)
            if (start := before.value if before else fresh.get(key)) is None:
                continue
            after = folded(start)
            if not start.registers or introduces(start, after):
                if (start := await self._seeded(instance, key, start, seeds)) is None:
                    continue
                after = folded(start)
            if self.admission is not None:
                after = await self.admission.admitted(
                    instance, before.value if before else DeviceRecord(""), after
                )
            revisions = await self._revisions(instance, before, after)
            write = device_write(self.announcer, instance, before, after, revisions)
            if write is not None:
                writes[key] = write
        return writes

    async def _committed(
        self, instance: str, bucket: int, writes: list[DeviceWrite]
    ) -> list[DeviceWrite]:
        """What could be written: a device whose row cannot hold it is refused, alone."""
        while writes:
            await self._note(instance, bucket, writes)
            try:
                await self.devices.commit(instance, bucket, writes)
            except InvalidInput as error:
                left = [write for write in writes if write.after.key != error.target]
                if len(left) == len(writes):
                    raise
                await self._refuse(instance, error.target, error.message)
                writes = left
            else:
                break
        return writes

    async def _refuse(self, instance: str, device: str | None, reason: str) -> None:
        log.warning("refused a change of %s of %s: %s", device, instance, reason)
        if self.refusals is not None:
            await self.refusals.count({Refusal.ROW_TOO_LARGE: 1})

    async def _seeded(
        self,
        instance: str,
        key: str,
        record: DeviceRecord,
        seeds: dict[str, TwinChange | None],
    ) -> DeviceRecord | None:
        """A record starts from the whole twin: a tag set before its first event counts too, and
        the model that a device names as it connects. A module is not older than its device.
        """
        if record.module_id is not None:
            bucket, device_id = bucket_of(record.device_id), record.device_id
            device = (await self.devices.load(instance, bucket, [device_id])).get(device_id)
            deleted_at = device.value.deleted_at if device is not None else ""
            record = replace(record, deleted_at=max(record.deleted_at, deleted_at))
        if key not in seeds:
            seeds[key] = await self._read(instance, record.device_id, record.module_id)
        seed = seeds[key]
        return fold(record, seed) if seed is not None else None

    async def _read(
        self, instance: str, device_id: str, module_id: str | None
    ) -> TwinChange | None:
        """The whole twin, within the pace of reads: devices draw on the same budget of the hub."""
        await self.reads.turn(instance)
        return await self.hub.read_twin(instance, device_id, module_id)

    async def _note(self, instance: str, bucket: int, writes: Sequence[DeviceWrite]) -> None:
        for group, device_class in {
            (seen.group_id, seen.device_class.class_id): (seen.group_id, seen.device_class)
            for seen in (write.becomes for write in writes)
            if seen.device_class is not None
        }.values():
            if await self.fleet.ensure_known(instance, group, bucket, device_class):
                await self.best_updates.refresh(instance, device_class)

    async def _announce(
        self,
        instance: str,
        bucket: int,
        writes: Sequence[DeviceWrite],
        heard_of: Iterable[str] = (),
    ) -> None:
        tell_results(self.telemetry, instance, writes)
        written = {write.after.key for write in writes}
        moved = [write.after.key for write in writes if _has_moved(write)]
        moved += [key for key in heard_of if key not in written]
        if moved:
            await self.queues.put(
                messages.Reconcile(instance=instance, bucket=bucket, devices=list(moved))
            )
        unexplained = [write.after.key for write in writes if is_unexplained(write.after)]
        if unexplained:
            order = messages.Reconcile(instance=instance, bucket=bucket, unexplained=unexplained)
            await self.queues.put(order, delay_seconds=_LOOK_AFTER_SECONDS)
        for group in {group for write in writes for group in _groups(write)}:
            await self.rollups.request(instance, group)
        if any(write.events for write in writes) or len(written) < len(set(heard_of)):
            await self.announcer.bucket(instance, bucket)

    async def _revisions(
        self, instance: str, before: Stored[DeviceRecord] | None, after: DeviceRecord
    ) -> list[Revision]:
        """What a late report changes in deployments that the device has moved on from."""
        if before is None or after.commanded is None:
            return []
        found = []
        for item in after.evidence:
            workflow_id = item.workflow_id.partition(".")[0]
            if workflow_id == after.commanded.workflow_id or item in before.value.evidence:
                continue
            bucket = bucket_of(after.device_id)
            past = await self.devices.past(instance, bucket, workflow_id, after.key)
            if past is None:
                continue
            revised = outcome_in(after, past.value.commanded)
            is_taken_back = past.value.state is _SUCCEEDED and revised.state is not _SUCCEEDED
            if revised != past.value and not is_taken_back:
                found.append(Revision(past, revised))
        return found


def _as_it_is(record: DeviceRecord) -> DeviceRecord:
    return record


def _has_moved(write: DeviceWrite) -> bool:
    before, after = write.was, write.becomes
    if after.device_class is None:
        return False
    if write.before is None or before is None:
        return True
    if _is_waited_for(write):
        return True
    if when_to_ask(write.before.value) != when_to_ask(write.after):
        return True  # its windows are others
    if write.before.value.commanded is not None and write.after.commanded is None:
        return True  # created again: the new device was never asked for anything
    return (before.group_id, before.device_class) != (after.group_id, after.device_class)


def _is_waited_for(write: DeviceWrite) -> bool:
    """Whether the service may have something to ask once the device has spoken: it has failed and
    nothing may want its command any more, or it was told to stop.
    """
    commanded, state = write.after.commanded, write.becomes.state
    if commanded is None or write.was is None:
        return False
    return commanded.is_cancel or (
        state is DeviceState.FAILED and write.was.state is not DeviceState.FAILED
    )


def _groups(write: DeviceWrite) -> set[str]:
    records = [write.after] + ([write.before.value] if write.before else [])
    seen = [each for each in (write.was, write.becomes) if each and each.device_class]
    groups = {each.group_id for each in seen}
    return groups | {record.commanded.group_id for record in records if record.commanded}
