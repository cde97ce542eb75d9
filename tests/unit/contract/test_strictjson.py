from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.strictjson import (
    MAXIMUM_DEPTH,
    NotStrictJson,
    dumps_compact,
    loads_object,
    loads_strict,
)

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


def test_half_a_surrogate_pair_in_the_text_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogate"):
        loads_object('{"a": "\ud800"}')


def test_key_comes_once_in_an_object() -> None:
    with pytest.raises(NotStrictJson, match="the key 'a' twice"):
        loads_strict('[{"b": {"a": 1, "a": 1}}]')
    assert loads_strict('[{"a": 1}, {"a": 2}]') == [{"a": 1}, {"a": 2}]


def test_document_may_be_as_large_as_its_bound() -> None:
    assert loads_strict(b"[1]", max_bytes=3) == [1]
    with pytest.raises(NotStrictJson, match="larger than 2 bytes"):
        loads_strict(b"[1]", max_bytes=2)


def test_compact_text_has_no_blanks_and_no_escapes() -> None:
    assert dumps_compact({"b": [1, "ä"], "a": {}}) == '{"b":[1,"ä"],"a":{}}'


def test_many_values_side_by_side_are_not_deep() -> None:
    many = "[" + "[[]]," * 100 + "[[]]]"

    assert len(loads_strict(many)) == 101
    deepest = "[" * MAXIMUM_DEPTH + "]" * MAXIMUM_DEPTH
    assert loads_strict(f'{{"a": "[", "b": {deepest[1:-1]}}}')


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
