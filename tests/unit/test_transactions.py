"""Changes of devices go into as few transactions as storage takes, in their order."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.table import MAX_TRANSACTION
from shared.adapters.table_device_writes import Change, transactions

_CHARACTERS = 600_000
PLACES = [(group, class_id) for group in ("north", "south") for class_id in "abcdefghijkl"]


def a_change(others: int, places: list[Any], characters: int) -> Change:
    counters = {place: {"total": 1} for place in places}
    write: Any = None
    return Change(write, "x" * characters, [("upsert",)] * others, counters)


CHANGES = st.lists(
    st.builds(
        a_change,
        st.integers(0, 30),
        st.lists(st.sampled_from(PLACES), max_size=6, unique=True),
        st.sampled_from([1_000, 20_000, 400_000]),
    ),
    max_size=60,
)


def entities(piece: list[Change]) -> int:
    """Rows of a transaction: each row of counters once."""
    return sum(item.rows for item in piece) + len({row for item in piece for row in item.counters})


def fits(piece: list[Change]) -> bool:
    characters = sum(len(item.document) for item in piece)
    return entities(piece) <= MAX_TRANSACTION and characters <= _CHARACTERS


@given(CHANGES)
def test_every_transaction_fits_and_none_could_take_the_next_change(changes: list[Change]) -> None:
    pieces = list(transactions(changes))

    assert [item for piece in pieces for item in piece] == changes
    assert all(fits(piece) for piece in pieces)
    assert all(not fits([*piece, following[0]]) for piece, following in pairwise(pieces))
