"""Retry of read-modify-write cycles that lost a race."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Hashable, Iterable

from shared.domain.errors import ConcurrentUpdate

ATTEMPTS = 6
_FIRST_WAIT_SECONDS = 0.02


class KeyedLocks:
    """One writer at a time at each place, as far as this process goes.

    Writers of one process would take each other's attempts away; those of others still may.
    """

    def __init__(self) -> None:
        self._locks: dict[Hashable, asyncio.Lock] = {}

    def lock(self, *place: Hashable) -> asyncio.Lock:
        """The lock of a place, to be held while it is read and written."""
        return self._locks.setdefault(place, asyncio.Lock())


async def retry_on_conflict[T](cycle: Callable[[], Awaitable[T]]) -> T:
    """Run the cycle again, from its read on, while another writer gets in between.

    Raises:
        ConcurrentUpdate: It lost every time; the trigger's own redelivery goes on from there.
    """
    for attempt in range(ATTEMPTS - 1):
        try:
            return await cycle()
        except ConcurrentUpdate:
            # jitter only spreads competing writers; nothing secret hangs on it
            jitter = random.uniform(0.5, 1.5)  # noqa: S311
            await asyncio.sleep(_FIRST_WAIT_SECONDS * 2**attempt * jitter)
    return await cycle()


def raise_first(results: Iterable[object]) -> None:
    """Raise the first failure among the results of a gather that returned its exceptions."""
    for result in results:
        if isinstance(result, BaseException):
            raise result
