"""Sums the buckets' counters of a group, so that a read costs the same for any fleet."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from shared import messages
from shared.domain.fleet.counters import TOTAL, Cell, Counts, total
from shared.domain.fleet.listing import ListedDevice
from shared.domain.fleet.whereabouts import FEW_BUCKETS, whereabouts
from shared.domain.instant import later, seconds_between
from shared.ports import Clock, Fleet, GroupMembers, LastRollup, Passes, Rollup
from shared.services.deployments.completions import Completions
from shared.services.deployments.evaluator import Evaluator, GroupSums
from shared.services.deployments.pending import PendingDevices
from shared.services.deployments.rollback import Rollbacks
from shared.services.retrying import retry_on_conflict
from shared.services.rollup_scheduler import RollupScheduler

_PARALLEL_READS = 16
_READS_PER_SECOND = 10
"""Reads of counters that the sums of one group may cost."""
MOST_MEMBERS = 2_000
"""Devices of a group that are kept together: more fill a page from a few buckets."""
_CLOCKS_APART = timedelta(seconds=1)


type Tally = tuple[Counts, Mapping[Cell, int], Sequence[ListedDevice]]


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

        A sum costs a read a bucket, so between two of them there are a tenth of a second a bucket.
        """
        last = await self.fleet.last_rollup(order.instance, order.group)
        if last is not None:
            if order.at and later(order.at, _CLOCKS_APART) < last.as_of:
                return
            free_at = later(last.as_of, timedelta(seconds=last.buckets / _READS_PER_SECOND))
            if (now := self.clock.now()) < free_at:
                await self.rollups.put_off(order, seconds_between(now, free_at))
                return
        await self.group(order.instance, order.group, last)

    async def group(self, instance: str, group: str, last: LastRollup | None = None) -> None:
        """Sum the group's counters over its buckets, store the sum, and see what follows.

        Args:
            instance: The instance.
            group: A group.
            last: The sum before, where it is at hand.
        """
        as_of = self.clock.now()
        limit = asyncio.Semaphore(_PARALLEL_READS)

        buckets = await self.fleet.buckets(instance, group)
        last = last or await self.fleet.last_rollup(instance, group)
        is_small = len(buckets) > FEW_BUCKETS and await self._is_small(instance, last)

        async def tally(bucket: int) -> Tally:
            async with limit:
                if is_small:
                    return await self.passes.tally_with_devices(instance, bucket, group)
                return *await self.passes.tally(instance, bucket, group), ()

        found = await asyncio.gather(*(tally(bucket) for bucket in buckets))
        by_bucket = {bucket: each[0] for bucket, each in zip(buckets, found, strict=True)}
        ledgers = {bucket: each[1] for bucket, each in zip(buckets, found, strict=True)}
        sums = total(by_bucket.values())
        present = {class_id for (_, class_id), cells in sums.items() if cells.get(TOTAL)}
        deleted = await self.fleet.revive(instance, group, present)
        if deleted is None:
            await self.members.drop(instance, group)
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
        # stored last: what is stored ends the work of the messages that asked for it
        known = (await self.fleet.rollups(instance, group)).get(group)
        is_still = known is not None and known.counts == kept
        still_since = known.still_since if known is not None and is_still else ""
        rollup = Rollup(
            kept,
            as_of,
            len(buckets),
            still_since=still_since or as_of,
            wake_at=outlook.wake_at,
            judged_by=outlook.judged_by,
            where=whereabouts(by_bucket, group),
            has_members=is_small,
        )
        if is_small:
            devices = [item for each in found for item in each[2]]
            await retry_on_conflict(lambda: self.members.replace(instance, group, as_of, devices))
        await retry_on_conflict(lambda: self.fleet.save_rollup(instance, group, rollup))
        if last is not None and last.has_members and not is_small:
            await self.members.drop(instance, group)

    async def _is_small(self, instance: str, last: LastRollup | None) -> bool:
        """Whether a group was small at its last sum: how many devices it has is known after one."""
        if last is None or last.devices is None or last.devices > MOST_MEMBERS:
            return False
        return await self.fleet.is_indexed(instance)
