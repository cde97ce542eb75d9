"""Recounts buckets of devices one by one: repairs counters that drifted, drops what is outlived.

Counters are kept exact by transactions, so a recount finds nothing unless rows were changed by
other hands. It runs beside events: counters are read first, every change of what they count changes
their ETag, and a correction is refused once that has happened.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import batched

from shared import messages
from shared.domain.errors import ConcurrentUpdate
from shared.domain.fleet.counters import (
    Cell,
    CounterKey,
    Counts,
    History,
    contribution,
    history_contribution,
    is_later_cell,
    total,
)
from shared.domain.fleet.deployment import Deployment
from shared.domain.fleet.device import BUCKETS, DeviceRecord, view
from shared.domain.fleet.listing import ListedDevice, ListedPlace, listed
from shared.domain.fleet.missed import seconds_until_look
from shared.domain.fleet.reconcile import by_precedence
from shared.domain.fleet.recount import Drift, Recounted, drift_of, is_cluttered, is_long_gone
from shared.domain.rollouts.ledger import LEDGER, pruned
from shared.ports import (
    Clock,
    Correction,
    Counters,
    Deployments,
    Devices,
    Fleet,
    Hub,
    Recounts,
    Stored,
    Updates,
)
from shared.services.devices.observe import ObserveDevices
from shared.services.own_deployments import DevicesOwnDeployments
from shared.services.pacing import Pacer
from shared.services.rollup_scheduler import RollupScheduler

type Ledgers = Mapping[CounterKey, Stored[Mapping[Cell, int]]]

_TRIES = 3
_LOOKED_AT_ONCE = 100
_HASTENED = 32
"""Buckets a minute while rows of an earlier release are put into the lists."""

log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Scan:
    """What the rows of a bucket add up to, and which of them should go or be renewed."""

    now: str
    counted: Counts = field(default_factory=dict)
    devices: int = 0
    cluttered: list[DeviceRecord] = field(default_factory=list)
    long_gone: list[Stored[DeviceRecord]] = field(default_factory=list)
    histories: list[Stored[History]] = field(default_factory=list)
    listed: dict[ListedPlace, tuple[ListedDevice, Stored[DeviceRecord]]] = field(
        default_factory=dict
    )
    records: list[DeviceRecord] = field(default_factory=list)

    def add_devices(self, rows: Iterable[Stored[DeviceRecord]]) -> None:
        for row in rows:
            self.devices += bool(row.value.registers)
            if is_cluttered(row.value):
                self.cluttered.append(row.value)
            if is_long_gone(row.value, self.now):
                self.long_gone.append(row)
            self.records.append(row.value)
            item = listed(row.value)
            if item is not None:
                self.listed[item.place] = item, row
        self._count(contribution(row.value) for row in rows)

    def add_histories(self, rows: Iterable[Stored[History]]) -> None:
        self.histories += rows
        self._count(history_contribution(row.value) for row in rows)

    def _count(self, counts: Iterable[Counts]) -> None:
        self.counted = total([self.counted, *counts])


@dataclass(slots=True)
class Recount:
    """Recounts of the buckets of every instance."""

    instances: Iterable[str]
    devices: Devices
    counters: Counters
    deployments: Deployments
    hub: Hub
    observe: ObserveDevices
    reads: Pacer
    rollups: RollupScheduler
    reports: Recounts
    fleet: Fleet
    clock: Clock
    own_deployments: DevicesOwnDeployments
    updates: Updates

    async def next(self) -> None:
        """Recount the bucket whose turn it is: each minute another, in every instance."""
        minutes = datetime.fromisoformat(self.clock.now()).timestamp() // 60
        for instance in self.instances:
            await self.bucket(instance, int(minutes) % BUCKETS)
            if not await self.fleet.is_indexed(instance):
                await self._hasten(instance)

    async def _hasten(self, instance: str) -> None:
        """After an upgrade, recount more buckets than one until every row is in the lists.

        Nothing is noted before each bucket has its report: a busy one may need several turns.
        """
        done = {item.bucket for item in await self.reports.list(instance) if item.is_indexed}
        if len(done) == BUCKETS:
            await self.fleet.set_indexed(instance)
        for bucket in [each for each in range(BUCKETS) if each not in done][:_HASTENED]:
            await self.bucket(instance, bucket)

    async def bucket(self, instance: str, bucket: int) -> None:
        """Recount a bucket; one that is too busy waits for its next turn."""
        for _ in range(_TRIES):
            try:
                report = await self._recount(instance, bucket)
            except ConcurrentUpdate:
                continue
            known = await self.reports.get(instance, bucket)
            if known is not None and not report.drift:
                report = replace(report, drift=known.drift, drifted_at=known.drifted_at)
            await self.reports.save(instance, report)
            return
        log.info("bucket %d of %s changes too often to be recounted now", bucket, instance)

    async def _recount(self, instance: str, bucket: int) -> Recounted:
        now = self.clock.now()
        rows = await self.counters.counter_rows(instance, bucket)
        lists = await self.counters.listed_in(instance, bucket)
        is_indexed = await self.fleet.is_indexed(instance)
        scan = _Scan(now)
        async for devices in self._devices(instance, bucket):
            scan.add_devices(devices)
        async for histories in self._histories(instance, bucket):
            scan.add_histories(histories)
        drift = drift_of({place: row.value for place, row in rows.items()}, scan.counted)
        wrong = {(each.group_id, each.class_id) for each in drift}
        wrong |= {place for place, row in rows.items() if not row.value}
        await self.counters.correct(
            instance,
            bucket,
            [
                Correction(place, rows.get(place), scan.counted.get(place, {}))
                for place in sorted(wrong)
            ],
        )
        if not is_indexed:  # rows of an earlier release lack what it did not count
            drift = [each for each in drift if not is_later_cell(each.cell)]
        await self._report(instance, bucket, drift)
        wrong_rows = [
            row
            for place, (item, row) in scan.listed.items()
            if place not in lists or lists[place].value != item
        ]
        stale = {place: row for place, row in lists.items() if place not in scan.listed}
        await self.counters.index(instance, bucket, wrong_rows, stale)
        # a deployment is stored before its first history: what is not there now was deleted
        known = [item.value for item in await self.deployments.of_instance(instance)]
        kept = {item.workflow_id for item in known}
        outlived = [item for item in scan.histories if item.value.workflow_id not in kept]
        await self.counters.forget(instance, bucket, outlived)
        ledgers = await self.counters.ledger_rows(instance, bucket)
        await self._prune_ledgers(instance, bucket, ledgers, kept)
        await self.counters.drop(instance, bucket, scan.long_gone)
        for record in scan.records:
            for update_id in {own.update_id for own in record.own}:
                await self.own_deployments.note(instance, record, update_id)
        for record in scan.cluttered:
            await self._renew(instance, bucket, record)
        await self._have_missed_looked_at(instance, bucket, scan, known, ledgers)
        await self._take_back_recalled(instance, bucket, scan, kept)
        return Recounted(
            bucket=bucket,
            at=now,
            devices=scan.devices,
            drift=tuple(drift),
            drifted_at=now if drift else "",
            renewed=len(scan.cluttered),
            forgotten=len(outlived) + len(scan.long_gone),
            indexed=len(wrong_rows) + len(stale),
            is_indexed=True,
        )

    async def _have_missed_looked_at(
        self,
        instance: str,
        bucket: int,
        scan: _Scan,
        known: Iterable[Deployment],
        ledgers: Ledgers,
    ) -> None:
        """Have devices looked at for which something is due and whose message was lost."""
        by_group: dict[str, list[Deployment]] = {}
        for deployment in by_precedence(known):
            by_group.setdefault(deployment.group_id, []).append(deployment)
        found: dict[float, list[str]] = {}
        for record in scan.records:
            group = view(record).group_id
            ledger = ledgers.get((group, LEDGER))
            ahead = seconds_until_look(
                record, by_group.get(group, []), ledger.value if ledger else {}, scan.now
            )
            if ahead is not None:
                found.setdefault(ahead, []).append(record.key)
        for ahead, keys in found.items():
            for some in batched(keys, _LOOKED_AT_ONCE, strict=False):
                await self.observe.queues.put(
                    messages.Reconcile(instance=instance, bucket=bucket, devices=list(some)),
                    delay_seconds=ahead,
                )

    async def _take_back_recalled(
        self, instance: str, bucket: int, scan: _Scan, kept: Set[str]
    ) -> None:
        """Have recalled updates taken back where no deployment of the device's group sees to it."""
        asked = {
            current.update_id
            for record in scan.records
            if (current := record.commanded) is not None and not current.is_cancel
            if current.workflow_id not in kept or current.group_id != view(record).group_id
        }
        for update_id in sorted(asked, key=str):
            stored = await self.updates.get(instance, update_id)
            if stored is not None and stored.value.recall is not None:
                await self.observe.queues.put(
                    messages.Reconcile(instance=instance, bucket=bucket, recalled=update_id)
                )

    async def _prune_ledgers(
        self, instance: str, bucket: int, rows: Ledgers, kept: Set[str]
    ) -> None:
        """Drop what deleted roll-outs have left in the ledgers."""
        changed = [
            Correction(place, row, left)
            for place, row in rows.items()
            if (left := pruned(row.value, kept)) != row.value
        ]
        await self.counters.correct(instance, bucket, changed)

    async def _devices(
        self, instance: str, bucket: int
    ) -> AsyncIterator[list[Stored[DeviceRecord]]]:
        token: str | None = None
        while True:
            page = await self.devices.of_bucket(instance, bucket, token=token)
            yield list(page.items)
            if (token := page.token) is None:
                return

    async def _histories(self, instance: str, bucket: int) -> AsyncIterator[list[Stored[History]]]:
        token: str | None = None
        while True:
            page = await self.counters.histories(instance, bucket, token=token)
            yield list(page.items)
            if (token := page.token) is None:
                return

    async def _report(self, instance: str, bucket: int, drift: list[Drift]) -> None:
        if not drift:
            return
        log.warning(
            "recount: %d counters of bucket %d of %s had drifted and are repaired: %s",
            len(drift),
            bucket,
            instance,
            ", ".join(f"{each.cell} {each.found} to {each.counted}" for each in drift[:10]),
        )
        for group in {each.group_id for each in drift}:
            await self.rollups.request(instance, group)

    async def _renew(self, instance: str, bucket: int, record: DeviceRecord) -> None:
        """Fold the whole twin, which leaves no older tombstone."""
        at = self.clock.now()
        await self.reads.turn(instance)
        twin = await self.hub.read_twin(instance, record.device_id, record.module_id)
        if twin is None:
            await self.observe.deleted(instance, record.device_id, record.module_id, at)
        else:
            await self.observe.twin_changes(instance, bucket, [twin])
