"""How many devices a filter selects, from the sums that figures are read from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared.domain.fleet.counted import count_of
from shared.domain.fleet.queries import DeviceFilter, selection
from shared.domain.updates.update_id import UpdateId
from shared.ports import Clock
from shared.services.shared_reads import FleetFigures


@dataclass(frozen=True, slots=True)
class DeviceCount:
    """How many devices there are; None where counters do not tell. `as_of` is when they were summed
    up, empty if they never were.
    """

    count: int | None
    as_of: str


@dataclass(slots=True)
class DeviceCounts:
    """Counts devices without looking at any."""

    fleet: FleetFigures
    clock: Clock

    async def count(self, instance: str, wanted: DeviceFilter) -> DeviceCount:
        """How many devices a filter selects."""
        latest: Mapping[str, UpdateId | None] = {}
        if wanted.is_on_latest is not None:
            classes = await self.fleet.classes(instance)
            latest = {known.device_class.class_id: known.best_update for known in classes}
        rollups = (await self.fleet.rollups(instance, wanted.group)).values()
        counts = {place: cells for rollup in rollups for place, cells in rollup.counts.items()}
        found = count_of(counts, selection(wanted, self.clock.now(), latest))
        return DeviceCount(found, min((rollup.as_of for rollup in rollups), default=""))
