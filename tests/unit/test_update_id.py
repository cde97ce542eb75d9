from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import InvalidInput
from shared.domain.updates.update_id import MAX_VERSION_LENGTH, MAX_VERSION_PART, UpdateId

names = st.sampled_from(["a", "A", "b", "acme", "ac-me", "1.x"])
parts = st.integers(0, MAX_VERSION_PART) | st.integers(0, 3)
versions = st.lists(parts, min_size=2, max_size=4).map(lambda found: ".".join(map(str, found)))
ids = st.builds(UpdateId, names, names, versions)


def test_update_id_orders_versions_as_numbers() -> None:
    shuffled = ["10.0", "2.0", "2.0.0", "1.9.9.9", "2.0.1"]

    ordered = sorted(UpdateId("acme", "kiosk", version) for version in shuffled)

    assert [update.version for update in ordered] == ["1.9.9.9", "2.0", "2.0.0", "2.0.1", "10.0"]


def test_update_id_is_equal_when_only_leading_zeros_differ() -> None:
    assert UpdateId("acme", "kiosk", "01.002.0") == UpdateId("acme", "kiosk", "1.2.0")
    assert len({UpdateId("acme", "kiosk", "01.2"), UpdateId("acme", "kiosk", "1.2")}) == 1


@pytest.mark.parametrize(
    ("provider", "name", "version", "targets"),
    [
        ("", "n", "1.0", ["/provider"]),
        ("a" * 65, "n", "1.0", ["/provider"]),
        ("a/b", "n", "1.0", ["/provider"]),
        ("a\n", "n", "1.0", ["/provider"]),
        ("ä", "n", "1.0", ["/provider"]),
        ("a", "..", "1.0", ["/name"]),
        ("a", "n", "1", ["/version"]),
        ("a", "n", "1.2.3.4.5", ["/version"]),
        ("a", "n", "1.0\n", ["/version"]),
        ("a", "n", "1.-2", ["/version"]),
        ("a", "n", "1.٣", ["/version"]),
        ("a", "n", f"1.{MAX_VERSION_PART + 1}", ["/version"]),
        ("a", "n", "0" * 5000 + ".1", ["/version"]),
        ("", "", "", ["/provider", "/name", "/version"]),
    ],
)
def test_update_id_names_every_bad_part_when_refused(
    provider: str, name: str, version: str, targets: list[str]
) -> None:
    with pytest.raises(InvalidInput) as refused:
        UpdateId(provider, name, version)

    assert [detail.target for detail in refused.value.details] == targets


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "a/b/1.0",
        {},
        {"provider": "a", "name": "b"},
        {"provider": 1, "name": [], "version": 2},
    ],
)
def test_update_id_parse_refuses_what_is_no_id(value: object) -> None:
    with pytest.raises(InvalidInput):
        UpdateId.parse(value)


def test_update_id_parse_refuses_unknown_fields() -> None:
    with pytest.raises(InvalidInput, match="unknown field 'channel'"):
        UpdateId.parse({"provider": "a", "name": "b", "version": "1.0", "channel": "beta"})


@given(ids)
def test_update_id_round_trips_over_the_wire(update: UpdateId) -> None:
    assert UpdateId.parse(update.to_wire()) == update


@given(names, st.lists(parts, min_size=2, max_size=4), st.data())
def test_update_id_canonical_spelling_forgets_zeros(
    name: str, numbers: list[int], data: st.DataObject
) -> None:
    padded = ".".join("0" * data.draw(st.integers(0, 3)) + str(number) for number in numbers)

    assert UpdateId(name, name, padded).version == ".".join(map(str, numbers))


@given(ids, ids)
def test_update_id_order_is_total_and_agrees_with_equality(one: UpdateId, two: UpdateId) -> None:
    assert [one < two, one == two, one > two].count(True) == 1
    assert (one <= two) == (one < two or one == two)
    assert hash(one) == hash(two) or one != two


@given(ids, ids, ids)
def test_update_id_order_is_transitive(one: UpdateId, two: UpdateId, three: UpdateId) -> None:
    if one <= two <= three:
        assert one <= three


@given(versions, versions)
def test_update_id_order_agrees_with_the_numbers(one: str, two: str) -> None:
    first, second = UpdateId("a", "b", one), UpdateId("a", "b", two)

    assert (first < second) == (first.version_key < second.version_key)


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("X", "1.0"),
        (".X.", "1.0"),
        ("n" * 64, f"1.{MAX_VERSION_PART}"),
        ("n", "0" * (MAX_VERSION_LENGTH - 3) + "1.2"),
    ],
)
def test_update_id_is_taken_at_its_limits(name: str, version: str) -> None:
    assert UpdateId("acme", name, version).name == name


def test_refusal_of_an_update_id_says_what_is_wrong_with_each_part() -> None:
    with pytest.raises(InvalidInput) as refused:
        UpdateId("acme/corp", "..", "1")

    reasons = [violation.message for violation in refused.value.details]
    assert reasons == [
        "/provider: must be 1 to 64 letters, digits, dots or hyphens",
        "/name: must not consist of dots alone, for no URL could name it",
        "/version: must be 2 to 4 numbers joined by dots",
    ]
    assert refused.value.message == f"The update id is not valid: {'; '.join(reasons)}."
