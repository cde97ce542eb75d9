"""Sends the service's own log lines on, with the trace they belong to and what they are about."""

from __future__ import annotations

import logging
import traceback
from time import time_ns
from typing import TYPE_CHECKING, cast

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.context import get_current

from shared import signals
from shared.adapters.telemetry.redaction import redacted
from shared.signals import Facts, attributes
from shared.version import VERSION

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider

LOGGERS = ("functions", "shared")
"""The loggers whose lines are sent: those of our own code. Those of libraries the host has."""
_SEVERITIES = (
    (logging.CRITICAL, SeverityNumber.FATAL),
    (logging.ERROR, SeverityNumber.ERROR),
    (logging.WARNING, SeverityNumber.WARN),
    (logging.INFO, SeverityNumber.INFO),
)


class LogHandler(logging.Handler):
    """A handler that makes OpenTelemetry's log records of Python's."""

    def __init__(self, loggers: LoggerProvider) -> None:
        super().__init__(logging.INFO)
        self._logger = loggers.get_logger(signals.SCOPE, VERSION)

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        facts = cast("Facts", getattr(record, "facts", {}))  # see `shared.log_records`
        told = attributes(facts)
        told["logger"] = record.name
        if record.exc_info and record.exc_info[0] is not None:
            told["exception.type"] = record.exc_info[0].__name__
            trace = "".join(traceback.format_exception(*record.exc_info))
            told["exception.stacktrace"] = redacted(trace)
        number = next(
            (number for level, number in _SEVERITIES if record.levelno >= level),
            SeverityNumber.DEBUG,
        )
        self._logger.emit(
            LogRecord(
                timestamp=int(record.created * 1_000_000_000),
                observed_timestamp=time_ns(),
                context=get_current(),
                severity_text=record.levelname,
                severity_number=number,
                body=redacted(getattr(record, "plain", "") or record.getMessage()),
                attributes=told,
            )
        )


def send_logs(loggers: LoggerProvider) -> None:
    """Send the log lines of our own code."""
    handler = LogHandler(loggers)
    for name in LOGGERS:
        logging.getLogger(name).addHandler(handler)
