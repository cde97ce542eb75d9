"""What the command line prints of values that others have chosen."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from odu_cli.output import json_text

TEXT = st.text() | st.text(st.characters(categories=["Cc", "Cf", "Zl", "Zp"]))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=8,
)


@given(VALUES, st.none() | st.just(2))
def test_json_is_read_as_it_was_and_holds_nothing_that_a_terminal_obeys(
    value: object, indent: int | None
) -> None:
    text = json_text(value, indent)

    assert json.loads(text) == value
    assert all(sign.isprintable() or sign == "\n" for sign in text)


def test_json_keeps_letters_of_every_language_readable() -> None:
    assert json_text({"name": "Tür ✓"}) == '{"name": "Tür ✓"}'
    assert json.loads(json_text("\ud800")) == "\ud800"
    assert json_text("a\u202eb\x1b[2J") == '"a\\u202eb\\u001b[2J"'
