from __future__ import annotations

import pytest

from shared.contract.compatibility import in_new_names, unmet, value_of

OLD = {"deviceManufacturer": "fabrikam", "deviceModel": "kit"}
NEW = {"manufacturer": "fabrikam", "model": "kit"}


@pytest.mark.parametrize("wanted", [OLD, NEW, {"deviceModel": "kit"}])
@pytest.mark.parametrize("device", [OLD, NEW, {**NEW, "colour": "red"}, {**NEW, **OLD}])
def test_old_property_names_mean_the_new_ones(
    wanted: dict[str, str], device: dict[str, str]
) -> None:
    assert unmet(wanted, device) == []


def test_what_a_device_lacks_is_named_as_the_update_names_it() -> None:
    assert unmet({**OLD, "colour": "red"}, {"manufacturer": "fabrikam"}) == [
        "deviceModel",
        "colour",
    ]


def test_new_name_counts_where_a_device_has_both() -> None:
    both = {"deviceModel": "old", "model": "new", "deviceManufacturer": "fabrikam"}

    assert in_new_names(both) == {"model": "new", "manufacturer": "fabrikam"}
    assert value_of("deviceModel", both) == value_of("model", both) == "new"
    assert value_of("colour", both) is None
