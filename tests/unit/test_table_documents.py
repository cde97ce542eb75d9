"""Documents of rows, whose size storage counts in UTF-16 units."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.table import columns, document, document_of
from shared.domain.errors import InvalidInput

LIMIT_UNITS = 32 * 1024
MOST_UNITS = 15 * 30_000


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
    fits = sign * ((MOST_UNITS - 2) // units(sign) - 15)

    assert document_of(columns(document(fits))) == f'"{fits}"'
    with pytest.raises(InvalidInput):
        document(sign * (MOST_UNITS // units(sign)))
