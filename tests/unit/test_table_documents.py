"""Documents of rows, whose size storage counts in UTF-16 units."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.table import MAX_DOCUMENT_UNITS, columns, document, document_of
from shared.adapters.table_updates import TableUpdates
from shared.domain.errors import InvalidInput, LimitExceeded
from tests.builders.deployments import an_update

LIMIT_UNITS = 32 * 1024


def units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


@given(st.text(alphabet="aé✓😀", max_size=60), st.integers(1, 3_000))
@settings(max_examples=60, deadline=None)
def test_document_is_cut_by_the_units_that_storage_counts(text: str, times: int) -> None:
    whole = text * times

    cut = columns(whole)

    assert document_of(cut) == whole
    assert all(units(piece) <= LIMIT_UNITS for piece in cut.values())


@pytest.mark.parametrize("sign", ["a", "é", "😀"])
def test_document_is_refused_when_it_is_longer_than_a_row(sign: str) -> None:
    fits = sign * ((MAX_DOCUMENT_UNITS - 2) // units(sign) - 15)

    assert document_of(columns(document(fits))) == f'"{fits}"'
    with pytest.raises(InvalidInput):
        document(sign * (MAX_DOCUMENT_UNITS // units(sign)))


class OneRow:
    """A table that takes a row."""

    async def insert(self, partition: str, row: str, properties: dict[str, object]) -> bool:
        return bool(partition and row and properties)


@pytest.mark.parametrize("sign", ["a", "é"])
async def test_longest_update_is_kept_and_a_longer_one_refused_with_the_limit(sign: str) -> None:
    updates = TableUpdates(OneRow())  # type: ignore[arg-type]
    room = MAX_DOCUMENT_UNITS - units(document(an_update(manifest="")))

    assert await updates.add("factory", an_update(manifest=sign * room))

    with pytest.raises(LimitExceeded, match="the limit row_characters of 450,000"):
        await updates.add("factory", an_update(manifest=sign * (room + 1)))
