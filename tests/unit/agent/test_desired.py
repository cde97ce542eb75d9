from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from odu_agent.desired import DesiredSection, News, merge

_VALUES = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda values: st.dictionaries(st.sampled_from("abc"), values, max_size=3),
)
_OBJECTS = st.dictionaries(st.sampled_from("abc"), _VALUES, max_size=3)


def _section(version: Any, service: Any = None, *, is_whole: bool = False) -> dict[str, Any]:
    section: dict[str, Any] = {"$version": version}
    if service is not None:
        section["deviceUpdate"] = {"__t": "c", "service": service}
    if is_whole:
        section["$metadata"] = {}
    return section


def test_section_is_news_once_when_handed_over_twice() -> None:
    desired = DesiredSection()

    assert desired.receive(_section(4, {"a": 1}, is_whole=True)) == News.SERVICE
    assert desired.receive(_section(4, {"a": 1}, is_whole=True)) == News.NOTHING
    assert desired.receive(_section(4, {"a": 1})) == News.NOTHING
    assert desired.receive(_section(3, {"a": 2})) == News.NOTHING
    assert desired.service == {"a": 1}


def test_patch_is_merged_into_the_whole() -> None:
    desired = DesiredSection()
    desired.receive(_section(1, {"url": "u", "workflow": {"id": "w", "retry": "1"}}))

    news = desired.receive(_section(2, {"workflow": {"id": "v", "retry": None}}))

    assert news == News.SERVICE
    assert desired.service == {"url": "u", "workflow": {"id": "v"}}


def test_gap_is_told_and_the_whole_closes_it() -> None:
    desired = DesiredSection()
    desired.receive(_section(1, {"a": 1}))

    assert desired.receive(_section(3, {"b": 1})) == News.GAP
    assert desired.service == {"a": 1}
    assert desired.receive_whole(_section(3, {"a": 2})) == News.SERVICE


def test_whole_is_taken_when_its_version_went_back() -> None:
    desired = DesiredSection()
    desired.receive(_section(9, {"a": 1}))

    assert desired.receive(_section(2, {"a": 2}, is_whole=True)) == News.SERVICE
    assert desired.service == {"a": 2}


def test_whole_replaces_what_was_known_and_does_not_add_to_it() -> None:
    desired = DesiredSection()
    desired.receive(_section(1, {"a": 1}, is_whole=True))

    assert desired.receive(_section(2, {"b": 2}, is_whole=True)) == News.SERVICE
    assert desired.service == {"b": 2}
    assert desired.receive([]) == News.NOTHING


def test_first_patch_follows_the_version_that_a_new_twin_may_have() -> None:
    desired = DesiredSection()
    desired.receive(_section(0, {"a": 1}, is_whole=True))

    assert desired.receive(_section(1, {"b": 2})) == News.SERVICE
    assert desired.service == {"a": 1, "b": 2}


def test_removal_of_what_is_not_there_changes_nothing() -> None:
    assert merge({"a": 1}, {"b": None, "c": {"d": None}}) == {"a": 1, "c": {}}


def test_patch_of_another_component_is_no_news() -> None:
    desired = DesiredSection()
    desired.receive(_section(1, {"a": 1}))

    assert desired.receive({"$version": 2, "other": {"x": 1}}) == News.NOTHING
    assert desired.receive({"$version": 3, "deviceUpdate": {"service": None}}) == News.NOTHING
    assert desired.service is None


@pytest.mark.parametrize("version", [None, "4", True, 4.5])
def test_section_is_ignored_when_its_version_is_no_number(version: Any) -> None:
    desired = DesiredSection()

    assert desired.receive(_section(version, {"a": 1})) == News.NOTHING
    assert desired.receive([]) == News.NOTHING
    assert desired.receive({"$version": 1, "deviceUpdate": 7}) == News.NOTHING


@given(_OBJECTS, _OBJECTS)
def test_merge_is_idempotent_and_takes_over_every_member(
    value: dict[str, Any], patch: dict[str, Any]
) -> None:
    merged = merge(value, patch)

    assert merge(merged, patch) == merged
    assert merge(merged, dict.fromkeys(patch)) == {
        name: part for name, part in value.items() if name not in patch
    }
