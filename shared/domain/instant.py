"""Instants as text: ISO 8601 in UTC with microseconds, so that their order is that of the text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from shared.domain.errors import InvalidInput


def instant(text: str, target: str | None = None) -> str:
    """Any ISO 8601 date and time in the one form; without an offset it is UTC.

    Raises:
        InvalidInput: It is no date and time.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.astimezone(UTC).isoformat(timespec="microseconds")
    except (ValueError, OverflowError) as error:
        raise InvalidInput(
            f"'{(target or 'value').removeprefix('/')}' must be an ISO 8601 date and time.",
            target=target,
        ) from error


def with_offset(text: str) -> str:
    """An ISO 8601 date and time as it is, but never without an offset: it is UTC then."""
    return text if datetime.fromisoformat(text).tzinfo is not None else f"{text}Z"


def seconds_between(start: str, end: str) -> float:
    """How long it is from one instant to another."""
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def later(at: str, span: timedelta) -> str:
    """An instant so much later than another; an unknown one, empty, is long over."""
    return at and (datetime.fromisoformat(at) + span).isoformat(timespec="microseconds")
