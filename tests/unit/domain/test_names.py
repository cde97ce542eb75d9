"""What names a group, at its edges."""

from __future__ import annotations

import pytest

from shared.adapters.table import MAX_KEY, key
from shared.adapters.table_device_rows import listed_key
from shared.domain.fleet.deployment import MAX_DEPLOYMENT_ID, check_deployment_id
from shared.domain.fleet.device import view
from shared.domain.fleet.names import DEFAULT_GROUP, MAX_GROUP_ID, is_group_id, is_storable
from shared.domain.updates.update_id import UpdateId
from tests.unit.domain.builders import a_change, a_record, at_second, started


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


def test_names_of_odd_signs_fit_into_every_key_up_to_the_length_that_keys_have() -> None:
    most = "." * 128 + "m" * 86

    assert is_storable(most)
    for names in (("i", most, "0" * 9), ("h", "f" * 32, most), ("own", "f" * 32, most)):
        assert len(key(*names)) <= MAX_KEY
    assert not is_storable(most + "m")


def test_longest_name_of_an_update_fits_into_its_key() -> None:
    update = UpdateId("." * 63 + "p", "." * 63 + "n", ".".join(["2147483647"] * 4))

    assert len(key("i" * 36, update.provider, update.name)) <= MAX_KEY
    assert len(key(update.version)) <= MAX_KEY


@pytest.mark.parametrize("identity", ["x" * MAX_DEPLOYMENT_ID, "é" * 66, "." * MAX_DEPLOYMENT_ID])
def test_longest_id_of_a_deployment_fits_into_the_key_of_its_history(identity: str) -> None:
    check_deployment_id(identity)

    assert len(key(identity, "log", "f" * 32, at_second(1), "999")) <= MAX_KEY
