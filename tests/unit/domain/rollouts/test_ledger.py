"""What a pass writes down about a bucket: names and rules of its one row."""

from __future__ import annotations

import pytest

from shared.domain.rollouts.ledger import (
    LEDGER,
    Booking,
    Ledger,
    asks_of,
    closing,
    has_room,
    ledger_of,
    passed,
    postponed,
    pruned,
    with_booking,
)

EARLY, LATE = "2027-01-01T00:00:00.000000+00:00", "2027-01-01T01:00:00.000000+00:00"
AT_EARLY, AT_LATE = 1798761600, 1798765200
PLACE = ("lobby", LEDGER)
FULL = {
    "asks:w": 7,
    "members:w": 3,
    "phase:w": 2,
    "due:w": 4,
    "held:w": 5,
    "next:w": AT_EARLY,
    "close:w": AT_LATE,
    "asks:other": 9,
}


def a_booking(*, is_member: bool = False, asks: int = 7, members: int = 3) -> Booking:
    return Booking("lobby", "w", is_member=is_member, most_asks=asks, most_members=members)


def test_cells_of_a_ledger_are_named_as_in_every_release() -> None:
    assert LEDGER < "0"
    assert ledger_of(FULL, "w") == Ledger(
        asks=7, members=3, phase=1, due=4, held=5, next_at=AT_EARLY, closes_at=AT_LATE
    )
    assert ledger_of(FULL, "other") == Ledger(asks=9)
    assert ledger_of({}, "w") == Ledger() == Ledger(phase=-1)
    assert asks_of(FULL, "w") == (7, 3)
    assert asks_of({}, "w") == (0, 0)


@pytest.mark.parametrize(
    ("ledger", "expected"),
    [
        (Ledger(phase=1), True),
        (Ledger(phase=2), True),
        (Ledger(phase=0), False),
        (Ledger(phase=1, due=1), False),
        (Ledger(phase=1, held=1), False),
        (Ledger(), False),
    ],
)
def test_phase_is_covered_where_a_pass_has_left_nobody(ledger: Ledger, expected: bool) -> None:
    assert ledger.covers(1) is expected


def test_booking_is_added_to_the_change_of_counters() -> None:
    change = {("lobby", "class"): {"total": 1}}

    assert with_booking(None, change) is change
    assert with_booking(a_booking(), change) == {**change, PLACE: {"asks:w": 1}}
    member = with_booking(a_booking(is_member=True), change)
    assert member == {**change, PLACE: {"asks:w": 1, "members:w": 1}}


@pytest.mark.parametrize(
    ("bookings", "expected"),
    [
        ([], True),
        ([None], True),
        ([a_booking()], True),
        ([a_booking(asks=6)], False),
        ([a_booking(members=2)], False),
        ([None, a_booking(), a_booking(asks=6)], False),
    ],
)
def test_room_is_what_the_roll_out_may_ask_after_the_change(
    bookings: list[Booking | None], expected: bool
) -> None:
    assert has_room(bookings, {PLACE: FULL}) is expected


def test_pass_writes_down_what_it_left() -> None:
    found = passed(FULL, "w", 3, due=0, held=2, next_at=LATE)

    assert ledger_of(found, "w") == Ledger(
        asks=7, members=3, phase=3, held=2, next_at=AT_LATE, closes_at=AT_LATE
    )
    assert "due:w" not in found
    assert asks_of(found, "other") == (9, 0)
    # the same phase again, and one before: only the latter changes nothing
    assert ledger_of(passed(FULL, "w", 1, due=0, held=0, next_at=""), "w").due == 0
    assert passed(FULL, "w", 0, due=0, held=0, next_at="") == FULL


def test_opening_stays_known_as_long_as_devices_wait_for_it() -> None:
    assert ledger_of(passed(FULL, "w", 1, due=0, held=2, next_at=""), "w").next_at == AT_EARLY
    assert ledger_of(passed(FULL, "w", 1, due=0, held=0, next_at=""), "w").next_at == 0
    assert ledger_of(passed(FULL, "w", 1, due=0, held=2, next_at=LATE), "w").next_at == AT_LATE


@pytest.mark.parametrize(
    ("known", "next_at", "expected"),
    [
        (AT_EARLY, LATE, AT_EARLY),
        (AT_LATE, EARLY, AT_EARLY),
        (AT_EARLY, "", AT_EARLY),
        (0, LATE, AT_LATE),
        (0, "", 0),
    ],
)
def test_device_that_is_left_adds_to_what_waits(known: int, next_at: str, expected: int) -> None:
    cells = {**FULL, "next:w": known}

    found = postponed(cells, "w", due=1, held=2, next_at=next_at)

    assert ledger_of(found, "w") == Ledger(
        asks=7, members=3, phase=1, due=5, held=7, next_at=expected, closes_at=AT_LATE
    )
    assert 0 not in found.values()


@pytest.mark.parametrize(
    ("known", "closes_at", "of_all", "expected"),
    [
        (AT_LATE, EARLY, False, AT_EARLY),
        (AT_EARLY, LATE, False, AT_EARLY),
        (AT_EARLY, LATE, True, AT_LATE),
        (AT_EARLY, "", False, AT_EARLY),
        (AT_EARLY, "", True, 0),
        (0, LATE, False, AT_LATE),
        (0, "", False, 0),
    ],
)
def test_first_closing_is_known_until_all_were_looked_at(
    known: int, closes_at: str, of_all: bool, expected: int
) -> None:
    found = closing({**FULL, "close:w": known}, "w", closes_at, of_all=of_all)

    assert ledger_of(found, "w").closes_at == expected
    assert 0 not in found.values()
    assert asks_of(found, "w") == (7, 3)


def test_ledger_keeps_only_roll_outs_that_there_are() -> None:
    assert pruned(FULL, {"other"}) == {"asks:other": 9}
    assert pruned(FULL, {"w", "other"}) == FULL
