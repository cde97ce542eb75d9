from __future__ import annotations

from typing import Any, NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from shared.domain.fleet.registers import Registers, merge, section

MISSING = object()
keys = st.sampled_from("abc")
leaves = st.none() | st.integers(0, 3) | st.just("text") | st.lists(st.integers(0, 1), max_size=2)
patches = st.recursive(
    st.dictionaries(keys, leaves, max_size=3),
    lambda inner: st.dictionaries(keys, leaves | inner, max_size=3),
    max_leaves=6,
)


class Change(NamedTuple):
    version: int
    patch: dict[str, Any]
    replace: bool


@st.composite
def histories(draw: st.DrawFn) -> list[Change]:
    """Changes of one twin, in the order in which they happened."""
    made = draw(st.lists(st.tuples(patches, st.integers(0, 4)), min_size=1, max_size=6))
    gaps = draw(st.lists(st.integers(1, 3), min_size=len(made), max_size=len(made)))
    return [Change(sum(gaps[: at + 1]), patch, die == 0) for at, (patch, die) in enumerate(made)]


@st.composite
def deliveries(draw: st.DrawFn) -> tuple[list[Change], list[Change]]:
    """A history, and the same with repetitions in any order."""
    history = draw(histories())
    repeated = draw(st.lists(st.sampled_from(history), max_size=4))
    return history, draw(st.permutations(history + repeated))


def merged(changes: list[Change]) -> Registers:
    registers: Registers = {}
    for change in changes:
        registers = merge(registers, change.version, change.patch, replace=change.replace)
    return registers


def merge_patch(target: Any, patch: Any) -> Any:
    """RFC 7396, word for word."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge_patch(result.get(name), value)
    return result


def without_empty(value: Any) -> Any:
    """A document without empty objects, which say nothing of a twin."""
    if not isinstance(value, dict):
        return value
    inner = {name: without_empty(item) for name, item in value.items()}
    return {name: item for name, item in inner.items() if item != {}}


@given(deliveries())
@settings(max_examples=100, deadline=None)
def test_merge_ends_in_the_same_registers_for_any_order_and_repetition(
    delivery: tuple[list[Change], list[Change]],
) -> None:
    history, delivered = delivery

    assert merged(delivered) == merged(history)


@given(deliveries())
@settings(max_examples=100, deadline=None)
def test_section_is_what_merge_patches_in_version_order_make(
    delivery: tuple[list[Change], list[Change]],
) -> None:
    history, delivered = delivery
    model: Any = {}
    for change in history:
        model = merge_patch({} if change.replace else model, change.patch)

    assert without_empty(section(merged(delivered))) == without_empty(model)


def test_scalar_is_gone_when_a_later_change_makes_it_an_empty_object() -> None:
    changes = [Change(1, {"a": 5}, False), Change(2, {"a": {}}, False)]

    assert section(merged(changes)) == section(merged(changes[::-1])) == {}


def test_replaced_section_keeps_what_is_newer_when_it_comes_late() -> None:
    changes = [Change(3, {"b": 2}, False), Change(2, {"c": 1}, True), Change(1, {"a": 1}, False)]

    assert section(merged(changes)) == {"b": 2, "c": 1}


def test_patch_leaves_what_it_does_not_name() -> None:
    registers = merge(merge({}, 1, {"a": 1, "b": {"c": 2}}), 2, {"b": {"d": 3}})

    assert section(registers) == {"a": 1, "b": {"c": 2, "d": 3}}
    assert section(merge(registers, 3, {"b": None})) == {"a": 1}
