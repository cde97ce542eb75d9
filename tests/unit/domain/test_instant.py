"""Instants as text, whose order is that of time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from shared.domain.errors import InvalidInput
from shared.domain.instant import instant, later, seconds_between, with_offset

NOON = "2026-01-31T12:00:00.000000+00:00"


@pytest.mark.parametrize(
    "text",
    [
        "2026-01-31T12:00:00Z",
        "2026-01-31T12:00:00",
        "2026-01-31 12:00",
        "2026-01-31T13:30:00+01:30",
        "2026-01-31T07:00:00.000-05:00",
    ],
)
def test_every_spelling_of_a_time_becomes_one(text: str) -> None:
    assert instant(text) == NOON


@pytest.mark.parametrize(
    "text", ["", "noon", "2026-02-30T00:00:00Z", "0001-01-01T00:00:00+14:00", "2026-13-01"]
)
def test_text_that_is_no_time_is_refused_with_what_it_is_of(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        instant(text, "/startDateTime")
    assert refused.value.target == "/startDateTime"
    assert refused.value.message.startswith("'startDateTime' must be")
    with pytest.raises(InvalidInput) as refused:
        instant(text)
    assert refused.value.target is None
    assert refused.value.message.startswith("'value' must be")


def test_time_without_an_offset_is_shown_as_utc_and_another_as_it_is() -> None:
    assert with_offset("2026-01-31T12:00:00") == "2026-01-31T12:00:00Z"
    assert with_offset("2026-01-31T12:00:00+01:00") == "2026-01-31T12:00:00+01:00"


def test_spans_are_counted_from_one_instant_to_another() -> None:
    after = later(NOON, timedelta(minutes=1, microseconds=5))

    assert after == "2026-01-31T12:01:00.000005+00:00"
    assert seconds_between(NOON, after) == 60.000005
    assert seconds_between(after, NOON) == -60.000005
    assert later("", timedelta(days=1)) == ""
