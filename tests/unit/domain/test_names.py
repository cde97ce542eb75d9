"""What names a group, at its edges."""

from __future__ import annotations

import pytest

from shared.adapters.table import MAX_KEY, key
from shared.adapters.table_device_rows import listed_key
from shared.domain.fleet.device import view
from shared.domain.fleet.names import DEFAULT_GROUP, MAX_GROUP_ID, is_group_id, is_storable
from tests.unit.domain.builders import a_change, a_record, started


@pytest.mark.parametrize(
    "name",
    [
        "n" * MAX_GROUP_ID,
        "." * 133,
        "é" * 66,
        "😀" * 33,
        "north hall",
    ],
)
def test_name_of_a_group_fits_into_every_key(name: str) -> None:
    assert is_group_id(name)
    assert len(key("i" * 36, name, "members")) <= MAX_KEY
    assert len(key("c", name, "0" * 40)) <= MAX_KEY


@pytest.mark.parametrize(
    "name", ["", "n" * (MAX_GROUP_ID + 1), "." * 134, "é" * 67, "😀" * 34, "\udc00" * 150]
)
def test_device_whose_tag_is_too_long_for_a_group_is_in_none(name: str) -> None:
    seen = view(a_record(a_change(2, started(), group=name)))

    assert not is_group_id(name)
    assert seen.group_id == DEFAULT_GROUP


@pytest.mark.parametrize("name", [".", ".."])
def test_name_of_a_group_that_a_url_would_lose_is_none(name: str) -> None:
    assert not is_group_id(name)
    assert view(a_record(a_change(2, started(), group=name))).group_id == DEFAULT_GROUP


def test_longest_names_of_a_device_and_its_module_fit_with_the_longest_of_a_group() -> None:
    device = "d" * 128 + "/" + "m" * 128

    assert is_storable(device)
    assert len(listed_key("n" * MAX_GROUP_ID, device)) <= MAX_KEY


def test_names_of_odd_signs_fit_up_to_the_length_that_a_key_has() -> None:
    most = "." * 128 + "m" * 116

    assert is_storable(most)
    assert len(key("i", most, "0" * 9)) <= MAX_KEY
    assert not is_storable(most + "m")
