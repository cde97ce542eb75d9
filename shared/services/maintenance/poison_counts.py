"""How much failed for good, for those who look what needs attention."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from shared.services.maintenance.poison import EVENTS, Poison, Wanted
from shared.services.maintenance.service_health import ServiceHealth


@dataclass(frozen=True, slots=True)
class PoisonCounts:
    """Counts; the lengths of the queues are those that the health of the service is told from."""

    health: ServiceHealth
    poison: Poison

    async def by_place(self, wanted: Wanted | None) -> Mapping[str, int]:
        """How much there is in each place that has any.

        Args:
            wanted: What of it to count, of each queue among the first 32; None for all.
        """
        counts = {state.queue: state.poison_count for state in await self.health.queues()}
        counts[EVENTS] = await self.poison.count(EVENTS)
        found = {place: count for place, count in counts.items() if count}
        if wanted is None:
            return found
        some = Counter[str]()
        for place in found:
            async for item in self.poison.list(place):
                some[place] += wanted(item)
        return +some
