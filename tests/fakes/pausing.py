"""Ports that wait before each call, so that workers take turns in between, and may die there."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from functools import wraps
from typing import Any

from shared.domain.errors import ConcurrentUpdate
from tests.fakes.faults import Crash, Faults, _Wrapped


class PausingFaults(Faults):
    """Dies at a call, and waits before each for as many turns as told, over and over."""

    def __init__(self, pauses: Sequence[int]) -> None:
        super().__init__()
        self._pauses = itertools.cycle(pauses)
        self.crashes = self.conflicts = 0

    async def pause(self) -> None:
        for _ in range(next(self._pauses)):
            await asyncio.sleep(0)

    def step(self) -> None:
        try:
            super().step()
        except Crash:
            self.crashes += 1
            raise

    def around[T](self, port: T) -> T:
        return _Pausing(port, self)  # type: ignore[return-value]


class _Pausing(_Wrapped):
    def _call(self, member: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        faults, once = self._faults, super()._call(member)
        assert isinstance(faults, PausingFaults)

        @wraps(member)
        async def call(*args: Any, **options: Any) -> Any:
            await faults.pause()
            try:
                return await once(*args, **options)
            except ConcurrentUpdate:
                faults.conflicts += 1
                raise

        return call
