"""Failures and crashes around any port."""

from __future__ import annotations

from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Awaitable,
    Callable,
)
from functools import wraps
from inspect import isasyncgenfunction, iscoroutinefunction
from typing import Any


class Crash(Exception):
    """The process died at a port call."""


class Faults:
    """Counts the calls of the ports that it wraps, and dies at one of them, once.

    What a port did before the crash stays done; the call at which it comes does nothing.
    """

    def __init__(self) -> None:
        self.calls = 0
        self._at: int | None = None

    def crash_at(self, call: int | None) -> None:
        """Die at the call of this number, counted from now on; None ends it."""
        self.calls, self._at = 0, call

    def step(self) -> None:
        self.calls += 1
        if self.calls == self._at:
            raise Crash(f"at call {self.calls}")

    def around[T](self, port: T) -> T:
        """The port, each call of which may be the last."""
        return _Wrapped(port, self)  # type: ignore[return-value]


class _Wrapped:
    def __init__(self, port: Any, faults: Faults) -> None:
        self._port, self._faults = port, faults
        self._made: dict[str, tuple[Any, Any]] = {}

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._port, name)
        if not callable(member):
            return member
        known = self._made.get(name)
        if known is None or known[0] != member:  # a test may put another in its place
            known = self._made[name] = member, self._around(name, member)
        return known[1]

    def _around(self, name: str, member: Any) -> Any:
        if isasyncgenfunction(member):
            return self._stream(member)
        if iscoroutinefunction(member):
            return self._call(member)
        if name in ("open_write", "stream"):
            return lambda *args, **options: _Wrapped(member(*args, **options), self._faults)
        return member

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ("_port", "_faults", "_made"):
            super().__setattr__(name, value)
        else:
            setattr(self._port, name, value)

    async def __aiter__(self) -> AsyncGenerator[bytes]:
        self._faults.step()
        async for chunk in self._port:
            self._faults.step()
            yield chunk

    def _call(self, member: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @wraps(member)
        async def call(*args: Any, **options: Any) -> Any:
            self._faults.step()
            return await member(*args, **options)

        return call

    def _stream(
        self, member: Callable[..., AsyncIterator[bytes]]
    ) -> Callable[..., AsyncIterator[bytes]]:
        @wraps(member)
        async def stream(*args: Any, **options: Any) -> AsyncGenerator[bytes]:
            self._faults.step()
            async for chunk in member(*args, **options):
                self._faults.step()
                yield chunk

        return stream
