"""The filter and order language: what it accepts, and that nothing else gets through."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.domain.errors import InvalidInput
from shared.domain.fleet.device import DeviceState
from shared.domain.fleet.queries import (
    Condition,
    DeviceFilter,
    DeviceStateFilter,
    GroupOrder,
    GroupOrdering,
    HealthFilter,
    LogFileFilter,
)
from shared.domain.updates.update_id import UpdateId
from shared.http import filters
from shared.http.filter_syntax import MAX_COMPARISONS, MAX_LENGTH, parse_filter, quote

FILTERS: list[Callable[[str | None], Any]] = [
    filters.is_deployable_of,
    filters.is_running_of,
    filters.friendly_name_of,
    filters.device_filter,
    filters.properties_of,
    filters.device_state_filter,
    filters.health_filter,
]
ORDERS: list[Callable[[str | None], Any]] = [filters.group_ordering, filters.is_newest_first]
BLANKS = st.text(" \t", min_size=1, max_size=3)
TOKENS = [
    "groupId",
    "deviceId",
    "moduleId",
    "deploymentStatus",
    "status",
    "deviceState",
    "compatProperties/a",
    "deviceCount",
    "isDeployable",
    "friendlyName",
    "lastContactDateTime",
    "2026-05-31",
    "startswith(deviceId,'x')",
    "startswith(",
    "lt",
    "eq",
    "and",
    "or",
    "asc",
    "desc",
    "'x'",
    "''",
    "'",
    "'Failed'",
    "'Running'",
    "null",
    "true",
    "false",
    "(",
    ")",
]
VALUES = st.text(min_size=1, max_size=40)


@pytest.mark.parametrize("parse", [*FILTERS, *ORDERS])
@given(text=st.text() | st.lists(st.sampled_from(TOKENS)).map(" ".join))
def test_any_text_is_parsed_or_refused_as_invalid_input(
    parse: Callable[[str], Any], text: str
) -> None:
    with suppress(InvalidInput):
        parse(text)


@given(value=VALUES, gap=BLANKS)
def test_a_string_comes_back_as_it_was_quoted(value: str, gap: str) -> None:
    found = parse_filter(f"{gap}field{gap}EQ{gap}{quote(value)}{gap}")

    (comparison,) = found.comparisons
    assert (comparison.field, comparison.value) == ("field", value)


@given(
    fields=st.lists(
        st.tuples(st.text("abcXYZ/._-", min_size=1), VALUES | st.booleans() | st.none()),
        min_size=1,
        max_size=MAX_COMPARISONS,
    ),
    connective=st.sampled_from(["and", "or", "AND"]),
)
def test_a_written_filter_is_read_back(fields: list[tuple[str, Any]], connective: str) -> None:
    words = {True: "true", False: "False", None: "NULL"}
    parts = [
        f"{name} eq {quote(value) if isinstance(value, str) else words[value]}"
        for name, value in fields
    ]

    found = parse_filter(f" {connective} ".join(parts))

    assert [(item.field, item.value) for item in found.comparisons] == fields
    assert found.connective == (connective.lower() if len(fields) > 1 else None)


def test_names_of_fields_are_taken_in_any_case_and_values_as_they_are() -> None:
    assert filters.device_filter("GROUPID EQ 'Floor 1'") == DeviceFilter(group="Floor 1")
    assert filters.is_deployable_of("isdeployable eq TRUE") is True
    with pytest.raises(InvalidInput):
        filters.device_filter("groupId eq 'g' and deploymentStatus eq 'failed'")


def test_each_operation_takes_its_forms() -> None:
    assert filters.is_deployable_of(None) is None
    assert filters.is_deployable_of("isDeployable eq false") is False
    assert filters.is_running_of("status eq 'Running' or status eq 'NotStarted'") is True
    assert filters.is_running_of(None) is False
    assert filters.friendly_name_of("friendlyName eq 'O''Brien'") == "O'Brien"
    assert filters.device_filter("deviceClassId eq 'c'") == DeviceFilter(class_id="c")
    assert filters.device_filter("deploymentStatus eq 'Failed' and groupId eq 'g'") == DeviceFilter(
        group="g", state=DeviceState.FAILED
    )
    assert filters.device_filter("groupId eq 'g' and deploymentStatus eq null") == DeviceFilter(
        group="g", never_deployed=True
    )
    assert filters.device_filter(
        "groupId eq 'g' and deviceClassId eq 'c' and failureCode eq '30101001' "
        "and installedUpdate eq 'acme/kiosk/1.0' and onLatestUpdate eq false "
        "and lastContactDateTime lt 2026-05-31T12:00:00+02:00 and isConnected eq false "
        "and state eq 'Stuck' and STARTSWITH( deviceid , 'kiosk''s' )"
    ) == DeviceFilter(
        group="g",
        class_id="c",
        failure_code=0x30101001,
        installed=UpdateId("acme", "kiosk", "1.0"),
        is_on_latest=False,
        heard_before="2026-05-31T10:00:00.000000+00:00",
        is_connected=False,
        condition=Condition.STUCK,
        id_prefix="kiosk's",
    )
    assert filters.device_filter("installedUpdate eq null") == DeviceFilter(nothing_installed=True)
    assert filters.properties_of(
        "compatProperties/model eq 'a' and COMPATPROPERTIES/maker eq 'b'"
    ) == {"model": "a", "maker": "b"}
    assert filters.device_state_filter(
        "deviceId eq 'd' and moduleId eq 'm' and deviceState eq 'Canceled'"
    ) == DeviceStateFilter("d", "m", DeviceState.CANCELED)
    assert filters.health_filter("state eq 'unhealthy'") == HealthFilter()
    assert filters.health_filter("deviceId eq 'd' and moduleId eq 'm'") == HealthFilter("d", "m")


def test_logs_of_a_collection_are_of_all_devices_or_of_one_or_of_its_module() -> None:
    assert filters.log_file_filter(None) == LogFileFilter()
    assert filters.log_file_filter("deviceId eq 'd'") == LogFileFilter("d")
    both = filters.log_file_filter("moduleId eq 'm' and deviceId eq 'd'")
    assert both == LogFileFilter("d", "m")
    assert both.has("d", "m")
    assert not both.has("d", None)
    with pytest.raises(InvalidInput):
        filters.log_file_filter("moduleId eq 'm'")


@pytest.mark.parametrize(
    ("parse", "text", "said"),
    [
        (filters.is_deployable_of, "isDeployable eq 'true'", "true or false"),
        (filters.is_deployable_of, "isDeployable eq null", "true or false"),
        (filters.is_deployable_of, "isDeployable ne true", "'eq' at position 14"),
        (filters.is_deployable_of, "isDeployable", "'eq' at position 13, where it ends"),
        (filters.is_deployable_of, "isDeployable eq", "position 16, where it ends"),
        (filters.is_deployable_of, "", "a field name at position 1"),
        (filters.is_deployable_of, "'isDeployable' eq true", "a field name at position 1"),
        (filters.is_running_of, "status eq 'Running'", "must be: status eq 'NotStarted'"),
        (filters.is_running_of, "status eq 'Running' and status eq 'NotStarted'", "must be"),
        (filters.is_running_of, "status eq 'Running' or status eq 'Running'", "must be"),
        (filters.is_running_of, "kind eq 'Running' or kind eq 'NotStarted'", "must be"),
        (filters.device_filter, "groupId lt 'g'", "a date and time at position 12"),
        (filters.device_filter, "groupId lt 2026-05-31", "'groupId' at position 1 by 'lt'"),
        (filters.device_filter, "startswith(groupId,'g')", "'groupId' at position 1 by 'starts"),
        (filters.device_filter, "deviceId eq 'g'", "'deviceId' at position 1 by 'eq'"),
        (filters.device_filter, "lastContactDateTime lt 2026-13-01", "ISO 8601"),
        (filters.device_filter, "lastContactDateTime lt null", "a date and time"),
        (filters.device_filter, "failureCode eq 'x'", "8 hexadecimal digits"),
        (filters.device_filter, "installedUpdate eq 'acme/kiosk'", "'provider/name/version'"),
        (filters.device_filter, "isConnected eq 'true'", "true or false"),
        (filters.device_filter, "state eq 'Failed'", "'Stuck', 'Silent', 'Unhealthy'"),
        (filters.health_filter, "startswith(deviceId,'x')", "'eq' at position"),
        (filters.device_filter, "groupId eq 'g' or groupId eq 'h'", "takes no 'or'"),
        (filters.device_filter, "groupId eq 'g' and groupId eq 'h'", "'groupId' twice"),
        (filters.device_filter, "groupId eq null", "with no string"),
        (filters.device_filter, "groupId eq ''", "with no string"),
        (
            filters.device_filter,
            "colour eq 'red'",
            "field 'colour' at position 1; allowed",
        ),
        (filters.device_filter, "groupId eq 'g' groupId eq 'h'", "'and', 'or' or the end"),
        (filters.properties_of, "model eq 'a'", "allowed: compatProperties/NAME"),
        (filters.properties_of, "compatProperties/ eq 'a'", "allowed: compatProperties/NAME"),
        (
            filters.properties_of,
            "compatProperties/a eq 'x' and compatProperties/a eq 'y'",
            "two values",
        ),
        (filters.device_state_filter, "moduleId eq 'm'", "without 'deviceId'"),
        (filters.health_filter, None, "is required"),
        (filters.health_filter, "state eq 'healthy'", "only by itself"),
        (filters.health_filter, "state eq 'unhealthy' and deviceId eq 'd'", "only by itself"),
        (parse_filter, "a eq 'x' and b eq 'y' or c eq 'z'", "mixes 'and' with 'or' at position 23"),
        (parse_filter, " and ".join(["a eq 'x'"] * 11), "more than 10 comparisons"),
        (parse_filter, "a eq '" + "x" * MAX_LENGTH + "'", "longer than 2048"),
    ],
)
def test_anything_else_is_refused_with_the_reason(
    parse: Callable[[Any], Any], text: str | None, said: str
) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(text)

    assert said in caught.value.message
    assert caught.value.target == "filter"


@pytest.mark.parametrize(
    "attack",
    [
        "groupId eq 'x' or 1 eq 1",
        "groupId eq 'x' or 1=1",
        "groupId eq 'x'; drop",
        "groupId eq 'x' or true",
        "groupId eq x",
        "groupId eq \u2019x\u2019",
        "groupId eq \uff07x\uff07",
        "groupId\u00a0eq\u00a0'x'",
        'groupId eq "x"',
        "(groupId eq 'x')",
        "((((((groupId eq 'x'))))))",
        "not groupId eq 'x'",
        "PartitionKey eq '00.local'",
        "groupId eq 'x' and PartitionKey ge ''",
        "groupId eq tolower('x')",
        "groupId eq @partition",
        "groupId eq 'x' --",
        "groupId eq 'x'\x00",
    ],
)
def test_no_injected_filter_passes(attack: str) -> None:
    for parse in FILTERS:
        with pytest.raises(InvalidInput):
            parse(attack)


def test_doubled_quotes_stay_within_the_string() -> None:
    found = filters.device_filter("groupId eq 'x'' or groupId eq ''y'")

    assert found == DeviceFilter(group="x' or groupId eq 'y")


@pytest.mark.parametrize("order", GroupOrder)
def test_groups_can_be_ordered_by_each_figure(order: GroupOrder) -> None:
    assert filters.group_ordering(order) == GroupOrdering(order)
    assert filters.group_ordering(f"{order.upper()}  ASC ") == GroupOrdering(order)
    assert filters.group_ordering(f"{order} desc") == GroupOrdering(order, is_descending=True)


def test_deployments_can_be_ordered_by_their_start() -> None:
    assert filters.is_newest_first(None) is None
    assert filters.is_newest_first("startDateTime") is False
    assert filters.is_newest_first("startdatetime desc") is True


@pytest.mark.parametrize("text", ["", "colour", "groupId up", "groupId asc desc", "groupId,x"])
def test_another_order_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        filters.group_ordering(text)

    assert caught.value.target == "orderby"
    assert "deviceCount" in caught.value.message
