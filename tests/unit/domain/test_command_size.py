"""Whether a twin can hold a command is told before anybody is asked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.cloud.iothub.twin import measure
from shared.contract.twin import deployment_command, desired_patch
from shared.domain.errors import LimitExceeded
from shared.domain.fleet.command_size import (
    MAX_DESIRED_BYTES,
    MAX_STRING_BYTES,
    RESERVED_BYTES,
    check_command,
    measured,
)
from tests.unit.domain.builders import V1

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**51), 2**51) | st.text(max_size=8),
    lambda inner: st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


def a_patch(**changes: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "workflow_id": "",
        "retry_timestamp": None,
        "manifest": "{}",
        "signature": "a.b.c",
        "file_urls": {"f1": "https://content.example/1"},
        "root_key_package_url": "https://odu.example/rootkeys.json",
    }
    return desired_patch(deployment_command(**{**given, **changes}))


def filled(size: int) -> dict[str, Any]:
    """A patch of exactly so many bytes, by one link of a length that no twin would take alone."""
    left = size - measured(a_patch(file_urls={"f": ""}))
    return a_patch(file_urls={"f": "x" * left})


@given(JSON)
def test_sizes_are_those_that_the_hub_counts(value: Any) -> None:
    assert measured(value) == measure(value)


def test_a_command_of_just_the_limit_passes_and_a_byte_more_is_refused() -> None:
    most = MAX_DESIRED_BYTES - RESERVED_BYTES - 64
    check_command(V1, filled(most), 1)

    with pytest.raises(LimitExceeded, match="the limit command_bytes is 30,720") as refused:
        check_command(V1, filled(most + 1), 1)
    assert refused.value.code == "CommandTooLarge"


@pytest.mark.parametrize(
    ("own", "target", "at_fault"),
    [(111, None, "/files"), (1, None, "/instructions/steps"), (1, "/update", "/update")],
)
def test_a_command_with_too_many_links_names_what_is_at_fault(
    own: int, target: str | None, at_fault: str
) -> None:
    links = {f"f{number:016d}": "x" * 400 for number in range(111)}

    with pytest.raises(LimitExceeded, match="111 links") as refused:
        check_command(V1, a_patch(file_urls=links), own, target)

    assert refused.value.target == at_fault


@pytest.mark.parametrize(
    ("member", "at_fault"), [("manifest", "/compatibility"), ("signature", None)]
)
def test_a_value_longer_than_the_hub_takes_is_refused_at_its_edge(
    member: str, at_fault: str | None
) -> None:
    check_command(V1, a_patch(**{member: "ä" * (MAX_STRING_BYTES // 2)}), 1)

    with pytest.raises(LimitExceeded, match="twin_string_bytes of IoT Hub is 4,096") as refused:
        check_command(V1, a_patch(**{member: "ä" * (MAX_STRING_BYTES // 2) + "x"}), 1)
    assert refused.value.target == at_fault
