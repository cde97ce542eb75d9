"""A simulated fleet whose service is counted: what it asks of storage, and for whom.

Time passes as it would with one hub at its limit: a command takes its share of the hub's budget, so
that devices are asked and report over hours, and what is done once a minute is done as often.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from functools import wraps
from inspect import iscoroutinefunction
from typing import Any

from shared.ports import DeviceWrite
from shared.settings import Settings
from tests.fakes.faults import Faults
from tests.fakes.rollouts import Device, Fleet
from tests.fakes.storage import Message

COMMANDS_PER_SECOND = 5.7
"""What `HUB_COMMANDS_PER_SECOND` is by default."""
_PAGE = 250
"""Rows of a page of devices that storage answers with."""
_COUNTERS = 4
"""Rows of counters that a transaction changes."""
_MESSAGE_REQUESTS = 3
"""Put, get and delete."""
_NOT_STORED = ("patch_desired", "read_twin", "publish", "note")
"""Calls of the hub, of Event Grid, or of what a process remembers."""


class Meter(Faults):
    """Counts what calls of the ports cost in storage requests, by who makes them; and may die."""

    def __init__(self) -> None:
        super().__init__()
        self.who = "reports"
        self.requests: Counter[tuple[str, str]] = Counter()
        self.by_bucket: Counter[int] = Counter()

    def around[T](self, port: T) -> T:
        inner = super().around(port)
        return _Metered(inner, port, self)  # type: ignore[return-value]

    def by_who(self) -> Counter[str]:
        """Requests by who made them."""
        found: Counter[str] = Counter()
        for (who, _), count in self.requests.items():
            found[who] += count
        return found


class _Metered:
    def __init__(self, inner: Any, port: Any, meter: Meter) -> None:
        self._inner, self._port, self._meter = inner, port, meter
        self._calls: dict[str, Any] = {}

    def __getattr__(self, name: str) -> Any:
        if name in self._calls:
            return self._calls[name]
        member = getattr(self._inner, name)
        if not iscoroutinefunction(getattr(self._port, name, None)):
            return member
        return self._calls.setdefault(name, self._counted(name, member))

    def _counted(self, name: str, member: Any) -> Any:
        @wraps(member)
        async def call(*args: Any, **options: Any) -> Any:
            cost = _cost(name, args)
            self._meter.requests[self._meter.who, name] += cost
            if len(args) > 1 and isinstance(args[1], int):
                self._meter.by_bucket[args[1]] += cost
            return await member(*args, **options)

        return call


def _cost(name: str, args: tuple[Any, ...]) -> int:
    if name in _NOT_STORED:
        return 0
    if name == "load":
        return len(args[2])
    if name == "commit":
        rows = sum(_rows(item) for item in args[2])
        return math.ceil((rows + _COUNTERS) / 100)
    return _MESSAGE_REQUESTS if name == "put" else 1


def _rows(write: DeviceWrite) -> int:
    others = (write.history, write.lists, write.left_group)
    return 1 + len(write.installations) + len(write.events) + sum(map(bool, others))


class MeteredFleet(Fleet):
    """Says who is at work, and takes the time that the hub takes."""

    def __init__(self) -> None:
        super().__init__(page_size=_PAGE)
        self.faults = self.meter = Meter()
        self.rebuild()

    def settings(self) -> Settings:
        """Sums are asked for once a second, as they are by default."""
        return replace(super().settings(), rollup_delay_seconds=1.0)

    async def report(self, device: Device, reported: Any) -> None:
        self.meter.who = "reports"
        await super().report(device, reported)

    async def sweep_once(self) -> None:
        self.meter.who = "sweep"
        await super().sweep_once()

    async def go_online(self, device: Device) -> None:
        self.meter.who = "reports"
        await super().go_online(device)

    async def _handle(self, message: Message) -> None:
        self.meter.who = message.queue
        await super()._handle(message)

    def _patched(self, device_id: str) -> None:
        self.clock.advance(1 / COMMANDS_PER_SECOND)
        super()._patched(device_id)
