"""Waiting for what other processes do, by looking again until a deadline."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PATIENCE_SECONDS = 300.0
"""Only a failure takes so long: a busy machine is no reason to give up."""
_LOOK_SECONDS = 0.1


async def eventually[T](
    look: Callable[[], Awaitable[T]],
    *,
    seconds: float = PATIENCE_SECONDS,
    interruptions: tuple[type[Exception], ...] = (),
) -> T:
    """Look until it raises no AssertionError; after the deadline that error counts.

    Args:
        look: Asserts what is awaited; its value is returned.
        seconds: How long to go on.
        interruptions: Further errors that may pass.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while True:
        try:
            return await look()
        except (AssertionError, *interruptions):
            if loop.time() >= deadline:
                raise
        await asyncio.sleep(_LOOK_SECONDS)
