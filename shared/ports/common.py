"""What several ports use: stored values, pages, time, bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


@dataclass(frozen=True, slots=True)
class Stored[T]:
    """A value as read from storage, with the ETag that a guarded write needs."""

    value: T
    etag: str


@dataclass(frozen=True, slots=True)
class Page[T]:
    """One page of a listing; `token` continues it, None at the end."""

    items: Sequence[T]
    token: str | None = None


class Clock(Protocol):
    """Time and fresh identifiers."""

    def now(self) -> str:
        """The time, ISO 8601 in UTC with microseconds; comparable as text."""
        ...

    def fresh_id(self) -> str:
        """A new unguessable id, 32 hexadecimal digits."""
        ...


class ByteStream(Protocol):
    """Bytes in pieces; whoever stops before the end closes it."""

    def __aiter__(self) -> AsyncIterator[bytes]: ...

    async def aclose(self) -> None: ...
