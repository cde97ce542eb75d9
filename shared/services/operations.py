"""What all long-running operations share: how they are named, and when they are given up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shared.domain.errors import DependencyFailed, DeviceUpdateError
from shared.domain.operation import Operation

MAX_ATTEMPTS = 5
"""As often as the Functions host delivers a message."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_MICROSECOND = 10**17


def operation_id(created_at: str, unique: str) -> str:
    """An operation's id: newest first in the order of text, and not to be guessed.

    As fine as the clock, so that lists never contradict the time of creation that they show.
    """
    microseconds = (datetime.fromisoformat(created_at) - _EPOCH) // timedelta(microseconds=1)
    return f"{_LAST_MICROSECOND - microseconds:017d}-{unique}"


def given_up(operation: Operation) -> DeviceUpdateError:
    """Why an operation ends that was tried for long enough."""
    last = operation.last_error
    reason = f" The last error: {last.message}" if last else ""
    return DependencyFailed(
        f"Stage '{operation.stage}' was begun {operation.tries} times and never ended.{reason}",
        code="GivenUp",
        retryable=False,
    )
