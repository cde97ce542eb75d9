"""Bounds how many device classes become new in a time, and has those that waited come in later.

A device can report whatever it likes: one that reports ever other properties would make classes
without end. Of what is beyond the bound a device waits without a class, in no list and no count,
and `management/attention` says how many do.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from shared import messages
from shared.domain.fleet.device import DeviceRecord, bucket_of, device_key, view
from shared.domain.fleet.device_class import DeviceClass
from shared.domain.fleet.reported_class import reports_as_before
from shared.domain.instant import later
from shared.ports import Clock, HeldDevice, NewClasses, Queues
from shared.services.updates.best_updates import BestUpdates

_HOUR = timedelta(hours=1)
_AT_ONCE = 1000
_REMEMBERED = 100_000

log = logging.getLogger(__name__)


@dataclass(slots=True)
class ClassAdmission:
    """Lets classes become new, so many an hour in each instance."""

    instances: Iterable[str]
    classes: NewClasses
    best_updates: BestUpdates
    queues: Queues
    clock: Clock
    most_an_hour: int
    _known: set[tuple[str, str]] = field(default_factory=set, init=False)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def admitted(
        self, instance: str, before: DeviceRecord, after: DeviceRecord
    ) -> DeviceRecord:
        """A device after a change, held back where its class is new and too many are.

        Args:
            instance: The instance.
            before: The device before the change.
            after: The device after it.
        """
        if not after.held_class and reports_as_before(before, after):
            return after
        reported = replace(after, held_class="")
        device_class = view(reported).device_class
        if device_class is None or await self._is_open(instance, device_class):
            return reported
        class_id = device_class.class_id
        if before.held_class != class_id:
            note = HeldDevice(after.device_id, after.module_id, class_id, self.clock.now())
            await self.classes.hold(instance, note)
            log.warning("%s of %s waits: its device class is one too many", after.key, instance)
        return replace(after, held_class=class_id)

    async def sweep(self) -> None:
        """Have devices that wait looked at again, for whose classes there is room by now."""
        for instance in self.instances:
            held = await self.classes.held(instance, _AT_ONCE)
            if held:
                await self._catch_up(instance, held)

    async def _catch_up(self, instance: str, held: Iterable[HeldDevice]) -> None:
        room = self.most_an_hour - await self._new(instance)
        opened: set[str] = set()
        due: dict[int, list[str]] = {}
        for item in held:
            if item.class_id not in opened and not await self._is_known(instance, item.class_id):
                if len(opened) >= room:
                    continue
                opened.add(item.class_id)
            keys = due.setdefault(bucket_of(item.device_id), [])
            keys.append(device_key(item.device_id, item.module_id))
        for bucket, keys in due.items():
            order = messages.Reconcile(instance=instance, bucket=bucket, held=keys)
            await self.queues.put(order)

    async def _is_open(self, instance: str, device_class: DeviceClass) -> bool:
        if await self._is_known(instance, device_class.class_id):
            return True
        async with self._turn:
            if await self._new(instance) >= self.most_an_hour:
                return False
            await self.classes.add(instance, device_class)
        await self.best_updates.refresh(instance, device_class)
        return True

    async def _is_known(self, instance: str, class_id: str) -> bool:
        place = (instance, class_id)
        if place in self._known:
            return True
        if not await self.classes.is_known(*place):
            return False
        if len(self._known) >= _REMEMBERED:
            self._known.clear()
        self._known.add(place)
        return True

    async def _new(self, instance: str) -> int:
        since = later(self.clock.now(), -_HOUR)
        return await self.classes.count(instance, since, self.most_an_hour)
