from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.strictjson import MAXIMUM_DEPTH, dumps_compact, loads_object

_TEXTS = st.text(st.characters(exclude_categories=("Cs",)))


def _nested(depth: int, kind: str = "array") -> str:
    """An object with a value that makes it `depth` levels deep."""
    opening, closing = ("[", "]") if kind == "array" else ('{"a":', "}")
    inner = "1" if kind == "object" else ""
    return '{"a":' + opening * (depth - 1) + inner + closing * (depth - 1) + "}"


@given(st.dictionaries(_TEXTS, st.recursive(st.none() | _TEXTS | st.integers(), st.lists)))
def test_what_was_written_is_read_again(value: dict[str, object]) -> None:
    assert loads_object(dumps_compact(value)) == value


@pytest.mark.parametrize("number", ["1e400", "-1e400", "NaN", "Infinity", "-Infinity"])
def test_number_that_is_none_is_refused(number: str) -> None:
    with pytest.raises(ValueError, match=r"number|JSON"):
        loads_object(f'{{"a": [{number}]}}')


@pytest.mark.parametrize(
    "text", ['{"a": "\\ud800"}', '{"\\udfff": 1}', '{"a": ["\\ude00\\ud83d"]}']
)
def test_half_a_surrogate_pair_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="surrogate"):
        loads_object(text)


def test_surrogate_pair_is_one_character() -> None:
    assert loads_object('{"a": "\\ud83d\\ude00"}') == {"a": "\U0001f600"}


@pytest.mark.parametrize("kind", ["array", "object"])
def test_depth_is_bounded(kind: str) -> None:
    loads_object(_nested(MAXIMUM_DEPTH, kind))
    for depth in (MAXIMUM_DEPTH + 1, 10_000):
        with pytest.raises(ValueError, match="deeper"):
            loads_object(_nested(depth, kind))


def test_brackets_in_a_text_are_no_depth() -> None:
    text = "[" * 500

    assert loads_object(json.dumps({"a": text})) == {"a": text}


@pytest.mark.parametrize("text", ["\ufeff{}", b"\xef\xbb\xbf{}"])
def test_byte_order_mark_is_passed_over(text: str | bytes) -> None:
    assert loads_object(text) == {}
