"""Sums the buckets' counters of a group, so that a read costs the same for any fleet."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from shared.domain.fleet.counters import TOTAL, Counts, total
from shared.ports import Clock, Devices, Fleet, Rollup
from shared.services.deployments.completions import Completions
from shared.services.deployments.rollback import Rollbacks
from shared.services.retrying import until_uncontended

_PARALLEL_READS = 16


@dataclass(slots=True)
class RollUp:
    """Makes the roll-up of one group anew."""

    devices: Devices
    fleet: Fleet
    rollbacks: Rollbacks
    clock: Clock
    completions: Completions

    async def group(self, instance: str, group: str) -> None:
        """Sum the group's counters over its buckets and store the sum."""
        as_of = self.clock.now()
        limit = asyncio.Semaphore(_PARALLEL_READS)

        async def counts(bucket: int) -> Counts:
            async with limit:
                return await self.devices.counts(instance, bucket, group)

        buckets = await self.fleet.buckets(instance, group)
        sums = total(await asyncio.gather(*(counts(bucket) for bucket in buckets)))
        present = {class_id for (_, class_id), cells in sums.items() if cells.get(TOTAL)}
        deleted = await self.fleet.revive(instance, group, present)
        if deleted is None:
            await self.fleet.drop_rollup(instance, group)
            return
        kept = {place: cells for place, cells in sums.items() if place[1] not in deleted}
        rollup = Rollup(kept, as_of)
        await until_uncontended(lambda: self.fleet.save_rollup(instance, group, rollup))
        await self.rollbacks.check(instance, group, kept)
        await self.completions.check(instance, group, kept)
