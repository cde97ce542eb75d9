"""How long a source may take, and the error that says a source could not be read."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.domain.errors import DependencyFailed

if TYPE_CHECKING:
    from aiohttp import ClientResponse

CHUNK_BYTES = 1 << 20

UNREACHABLE = (
    "SourceUnreachable",
    "The source cannot be reached, or this service may not fetch from it; its log says which.",
)
"""The same for names that lead nowhere, into a private network or to a filter: no caller is to find
out by asking what there is beside the service.
"""
BROKEN_OFF = ("SourceTruncated", "The source broke off before its end.")

log = logging.getLogger(__name__)


class FetchError(DependencyFailed):
    """A source could not be read.

    Codes: `SourceRefused`, `SourceUnreachable`, `SourceStatus`, `SourceRedirected`,
    `SourceEncoded`, `SourceLength`, `SourceTruncated`, `SourceChanged`, `SourceTooSlow`.
    `SourceChanged` asks for a new start from offset 0.
    """


def unreachable(host: str, cause: str) -> FetchError:
    """The error for a source that nothing can be had from; the log has its true cause."""
    log.warning("no source on host %s: %s", host, cause)
    return FetchError(UNREACHABLE[1], code=UNREACHABLE[0])


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """How long a source may take. Seconds and bytes a second; waiting for the reader is free."""

    connect_seconds: float = 10.0
    idle_seconds: float = 30.0
    base_seconds: float = 60.0
    bytes_per_second: int = 256 * 1024
    """The whole fetch may take `base_seconds` plus its size at this rate."""
    min_bytes_per_second: float = 64 * 1024
    rate_window_seconds: float = 60.0
    """Any window of this length slower than `min_bytes_per_second` ends the fetch."""

    def whole_seconds(self, size_bytes: int) -> float:
        """Return how long a fetch of this size may take."""
        return self.base_seconds + size_bytes / self.bytes_per_second


class Pace:
    """Counts the time spent waiting for a source and ends the fetch when it is too slow.

    `host` is the one that is asked now, for the log.
    """

    host = ""

    def __init__(self, limits: FetchLimits, size_bytes: int, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._whole = self._left = limits.whole_seconds(size_bytes)
        self._window_seconds = 0.0
        self._window_bytes = 0

    async def guard[T](
        self,
        waiting: Awaitable[T],
        most_seconds: float,
        failed: tuple[str, str] = UNREACHABLE,
        *,
        connects: bool = False,
    ) -> T:
        """Await something of the source for at most so long; translate its failures.

        While it only connects, too slow is not reached.
        """
        started = self._clock()
        try:
            return await asyncio.wait_for(waiting, max(0.0, min(most_seconds, self._left)))
        except _unconnected() as error:
            log.warning("no source on host %s: %s", self.host, cause_of(error))
            failure = FetchError(failed[1], code=failed[0])
        except TimeoutError:
            failure = (
                unreachable(self.host, "no address in time")
                if connects
                else (
                    _too_slow(f"nothing came for {most_seconds:g} s")
                    if most_seconds <= self._left
                    else _too_slow(f"it may take {self._whole:g} s in all")
                )
            )
        except _network_failures() as error:
            log.warning("source on host %s failed: %s", self.host, cause_of(error))
            failure = FetchError(failed[1], code=failed[0])
        finally:
            spent = self._clock() - started
            self._left -= spent
            self._window_seconds += spent
        # Raised out here so that no context holds the library's error: its text has the whole URL.
        raise failure

    async def read(self, response: ClientResponse) -> bytes:
        """Read what has come, waiting if nothing has; empty at the end."""
        waiting = response.content.read(CHUNK_BYTES)
        data = await self.guard(waiting, self._limits.idle_seconds, BROKEN_OFF)
        self._window_bytes += len(data)
        if self._window_seconds >= self._limits.rate_window_seconds:
            if self._window_bytes < self._limits.min_bytes_per_second * self._window_seconds:
                raise _too_slow(
                    f"the limit fetch_min_bytes_per_second is {self._limits.min_bytes_per_second:g}"
                )
            self._window_seconds, self._window_bytes = 0.0, 0
        return data


def cause_of(error: BaseException) -> str:
    """Why the network failed, without the library's own text: that has the whole URL."""
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None) or error
    reason = getattr(inner, "verify_message", None) or getattr(inner, "strerror", None)
    names = " of ".join(dict.fromkeys(type(each).__name__ for each in (inner, error)))
    return f"{names}: {reason}" if reason else names


def _unconnected() -> type[Exception]:
    from aiohttp import ConnectionTimeoutError

    return ConnectionTimeoutError


def _network_failures() -> tuple[type[Exception], ...]:
    from aiohttp import ClientError

    return (ClientError, OSError, UnicodeError)


def _too_slow(why: str) -> FetchError:
    return FetchError(f"The source is too slow; {why}.", code="SourceTooSlow")
