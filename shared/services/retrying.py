"""Retry of read-modify-write cycles that lost a race."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable

from shared.domain.errors import ConcurrentUpdate

ATTEMPTS = 6
_FIRST_WAIT_SECONDS = 0.02


async def until_uncontended[T](cycle: Callable[[], Awaitable[T]]) -> T:
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
