"""Bounds of downloads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DownloadLimits:
    """Bounds of downloads.

    Attributes:
        timeout_seconds: For one whole file, all attempts together.
        idle_seconds: Without one byte; also the time-out of connecting.
        minimum_bytes_per_second: Averaged over `rate_window_seconds`.
        rate_window_seconds: How long a server may be slow.
        attempts: In a row without a byte gained.
        first_wait_seconds: Between attempts; doubles.
        parallel: Files at once.
        bytes_per_second: Of all files together; None is no limit.
    """

    timeout_seconds: float = 8 * 3600
    idle_seconds: float = 30
    minimum_bytes_per_second: float = 128
    rate_window_seconds: float = 60
    attempts: int = 10
    first_wait_seconds: float = 0.5
    parallel: int = 4
    bytes_per_second: float | None = None
