"""Figures that many callers poll: those who ask at the same time share one read of storage.

What is shared are sums of a fleet, its device classes and its deployments, for reports: they lag
behind the devices anyway. What decides something is read anew, and so is what a caller has just
changed in this process.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol, cast

from shared.domain.fleet.deployment import Deployment
from shared.ports import KnownClass, KnownGroup, Rollup, Stored

_MOST = 1_000
"""Most reads that are remembered: an instance has few groups that anybody looks at."""

_ages: ContextVar[list[float] | None] = ContextVar("ages", default=None)


class FleetFigures(Protocol):
    """The part of the fleet's port that reports read."""

    async def rollups(self, instance: str, group: str | None = None) -> Mapping[str, Rollup]:
        """Roll-ups by group: of one, or of all that have one."""
        ...

    async def classes(self, instance: str) -> Sequence[KnownClass]:
        """Device classes of an instance."""
        ...


class GroupFigures(FleetFigures, Protocol):
    """What lists of groups read besides."""

    async def groups(self, instance: str) -> Sequence[KnownGroup]:
        """Groups of an instance."""
        ...


class DeploymentFigures(Protocol):
    """The part of the deployments' port that reports read."""

    async def of_group(self, instance: str, group: str) -> Sequence[Stored[Deployment]]:
        """Every deployment of a group."""
        ...

    async def of_instance(self, instance: str) -> Sequence[Stored[Deployment]]:
        """Every deployment of an instance."""
        ...


@contextmanager
def watched_ages() -> Iterator[list[float]]:
    """Collect how old, in seconds, the shared reads were that the block has used."""
    ages: list[float] = []
    token = _ages.set(ages)
    try:
        yield ages
    finally:
        _ages.reset(token)


@dataclass(slots=True)
class _Flight:
    """One read: on its way, or at most so old that it still counts."""

    task: asyncio.Task[Any]
    started: float


class SharedReads:
    """What reports read, from storage at most once in `seconds` for each thing that is asked for.

    With 0 only those share a read who ask while it is under way. A read that fails is not kept: who
    waited for it sees its error, the next caller tries anew. A caller who gives up does not end the
    read for the others.
    """

    def __init__(self, fleet: GroupFigures, deployments: DeploymentFigures, seconds: float) -> None:
        self._fleet = fleet
        self._deployments = deployments
        self._seconds = seconds
        self._flights: dict[Hashable, _Flight] = {}

    async def rollups(self, instance: str, group: str | None = None) -> Mapping[str, Rollup]:
        """See `FleetFigures`."""
        return await self._shared(
            ("rollups", instance, group), lambda: self._fleet.rollups(instance, group)
        )

    async def classes(self, instance: str) -> Sequence[KnownClass]:
        """See `FleetFigures`."""
        return await self._shared(("classes", instance), lambda: self._fleet.classes(instance))

    async def groups(self, instance: str) -> Sequence[KnownGroup]:
        """See `GroupFigures`."""
        return await self._shared(("groups", instance), lambda: self._fleet.groups(instance))

    async def of_group(self, instance: str, group: str) -> Sequence[Stored[Deployment]]:
        """See `DeploymentFigures`."""
        return await self._shared(
            ("of_group", instance, group), lambda: self._deployments.of_group(instance, group)
        )

    async def of_instance(self, instance: str) -> Sequence[Stored[Deployment]]:
        """See `DeploymentFigures`."""
        return await self._shared(
            ("of_instance", instance), lambda: self._deployments.of_instance(instance)
        )

    def forget(self) -> None:
        """Read anew from now on: somebody has changed something in this process."""
        self._flights.clear()

    async def _shared[T](self, key: Hashable, read: Callable[[], Awaitable[T]]) -> T:
        flight = self._flights.get(key)
        if flight is None or not self._counts(flight):
            if len(self._flights) >= _MOST:
                self._flights.clear()
            flight = _Flight(asyncio.ensure_future(_running(read)), time.monotonic())
            self._flights[key] = flight
        result = await asyncio.shield(flight.task)
        ages = _ages.get()
        if ages is not None:
            ages.append(time.monotonic() - flight.started)
        return cast("T", result)

    def _counts(self, flight: _Flight) -> bool:
        task = flight.task
        if not task.done():
            return task.get_loop() is asyncio.get_running_loop()
        if task.cancelled() or task.exception() is not None:
            return False
        return time.monotonic() - flight.started < self._seconds


async def _running[T](read: Callable[[], Awaitable[T]]) -> T:
    return await read()
