"""Asks for roll-ups: what changes counters calls it, what sums them up is in `reporting`."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

from shared import messages
from shared.domain.instant import later
from shared.ports import Clock, Queues


@dataclass(slots=True)
class RollupScheduler:
    """Asks for a roll-up soon, once for any number of changes in between.

    A request while a message of this process is still waiting in the queue asks for nothing more:
    that message is taken up after the change and so sees it.
    """

    queues: Queues
    delay_seconds: float
    clock: Clock
    _due: dict[tuple[str, str], str] = field(default_factory=dict, init=False)
    _asking: dict[tuple[str, str], asyncio.Lock] = field(default_factory=dict, init=False)

    async def request(self, instance: str, group: str) -> None:
        """Have the group rolled up after the delay."""
        async with self._asking.setdefault((instance, group), asyncio.Lock()):
            now = self.clock.now()
            if now < self._due.get((instance, group), ""):
                return
            await self.queues.put(
                messages.RollUp(instance=instance, group=group, at=now),
                delay_seconds=self.delay_seconds,
            )
            self._due[instance, group] = later(now, timedelta(seconds=self.delay_seconds))

    async def put_off(self, order: messages.RollUp, seconds: float) -> None:
        """Have a group rolled up later than was asked; until then nobody needs to ask for it."""
        async with self._asking.setdefault((order.instance, order.group), asyncio.Lock()):
            await self.queues.put(order, delay_seconds=seconds)
            due = later(self.clock.now(), timedelta(seconds=seconds))
            self._due[order.instance, order.group] = due
