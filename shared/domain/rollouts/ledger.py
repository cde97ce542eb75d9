"""What passes over a bucket have written down about the roll-outs of a group: one row a bucket.

Asks and members are booked in the transaction that claims their devices, so they never exceed what
was allowed. `phase` is the last phase for which a pass went through the whole bucket, `due` how
many devices it then left for want of room, `held` how many because their window was closed, and
`next_at` when the first of those windows opens. `closes_at` is when the first window closes in
which a device was asked that has not begun.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime

LEDGER = "-"
"""Stands for the class in the key of a ledger: it sorts before every class, so that a ledger is
read before the counters."""
_ASKS, _MEMBERS, _PHASE, _DUE, _HELD, _NEXT = "asks", "members", "phase", "due", "held", "next"
_CLOSE = "close"


@dataclass(frozen=True, slots=True)
class Ledger:
    """One roll-out in one bucket. `phase` is -1 before the first pass; `next_at` and `closes_at`
    are in seconds since 1970, 0 where nothing opens or it is not known that something closes.
    """

    asks: int = 0
    members: int = 0
    phase: int = -1
    due: int = 0
    held: int = 0
    next_at: int = 0
    closes_at: int = 0

    def covers(self, phase: int) -> bool:
        """Whether nobody of the phase is left to be asked in the bucket."""
        return self.phase >= phase and not self.due and not self.held


@dataclass(frozen=True, slots=True)
class Booking:
    """One ask, written down in the ledger of its bucket with the row of the device.

    `most_asks` and `most_members` are how many the roll-out may have asked in this bucket at all;
    `is_member` says that the open phase by count takes the device in.
    """

    group_id: str
    workflow_id: str
    is_member: bool
    most_asks: int
    most_members: int


def with_booking(
    booking: Booking | None, changes: Mapping[tuple[str, str], Mapping[str, int]]
) -> Mapping[tuple[str, str], Mapping[str, int]]:
    """The changes of counters, with what an ask adds to the ledger beside them."""
    if booking is None:
        return changes
    added = {f"{_ASKS}:{booking.workflow_id}": 1}
    if booking.is_member:
        added[f"{_MEMBERS}:{booking.workflow_id}"] = 1
    return {**changes, (booking.group_id, LEDGER): added}


def has_room(
    bookings: Iterable[Booking | None], counters: Mapping[tuple[str, str], Mapping[str, int]]
) -> bool:
    """Whether every booking stays within what its roll-out may ask, after the change."""
    for booking in {item for item in bookings if item is not None}:
        asks, members = asks_of(counters[booking.group_id, LEDGER], booking.workflow_id)
        if asks > booking.most_asks or members > booking.most_members:
            return False
    return True


def asks_of(cells: Mapping[str, int], workflow_id: str) -> tuple[int, int]:
    """Devices of a roll-out that a ledger has booked: all, and members of phases by count."""
    return cells.get(f"{_ASKS}:{workflow_id}", 0), cells.get(f"{_MEMBERS}:{workflow_id}", 0)


def ledger_of(cells: Mapping[str, int], workflow_id: str) -> Ledger:
    """One roll-out's entries in a ledger."""
    asks, members = asks_of(cells, workflow_id)
    return Ledger(
        asks=asks,
        members=members,
        phase=cells.get(f"{_PHASE}:{workflow_id}", 0) - 1,
        due=cells.get(f"{_DUE}:{workflow_id}", 0),
        held=cells.get(f"{_HELD}:{workflow_id}", 0),
        next_at=cells.get(f"{_NEXT}:{workflow_id}", 0),
        closes_at=cells.get(f"{_CLOSE}:{workflow_id}", 0),
    )


def passed(
    cells: Mapping[str, int], workflow_id: str, phase: int, *, due: int, held: int, next_at: str
) -> dict[str, int]:
    """The ledger after a pass for a phase; passes of phases before change nothing.

    Args:
        cells: The ledger.
        workflow_id: The roll-out's.
        phase: The phase that was open when the pass began.
        due: How many devices it left for want of room.
        held: How many because their windows are closed.
        next_at: When the first of those opens, ISO 8601; empty if none does.
    """
    known = ledger_of(cells, workflow_id)
    if known.phase > phase:
        return dict(cells)
    opens = _seconds(next_at)
    if held and not opens:
        opens = known.next_at
    entries = {_PHASE: phase + 1, _DUE: due, _HELD: held, _NEXT: opens}
    found = {**cells, **{f"{name}:{workflow_id}": value for name, value in entries.items()}}
    return {cell: value for cell, value in found.items() if value}


def postponed(
    cells: Mapping[str, int], workflow_id: str, *, due: int, held: int, next_at: str
) -> dict[str, int]:
    """The ledger after single devices were left; see `passed`."""
    known = ledger_of(cells, workflow_id)
    opens = _seconds(next_at)
    if known.next_at:
        opens = min(opens or known.next_at, known.next_at)
    entries = {_DUE: known.due + due, _HELD: known.held + held, _NEXT: opens}
    found = {**cells, **{f"{name}:{workflow_id}": value for name, value in entries.items()}}
    return {cell: value for cell, value in found.items() if value}


def closing(
    cells: Mapping[str, int], workflow_id: str, closes_at: str, *, of_all: bool
) -> dict[str, int]:
    """The ledger once it is known when the window of a device that was asked closes.

    Args:
        cells: The ledger.
        workflow_id: The roll-out's.
        closes_at: The first of the devices looked at, ISO 8601; empty if none was asked.
        of_all: Whether all devices of the bucket that it has asked were looked at.
    """
    known, closes = ledger_of(cells, workflow_id).closes_at, _seconds(closes_at)
    if known and not of_all:
        closes = min(closes or known, known)
    found = {**cells, f"{_CLOSE}:{workflow_id}": closes}
    return {cell: value for cell, value in found.items() if value}


def pruned(cells: Mapping[str, int], kept: Set[str]) -> dict[str, int]:
    """The ledger with the entries of these workflows alone."""
    return {cell: value for cell, value in cells.items() if cell.partition(":")[2] in kept}


def _seconds(at: str) -> int:
    return int(datetime.fromisoformat(at).timestamp()) if at else 0
