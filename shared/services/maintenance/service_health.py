"""How the service itself is doing: what it depends on, its queues, the lag of its events."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from shared.domain.errors import DeviceUpdateError
from shared.domain.event_lag import EventLag
from shared.ports import Blobs, Clock, EventLags, Hub, Operations, PoisonQueues
from shared.services.maintenance.poison import BLOBS, poison_queue_of
from shared.services.updates.signing import Signing
from shared.topology import QUEUES

TIMEOUT_SECONDS = 5.0
_LIVES_SECONDS = 10.0
"""How long a result is good: probes must not turn into load on what they ask."""
_PROBE = "odu-health-probe"
"""A device that does not exist: looking it up needs the hub to answer, nothing more."""

type Check = Callable[[], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Dependency:
    """Something that the service needs. `error` says what is wrong, empty if nothing is."""

    name: str
    is_needed: bool
    milliseconds: int
    error: str = ""

    @property
    def is_healthy(self) -> bool:
        """Whether it answers."""
        return not self.error


@dataclass(frozen=True, slots=True)
class QueueState:
    """A work queue: its messages, the age of the oldest, and what failed in it for good."""

    queue: str
    message_count: int
    poison_count: int
    oldest_at: str | None = None
    oldest_seconds: float = 0.0


@dataclass(slots=True)
class ServiceHealth:
    """Looks at everything at once, and keeps the result for a few seconds."""

    instances: Sequence[str]
    operations: Operations
    poison: PoisonQueues
    blobs: Blobs
    signing: Signing
    hub: Hub
    lags: EventLags
    clock: Clock
    now: Callable[[], float]
    timeout_seconds: float = TIMEOUT_SECONDS
    _kept: dict[str, tuple[float, Any]] = field(default_factory=dict, init=False)
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict, init=False)

    async def is_ready(self) -> bool:
        """Whether requests can be served: storage answers."""
        return all(item.is_healthy for item in await self.stores())

    async def stores(self) -> Sequence[Dependency]:
        """The storage that every request needs."""
        instance = self.instances[0]
        checks: dict[str, Check] = {
            "tables": lambda: self.operations.get(instance, _PROBE),
            "queues": lambda: self.poison.count("import"),
            "blobs": lambda: self.blobs.metadata("manifests", _PROBE),
        }
        return await self._kept_for("stores", lambda: self._all(checks, is_needed=True))

    async def others(self) -> Sequence[Dependency]:
        """What only some work needs: the keyring and the hubs."""
        checks: dict[str, Check] = {"keyring": self.signing.keyring}
        for instance in self.instances:
            checks[f"hub:{instance}"] = _reading(self.hub, instance)
        return await self._kept_for("others", lambda: self._all(checks, is_needed=False))

    async def queues(self) -> Sequence[QueueState]:
        """Every work queue, and that of the blob triggers, of which only poison is known."""

        async def read() -> Sequence[QueueState]:
            found = await asyncio.gather(*(self._queue(name) for name in QUEUES))
            blobs = QueueState(BLOBS, 0, await self.poison.count(poison_queue_of(BLOBS)))
            return [*found, blobs]

        return await self._kept_for("queues", read)

    async def lag(self, instance: str) -> EventLag | None:
        """The last measured lag of an instance's events."""
        return await self.lags.get(instance)

    async def _queue(self, name: str) -> QueueState:
        count, poison = await asyncio.gather(
            self.poison.count(name), self.poison.count(poison_queue_of(name))
        )
        oldest = await self.poison.oldest(name) if count else None
        return QueueState(name, count, poison, oldest, self._age(oldest))

    def _age(self, at: str | None) -> float:
        if not at:
            return 0.0
        now = datetime.fromisoformat(self.clock.now())
        return max(0.0, (now - datetime.fromisoformat(at)).total_seconds())

    async def _all(self, checks: Mapping[str, Check], *, is_needed: bool) -> Sequence[Dependency]:
        return await asyncio.gather(
            *(self._check(name, check, is_needed) for name, check in checks.items())
        )

    async def _check(self, name: str, check: Check, is_needed: bool) -> Dependency:
        started = self.now()
        error = ""
        try:
            async with asyncio.timeout(self.timeout_seconds):
                await check()
        except TimeoutError:
            error = f"It does not answer within {self.timeout_seconds:g} seconds."
        except DeviceUpdateError as failure:
            error = failure.message
        return Dependency(name, is_needed, round((self.now() - started) * 1000), error)

    async def _kept_for[T](self, name: str, read: Callable[[], Awaitable[T]]) -> T:
        async with self._locks.setdefault(name, asyncio.Lock()):
            known = self._kept.get(name)
            if known is not None and self.now() - known[0] < _LIVES_SECONDS:
                kept: T = known[1]
                return kept
            found = await read()
            self._kept[name] = (self.now(), found)
            return found


def _reading(hub: Hub, instance: str) -> Check:
    return lambda: hub.read_twin(instance, _PROBE, None)
