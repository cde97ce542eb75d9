"""Tells customers' systems what has happened.

An event is written down together with the fact: of a device in the transaction of its row, of an
import or deployment within its row. A message on the queue `announce` has it published, then it is
forgotten; the sweep finds what a crash in between has left. So an event may come twice, but never
not at all, and nothing waits for Event Grid.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import batched

from shared import messages
from shared.domain.domain_event import DomainEvent
from shared.domain.errors import DeviceUpdateError
from shared.domain.events.catalog import device_ended
from shared.domain.fleet.counters import History
from shared.domain.fleet.device import BUCKETS, DeviceRecord
from shared.ports import Clock, CustomerTopic, Deployments, Devices, Operations, Queues

_EVENTS_PER_MESSAGE = 20
"""Events that a message carries at most: it may have 48 KB."""
_EVENTS_PER_TRANSACTION = 100
_PUSH_BACK_SECONDS = 10.0
_BUCKETS_PER_SWEEP = 16


@dataclass(slots=True)
class Announcer:
    """Has events published soon. Without a queue customers are told nothing, and no event made."""

    queues: Queues | None = None
    delay_seconds: float = 1.0
    _due: dict[tuple[str, int], float] = field(default_factory=dict, init=False)

    @property
    def is_on(self) -> bool:
        """Whether there is somebody to tell."""
        return self.queues is not None

    def of_change(
        self, instance: str, before: DeviceRecord | None, after: DeviceRecord
    ) -> tuple[DomainEvent, ...]:
        """What a change of a device has to tell, to be written down with it."""
        event = device_ended(instance, before, after) if self.is_on else None
        return (event,) if event else ()

    def of_revision(
        self, instance: str, record: DeviceRecord, before: History, after: History
    ) -> tuple[DomainEvent, ...]:
        """What a late report about a deployment that the device has moved on from has to tell."""
        if not self.is_on or before.state is after.state:
            return ()
        event = device_ended(instance, None, replace(record, commanded=after.commanded))
        return (event,) if event else ()

    async def bucket(self, instance: str, bucket: int) -> None:
        """Have published what is written down in a bucket, after the delay: once for all that comes
        until then.
        """
        now = time.monotonic()
        if self.is_on and now >= self._due.get((instance, bucket), 0):
            await self._put(messages.Announce(instance=instance, bucket=bucket), self.delay_seconds)
            self._due[instance, bucket] = now + self.delay_seconds

    async def operation(self, instance: str, operation_id: str) -> None:
        """Have published what is written down in an operation."""
        await self._put(messages.Announce(instance=instance, operation=operation_id))

    async def deployment(self, instance: str, group: str, deployment_id: str) -> None:
        """Have published what is written down in a deployment."""
        await self._put(messages.Announce(instance=instance, group=group, deployment=deployment_id))

    async def send(self, instance: str, events: Iterable[DomainEvent]) -> None:
        """Have events published that are written down nowhere.

        Call it before whatever you do counts as done: a crash then sends them twice.
        """
        if self.is_on:
            for some in batched(events, _EVENTS_PER_MESSAGE, strict=False):
                await self._put(messages.Announce(instance=instance, events=list(some)))

    async def _put(self, order: messages.Announce, delay_seconds: float = 0) -> None:
        if self.queues is not None:
            await self.queues.put(order, delay_seconds=delay_seconds)


@dataclass(slots=True)
class Announcements:
    """Publishes what is due."""

    instances: Iterable[str]
    devices: Devices
    operations: Operations
    deployments: Deployments
    topic: CustomerTopic
    queues: Queues
    announcer: Announcer
    clock: Clock

    async def run(self, order: messages.Announce) -> None:
        """Publish what a message is about; what does not go now is put off.

        Raises:
            DependencyFailed: Event Grid refuses it for good.
        """
        if not self.announcer.is_on:
            return  # the topic was taken away meanwhile
        try:
            await self._publish(order.instance, order)
        except DeviceUpdateError as error:
            if not error.retryable:
                raise
            wait = getattr(error, "retry_after", None) or _PUSH_BACK_SECONDS
            await self.queues.put(order, delay_seconds=wait)

    async def _publish(self, instance: str, order: messages.Announce) -> None:
        if order.bucket is not None:
            await self._bucket(instance, order.bucket)
        elif order.operation is not None:
            await self._operation(instance, order.operation)
        elif order.group is not None and order.deployment is not None:
            await self._deployment(instance, order.group, order.deployment)
        else:
            await self.topic.publish(instance, order.events or [])

    async def _bucket(self, instance: str, bucket: int) -> None:
        while events := await self.devices.events(instance, bucket, _EVENTS_PER_TRANSACTION):
            await self.topic.publish(instance, events)
            await self.devices.forget_events(instance, bucket, events)
            if len(events) < _EVENTS_PER_TRANSACTION:
                return

    async def _operation(self, instance: str, operation_id: str) -> None:
        stored = await self.operations.get(instance, operation_id)
        if stored is not None and stored.value.events:
            await self.topic.publish(instance, stored.value.events)
            await self.operations.save(instance, replace(stored.value, events=()), stored.etag)

    async def _deployment(self, instance: str, group: str, deployment_id: str) -> None:
        stored = await self.deployments.get(instance, group, deployment_id)
        if stored is not None and stored.value.events:
            await self.topic.publish(instance, stored.value.events)
            await self.deployments.save(instance, replace(stored.value, events=()), stored.etag)

    async def sweep(self) -> None:
        """Look for what was left in some of the buckets; every bucket has its turn."""
        if not self.announcer.is_on:
            return
        minute = int(datetime.fromisoformat(self.clock.now()).timestamp() // 60)
        for instance in self.instances:
            for number in range(_BUCKETS_PER_SWEEP):
                bucket = (minute * _BUCKETS_PER_SWEEP + number) % BUCKETS
                if await self.devices.events(instance, bucket, 1):
                    await self.announcer.bucket(instance, bucket)
