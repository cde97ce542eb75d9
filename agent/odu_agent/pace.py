"""How fast a download may go, and how slow it may be."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from .contract.codes import Erc
from .fetching import DownloadError

if TYPE_CHECKING:
    from .limits import DownloadLimits

_BURST_SECONDS = 0.25


class Bandwidth:
    """A rate that all downloads of a device share; None is no limit."""

    def __init__(self, bytes_per_second: float | None) -> None:
        self._rate = bytes_per_second
        self._lock = threading.Lock()
        self._free_at = time.monotonic()

    @property
    def is_limited(self) -> bool:
        """Whether there is a limit at all."""
        return self._rate is not None

    def chunk_bytes(self, usual: int) -> int:
        """How much to read at once: little where the rate is low, so that it flows evenly."""
        if self._rate is None:
            return usual
        return max(1024, min(usual, int(self._rate * _BURST_SECONDS)))

    def take(self, count: int, stop: threading.Event) -> None:
        """Wait until some bytes that were read are paid for, or `stop` is set."""
        if self._rate is None:
            return
        with self._lock:
            now = time.monotonic()
            self._free_at = max(self._free_at, now - _BURST_SECONDS) + count / self._rate
            wait = self._free_at - now
        if wait > 0:
            stop.wait(wait)


class RateWindow:
    """Leaves a server that stays below the minimum rate, and any at the deadline."""

    def __init__(self, limits: DownloadLimits, deadline: float) -> None:
        self._limits = limits
        self._deadline = deadline
        self._start, self._bytes = time.monotonic(), 0

    def count(self, received: int) -> None:
        """Take note of some bytes.

        Raises:
            DownloadError: It takes too long.
        """
        self._bytes += received
        now = time.monotonic()
        if now > self._deadline:
            raise DownloadError(Erc.DOWNLOAD_TOO_SLOW, "the download takes too long")
        elapsed = now - self._start
        if elapsed >= self._limits.rate_window_seconds:
            if self._bytes < elapsed * self._limits.minimum_bytes_per_second:
                raise DownloadError(Erc.DOWNLOAD_TOO_SLOW, "the server is too slow")
            self._start, self._bytes = now, 0
