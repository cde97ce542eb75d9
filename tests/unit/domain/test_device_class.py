from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.contract.twin import startup_report
from shared.domain.fleet.device_class import device_class_of, is_compatible, make_device_class

names = st.sampled_from(["manufacturer", "model", "color", "region"])
sets = st.dictionaries(names, st.sampled_from(["acme", "kiosk", "red"]), max_size=4)


def agent(properties: dict[str, Any], compatible: Any = None) -> dict[str, Any]:
    section: dict[str, Any] = {"deviceProperties": properties}
    return section if compatible is None else {**section, "compatPropertyNames": compatible}


def test_class_is_made_of_the_properties_that_the_agent_names() -> None:
    report = startup_report(
        "acme", "kiosk", additional={"region": "eu"}, compatibility_names=["region", "model"]
    )

    found = device_class_of(report["deviceUpdate"]["agent"])

    assert found is not None
    assert found.properties == {"model": "kiosk", "region": "eu"}
    assert found.contract_model_id == "dtmi:azure:iot:deviceUpdateContractModel;3"
    assert len(found.class_id) == 40


@given(st.permutations(["manufacturer", "model", "color"]))
@settings(deadline=None)
def test_class_is_the_same_for_any_order_of_names(order: list[str]) -> None:
    properties = {"manufacturer": "acme", "model": "kiosk", "color": "red"}
    shuffled = {name: properties[name] for name in order}

    found = device_class_of(agent(shuffled, " , ".join(order)))

    assert found == make_device_class("", properties)


@given(sets, sets, st.sampled_from(["", "m1"]), st.sampled_from(["", "m1"]))
@settings(deadline=None)
def test_class_ids_are_equal_only_for_equal_classes(
    one: dict[str, str], other: dict[str, str], model: str, other_model: str
) -> None:
    same = (one, model) == (other, other_model)

    left, right = make_device_class(model, one), make_device_class(other_model, other)

    assert (left.class_id == right.class_id) is same


@pytest.mark.parametrize(
    "section",
    [
        {},
        agent({}),
        {"deviceProperties": "text"},
        agent({"manufacturer": "acme"}),
        agent({"manufacturer": "acme", "model": ""}),
        agent({"manufacturer": "acme", "model": 5}),
        agent({"manufacturer": "acme", "model": "x" * 65}),
        agent({"manufacturer": "acme", "model": "kiosk"}, "manufacturer,missing"),
        agent({"manufacturer": "acme", "model": "kiosk"}, ["model"]),
        agent({"manufacturer": "acme", "model": "kiosk"}, " , "),
        agent({"n" * 33: "x"}, "n" * 33),
        agent({f"p{at}": "x" for at in range(6)}, ",".join(f"p{at}" for at in range(6))),
    ],
)
def test_device_has_no_class_when_no_import_manifest_could_match_it(
    section: dict[str, Any],
) -> None:
    assert device_class_of(section) is None


@given(st.lists(sets, max_size=3), sets)
@settings(deadline=None)
def test_update_fits_when_all_pairs_of_one_set_are_those_of_the_class(
    compatibility: list[dict[str, str]], properties: dict[str, str]
) -> None:
    expected = any(wanted and wanted.items() <= properties.items() for wanted in compatibility)

    assert is_compatible(compatibility, properties) is bool(expected)


@pytest.mark.parametrize(
    ("model", "properties", "class_id"),
    [
        (
            "",
            {"manufacturer": "contoso", "model": "toaster"},
            "4c8395be441c3421dcc115566836c9cfecbe9891",
        ),
        (
            "dtmi:azure:iot:deviceUpdateContractModel;3",
            {"model": "toaster", "manufacturer": "contoso"},
            "bd3d6d0a25e3d84a260be23ea1b67cb347c3af67",
        ),
        (
            "",
            {"manufacturer": "Müller", "model": "Öfen"},
            "a589605388d23e48e74d4bf2cf2f252d048ef9c3",
        ),
    ],
)
def test_class_ids_are_the_same_in_every_release(
    model: str, properties: dict[str, str], class_id: str
) -> None:
    assert make_device_class(model, properties).class_id == class_id


@pytest.mark.parametrize(
    "properties",
    [
        pytest.param({"model": "x"}, id="one property of one character"),
        pytest.param({f"p{at}": "x" for at in range(5)}, id="as many as there may be"),
        pytest.param({"n" * 32: "x"}, id="the longest name"),
        pytest.param({"model": "x" * 64}, id="the longest value"),
    ],
)
def test_class_may_be_as_small_and_as_large_as_an_import_manifest_can_name(
    properties: dict[str, str],
) -> None:
    found = device_class_of(agent(properties, ",".join(properties)))

    assert found is not None
    assert found.properties == properties
