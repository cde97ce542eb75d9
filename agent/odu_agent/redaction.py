"""Keep what opens doors out of logs and reports."""

from __future__ import annotations

import logging
import re

_QUERY = re.compile(r"(https?://[^\s?\"'<>]*)\?[^\s\"'<>]*", re.IGNORECASE)
_SECRET = re.compile(
    r"\b(sig|se|sp|skn|SharedAccessKey|SharedAccessSignature)(\s*=\s*|\s+)[^\s;&\"']+",
    re.IGNORECASE,
)


def redact(text: str) -> str:
    """Cut the query of every URL, and the values of keys and signatures."""
    return _SECRET.sub(r"\1=[redacted]", _QUERY.sub(r"\1?[redacted]", text))


class RedactingFormatter(logging.Formatter):
    """A formatter whose lines went through `redact`, tracebacks included."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record without its secrets."""
        return redact(super().format(record))
