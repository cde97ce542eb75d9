"""Keep what opens doors out of logs and reports."""

from __future__ import annotations

import logging
import re
from typing import Any

_QUERY = re.compile(r"(https?://[^\s?\"'<>]*)\?[^\s\"'<>]*", re.IGNORECASE)
_SECRET = re.compile(
    r"\b(sig|se|sp|skn|SharedAccessKey|SharedAccessSignature)(\s*=\s*|\s+)[^\s;&\"']+",
    re.IGNORECASE,
)


def one_line(text: str) -> str:
    """Write what could begin a line of its own, or change how a line is shown, as an escape."""
    return "".join(char if _is_harmless(char) else _escaped(char) for char in text)


def _is_harmless(char: str) -> bool:
    return char == " " or (char.isprintable() and not char.isspace())


def _escaped(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def redact(text: str) -> str:
    """Cut the query of every URL, and the values of keys and signatures."""
    return _SECRET.sub(r"\1=[redacted]", _QUERY.sub(r"\1?[redacted]", text))


class RedactingFormatter(logging.Formatter):
    """A formatter whose lines went through `redact`, tracebacks included.

    A record is one line; the lines of a traceback are indented, so that nothing that others wrote
    can pass for a record of its own.
    """

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - of the base class
        """Format the line of a record."""
        return one_line(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:  # noqa: N802 - of the base class
        """Format a traceback."""
        lines = super().formatException(ei).splitlines()
        return "\n".join(f"  | {one_line(line)}" for line in lines)

    def format(self, record: logging.LogRecord) -> str:
        """Format a record without its secrets."""
        return redact(super().format(record))
