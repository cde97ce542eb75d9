"""Log lines of the host and of the functions, one line each on stderr.

A record made while a function runs carries the function's name and the invocation id, whichever
library or thread made it.
"""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable

from local.cloud.serving import redact


class _LineFormatter(logging.Formatter):
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self, current: Callable[[], tuple[str, str] | None]) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s%(origin)s: %(message)s")
        self.converter = time.gmtime
        self._current = current

    def format(self, record: logging.LogRecord) -> str:
        current = self._current()
        record.origin = f" [{current[0]} {current[1]}]" if current else ""
        return redact(super().format(record)).replace("\r", "").replace("\n", " | ")


def configure_logging(level: str, current: Callable[[], tuple[str, str] | None]) -> None:
    """Send all records to stderr; `current` tells which invocation the calling code runs under."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_LineFormatter(current))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # Their informational records are one or more lines for each storage call.
    logging.getLogger("azure").setLevel(logging.WARNING)
