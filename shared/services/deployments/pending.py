"""Devices that were claimed and whose twins may not have been patched since: somebody died."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from shared import messages
from shared.domain.fleet.counters import PENDING, Counts
from shared.domain.instant import later
from shared.ports import Clock, Queues

_AFTER = timedelta(minutes=2)


@dataclass(slots=True)
class PendingDevices:
    """Has buckets looked at again that had pending devices in all sums of two minutes."""

    queues: Queues
    clock: Clock
    _since: dict[tuple[str, str, int], str] = field(default_factory=dict, init=False)

    async def check(self, instance: str, group: str, counts: Mapping[int, Counts]) -> None:
        """Look at the counters of each bucket."""
        now = self.clock.now()
        for bucket, here in counts.items():
            place = (instance, group, bucket)
            if not any(cells.get(PENDING) for cells in here.values()):
                self._since.pop(place, None)
                continue
            if later(self._since.setdefault(place, now), _AFTER) > now:
                continue
            self._since[place] = now
            await self.queues.put(
                messages.Reconcile(
                    instance=instance,
                    bucket=bucket,
                    group=group,
                    workflow="",
                    unasked=False,
                    asked=False,
                )
            )
