"""Sums the buckets' counters of a group, so that a read costs the same for any fleet."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

from shared import messages
from shared.domain.fleet.counters import TOTAL, Cell, Counts, distance, total
from shared.domain.fleet.kept import Kept, kept_of
from shared.domain.fleet.listing import ListedDevice
from shared.domain.fleet.whereabouts import FEW_BUCKETS, whereabouts
from shared.domain.instant import later, seconds_between
from shared.ports import Clock, Fleet, GroupMembers, Passes, Rollup
from shared.services.deployments.completions import Completions
from shared.services.deployments.evaluator import Evaluator, GroupSums
from shared.services.deployments.pending import PendingDevices
from shared.services.deployments.rollback import Rollbacks
from shared.services.retrying import retry_on_conflict
from shared.services.rollup_scheduler import RollupScheduler

_PARALLEL_READS = 16
_READS_PER_SECOND = 10
"""Reads of counters that the sums of one group may cost."""
_QUIET_READS_PER_SECOND = 4
_WORTH_A_READ = 2
"""A sum that differs from the one before by less for each bucket has found little."""
MOST_MEMBERS = 2_000
"""Devices of a group that are kept together: more fill a page from a few buckets."""
_MOST_COPIES = 2 * MOST_MEMBERS
"""Nothing is kept if there have come to be more than so many since the last sums."""
_CLOCKS_APART = timedelta(seconds=1)


type Tally = tuple[Counts, Mapping[Cell, int]]


@dataclass(slots=True)
class RollUp:
    """Makes the roll-up of one group anew."""

    passes: Passes
    fleet: Fleet
    members: GroupMembers
    rollbacks: Rollbacks
    evaluator: Evaluator
    pending: PendingDevices
    rollups: RollupScheduler
    clock: Clock
    completions: Completions

    async def run(self, order: messages.RollUp) -> None:
        """Sum up a group for whose change the message was sent, unless that is summed already.

        A sum costs a read a bucket, so between two of them there are a tenth of a second a bucket,
        and a quarter after a sum that found little.
        """
        last = await self.fleet.last_rollup(order.instance, order.group)
        if last is not None:
            if order.at and later(order.at, _CLOCKS_APART) < last.as_of:
                return
            rate = _QUIET_READS_PER_SECOND if last.is_quiet else _READS_PER_SECOND
            free_at = later(last.as_of, timedelta(seconds=last.buckets / rate))
            if (now := self.clock.now()) < free_at:
                await self.rollups.put_off(order, seconds_between(now, free_at))
                return
        await self.group(order.instance, order.group)

    async def group(self, instance: str, group: str) -> None:
        """Sum the group's counters over its buckets, store the sum, and see what follows."""
        as_of = self.clock.now()
        buckets = await self.fleet.buckets(instance, group)
        known = (await self.fleet.rollups(instance, group)).get(group)
        copies = await self._copies(instance, known, as_of, len(buckets))
        found = await self._tallies(instance, group, buckets, copies)
        by_bucket = {bucket: each[0] for bucket, each in found.items()}
        ledgers = {bucket: each[1] for bucket, each in found.items()}
        sums = total(by_bucket.values())
        present = {class_id for (_, class_id), cells in sums.items() if cells.get(TOTAL)}
        deleted = await self.fleet.revive(instance, group, present)
        if deleted is None:
            for each in _kept_by(known):
                await self.members.drop(instance, group, each)
            await self.fleet.drop_rollup(instance, group)
            return
        kept = {place: cells for place, cells in sums.items() if place[1] not in deleted}
        await self.rollbacks.check(instance, group, kept)
        await self.completions.check(instance, group, kept)
        await self.pending.check(instance, group, by_bucket)
        found_sums = GroupSums(kept, by_bucket, ledgers, as_of)
        outlook = await self.evaluator.check(instance, group, found_sums)
        if outlook.has_moved:
            await self.rollups.request(instance, group)  # one transition may follow another
        await self._copy(instance, group, known, copies, as_of)
        # stored last: what is stored ends the work of the messages that asked for it
        is_still = known is not None and known.counts == kept
        still_since = known.still_since if known is not None and is_still else ""
        rollup = Rollup(
            kept,
            as_of,
            len(buckets),
            still_since=still_since or as_of,
            wake_at=outlook.wake_at,
            judged_by=outlook.judged_by,
            is_quiet=known is not None
            and distance(known.counts, kept) < len(buckets) * _WORTH_A_READ,
            where=whereabouts(by_bucket, group),
            kept=copies.kept,
            kept_before=known.kept if known is not None and known.kept != copies.kept else None,
        )
        await retry_on_conflict(lambda: self.fleet.save_rollup(instance, group, rollup))

    async def _copies(self, instance: str, known: Rollup | None, now: str, buckets: int) -> _Copies:
        """What to copy, by the last sums; nothing of a group that lies in few buckets."""
        if known is None or buckets <= FEW_BUCKETS or not await self.fleet.is_indexed(instance):
            return _Copies(None)
        return _Copies(kept_of(known.counts, now, MOST_MEMBERS))

    async def _tallies(
        self, instance: str, group: str, buckets: Sequence[int], copies: _Copies
    ) -> Mapping[int, Tally]:
        limit = asyncio.Semaphore(_PARALLEL_READS)

        async def tally(bucket: int) -> Tally:
            async with limit:
                if copies.kept is None:
                    return await self.passes.tally(instance, bucket, group)
                counts, ledger, devices = await self.passes.tally_with_devices(
                    instance, bucket, group, copies.kept
                )
                copies.add(devices)
                return counts, ledger

        found = await asyncio.gather(*(tally(bucket) for bucket in buckets))
        return dict(zip(buckets, found, strict=True))

    async def _copy(
        self, instance: str, group: str, known: Rollup | None, copies: _Copies, as_of: str
    ) -> None:
        """Write the copies, and drop those that the sums before the last ones named.

        Whoever reads by the last sums still finds what they name.
        """
        kept, devices = copies.kept, copies.devices
        if kept is not None:
            await retry_on_conflict(
                lambda: self.members.replace(instance, group, kept, as_of, devices)
            )
        if known is not None and known.kept_before not in (None, kept):
            await self.members.drop(instance, group, known.kept_before)


@dataclass(slots=True)
class _Copies:
    """The devices that are to be kept together; nothing is once they are too many."""

    kept: Kept | None
    devices: list[ListedDevice] = field(default_factory=list)

    def add(self, devices: Sequence[ListedDevice]) -> None:
        """Take in those of a bucket."""
        if self.kept is not None:
            self.devices += devices
            if len(self.devices) > _MOST_COPIES:
                self.kept, self.devices = None, []


def _kept_by(known: Rollup | None) -> Iterator[Kept]:
    kept = {known.kept, known.kept_before} if known is not None else set()
    yield from (each for each in kept if each is not None)
