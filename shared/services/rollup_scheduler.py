"""Asks for roll-ups: what changes counters calls it, what sums them up is in `reporting`."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from shared import messages
from shared.ports import Queues


@dataclass(slots=True)
class RollupScheduler:
    """Asks for a roll-up soon, once for any number of changes in between.

    A request while a message of this process is still waiting in the queue asks for nothing more:
    that message is taken up after the change and so sees it.
    """

    queues: Queues
    delay_seconds: float
    _due: dict[tuple[str, str], float] = field(default_factory=dict, init=False)
    _asking: dict[tuple[str, str], asyncio.Lock] = field(default_factory=dict, init=False)

    async def request(self, instance: str, group: str) -> None:
        """Have the group rolled up after the delay."""
        async with self._asking.setdefault((instance, group), asyncio.Lock()):
            now = time.monotonic()
            if now < self._due.get((instance, group), 0):
                return
            await self.queues.put(
                messages.RollUp(instance=instance, group=group), delay_seconds=self.delay_seconds
            )
            self._due[instance, group] = now + self.delay_seconds
