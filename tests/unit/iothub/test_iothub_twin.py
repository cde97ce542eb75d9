from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.cloud.iothub import limits
from local.cloud.iothub.errors import HubError
from local.cloud.iothub.twin import (
    Section,
    Twin,
    merge_section,
    new_twin,
    patch_twin,
    replace_twin,
    report,
)

NOW, LATER = "2026-01-01T00:00:00.000Z", "2026-01-02T00:00:00.000Z"

keys = st.text("abcdef", min_size=1, max_size=2)
leaves = st.booleans() | st.integers(-1000, 1000) | st.text("xyz", max_size=3)
values = st.recursive(leaves, lambda inner: st.dictionaries(keys, inner, max_size=3), max_leaves=8)
documents = st.dictionaries(keys, values, max_size=4)
patches = st.dictionaries(
    keys,
    st.recursive(
        leaves | st.none(), lambda inner: st.dictionaries(keys, inner, max_size=3), max_leaves=8
    ),
    max_size=4,
)


def desired(properties: dict[str, Any]) -> dict[str, Any]:
    return {"properties": {"desired": properties}}


def without_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: without_nulls(child) for key, child in value.items() if child is not None}


def section_of(properties: dict[str, Any]) -> Section:
    return merge_section(Section({}, {}, 0), properties, "desired", NOW)[0]


@given(documents, patches)
def test_patch_applied_twice_changes_nothing_more(
    document: dict[str, Any], patch: dict[str, Any]
) -> None:
    once, _ = merge_section(section_of(document), patch, "desired", NOW)
    twice, _ = merge_section(once, patch, "desired", NOW)

    assert twice.properties == once.properties
    assert twice.version == once.version + 1


@given(patches)
def test_patch_of_nothing_gives_the_patch_without_nulls(patch: dict[str, Any]) -> None:
    merged, _ = merge_section(Section({}, {}, 0), patch, "reported", NOW)

    assert merged.properties == without_nulls(patch)


@given(documents)
def test_nulls_for_all_keys_leave_nothing(document: dict[str, Any]) -> None:
    emptied, _ = merge_section(section_of(document), dict.fromkeys(document), "desired", LATER)

    assert emptied.properties == {}
    assert emptied.metadata == {"$lastUpdated": LATER, "$lastUpdatedVersion": 2}


@given(documents, patches)
def test_keys_the_patch_does_not_name_stay_as_they_were(
    document: dict[str, Any], patch: dict[str, Any]
) -> None:
    before = section_of(document)
    after, _ = merge_section(before, patch, "desired", LATER)

    for key in set(document) - set(patch):
        assert after.properties[key] == before.properties[key]
        assert after.metadata[key] == before.metadata[key]


@given(documents, patches)
def test_metadata_has_the_shape_of_the_properties(
    document: dict[str, Any], patch: dict[str, Any]
) -> None:
    def same_shape(properties: Any, metadata: dict[str, Any]) -> bool:
        stamped = {"$lastUpdated", "$lastUpdatedVersion"}
        children = properties if isinstance(properties, dict) else {}
        return set(metadata) == set(children) | stamped and all(
            same_shape(child, metadata[key]) for key, child in children.items()
        )

    section, _ = merge_section(section_of(document), patch, "desired", LATER)

    assert same_shape(section.properties, section.metadata)


@given(documents, documents)
def test_replacing_forgets_everything_but_what_was_reported(
    old: dict[str, Any], new: dict[str, Any]
) -> None:
    reported = report(new_twin(NOW), {"kept": 1}, NOW).twin
    twin = patch_twin(reported, {"tags": old, **desired(old)}, NOW).twin

    replaced = replace_twin(twin, {"tags": new, **desired(new)}, LATER).twin

    assert replaced.tags == new
    assert replaced.desired.properties == new
    assert replaced.reported == twin.reported
    assert replaced.desired.version == twin.desired.version + 1


def test_versions_and_etag_count_what_they_stand_for() -> None:
    twin = new_twin(NOW)

    tagged = patch_twin(twin, {"tags": {"a": 1}}, NOW).twin
    reported = report(tagged, {"a": 1}, NOW).twin

    assert (twin.version, twin.desired.version, twin.reported.version) == (2, 1, 1)
    assert (tagged.version, tagged.desired.version, tagged.reported.version) == (3, 1, 1)
    assert (reported.version, reported.desired.version, reported.reported.version) == (4, 1, 2)
    assert twin.etag == "AAAAAAAAAAE="
    assert tagged.etag == reported.etag == "AAAAAAAAAAI="


def test_change_event_holds_only_what_changed() -> None:
    twin = patch_twin(new_twin(NOW), desired({"a": {"x": 1}, "b": 1}), NOW).twin

    change = patch_twin(twin, desired({"a": {"y": 2}}), LATER)

    stamp = {"$lastUpdated": LATER, "$lastUpdatedVersion": 3}
    assert change.event == {
        "version": 4,
        "properties": {
            "desired": {
                "a": {"y": 2},
                "$metadata": {**stamp, "a": {**stamp, "y": stamp}},
                "$version": 3,
            }
        },
    }
    assert change.desired_patch == {"a": {"y": 2}, "$version": 3}
    assert patch_twin(twin, {"tags": {}}, LATER).desired_patch is None


def test_own_metadata_sent_back_is_passed_over() -> None:
    twin = patch_twin(new_twin(NOW), desired({"a": 1}), NOW).twin

    change = patch_twin(twin, desired(twin.desired.view() | {"a": 2}), LATER)

    assert change.twin.desired.properties == {"a": 2}
    assert change.desired_patch == {"a": 2, "$version": 3}


def nested(depth: int) -> dict[str, Any]:
    return {"k": 1} if depth == 1 else {"k": nested(depth - 1)}


@pytest.mark.parametrize(
    "properties",
    [
        {"k" * limits.KEY_SIZE: 1},
        {"k": "v" * limits.STRING_SIZE},
        {"k": limits.INTEGER_MAX, "l": limits.INTEGER_MIN},
        {"k": 1.5e300},
        nested(limits.DEPTH),
        {f"k{n}": "v" * 4090 for n in range(8)},
        {"a-b_c/d:e": [1, {"x": []}]},
    ],
)
def test_section_at_its_limits_is_accepted(properties: dict[str, Any]) -> None:
    assert patch_twin(new_twin(NOW), desired(properties), NOW).twin.desired.properties == properties


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        ({"k" * (limits.KEY_SIZE + 1): 1}, "longer than 1024"),
        ({"é" * 513: 1}, "longer than 1024"),
        ({"k": "v" * (limits.STRING_SIZE + 1)}, "properties.desired.k"),
        ({"a": [{"k": "v" * (limits.STRING_SIZE + 1)}]}, "properties.desired.a[0].k"),
        ({"k": limits.INTEGER_MAX + 1}, "properties.desired.k"),
        ({"k": limits.INTEGER_MIN - 1}, "properties.desired.k"),
        (nested(limits.DEPTH + 1), "deeper than 10"),
        ({f"k{n}": "v" * 4096 for n in range(8)}, "32768"),
        ({"a.b": 1}, "a.b"),
        ({"a b": 1}, "a b"),
        ({"$a": 1}, "$a"),
        ({"a\x85": 1}, "control"),
        ({"": 1}, "empty"),
    ],
)
def test_section_beyond_a_limit_is_refused(properties: dict[str, Any], named: str) -> None:
    for change in (
        lambda: patch_twin(new_twin(NOW), desired(properties), NOW),
        lambda: replace_twin(new_twin(NOW), desired(properties), NOW),
    ):
        with pytest.raises(HubError) as caught:
            change()
        assert caught.value.status == 400
        assert named in caught.value.message
    with pytest.raises(HubError):
        report(new_twin(NOW), properties, NOW)


def test_size_counts_what_is_there_already() -> None:
    twin: Twin = new_twin(NOW)
    for n in range(7):
        twin = report(twin, {f"k{n}": "v" * 4096}, NOW).twin

    with pytest.raises(HubError, match="reported would be"):
        report(twin, {"last": "v" * 4096}, NOW)

    assert report(twin, {"k0": None, "last": "v" * 4096}, NOW).twin.reported.version == 9
