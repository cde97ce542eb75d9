from __future__ import annotations

import contextlib
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.cloud.iothub.errors import HubError
from local.cloud.iothub.query import parse_condition, parse_query
from local.cloud.iothub.query_values import UNDEFINED

ROW: dict[str, Any] = {
    "deviceId": "d1",
    "status": "enabled",
    "tags": {"site": {"city": "Ulm"}, "n": 3, "flag": True, "nothing": None, "order": "x"},
    "properties": {"reported": {"list": [10, 20], "f": 1.5}, "desired": {}},
    "configurations": {"my-conf.1": {"status": "Applied"}},
}


@pytest.mark.parametrize(
    "condition",
    [
        "deviceId = 'd1'",
        'deviceId = "d1"',
        "devices.deviceId = 'd1'",
        "tags.site.city = 'Ulm' AND tags.n = 3",
        "tags['site'].city = 'Ulm'",
        "tags.n > 2 and tags.n <= 3",
        "tags.n != 4",
        "tags.n <> 4",
        "tags.flag",
        "tags.flag = TRUE",
        "tags.nothing = null",
        "tags.order = 'x'",
        "NOT tags.n = 4",
        "NOT (tags.n = 4 OR deviceId = 'd2')",
        "deviceId IN ['d0', 'd1']",
        "tags.n NIN [1, 2]",
        "IS_DEFINED(tags.nothing)",
        "NOT is_defined(tags.absent)",
        "tags.n + 1 * 2 = 5",
        "(tags.n + 1) * 2 = 8",
        "tags.n % 2 = 1",
        "-tags.n = -3",
        "properties.reported.list[1] = 20",
        "properties.reported.f < 1.6e0",
        "configurations.[[my-conf.1]].status = 'Applied'",
        "tags.absent = 1 OR deviceId = 'd1'",
        r"'it\'s' = 'it\'s'",
        "*",
        "",
    ],
)
def test_condition_is_true_of_the_row(condition: str) -> None:
    assert parse_condition(condition)(ROW) is True


@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("tags.absent = 1", UNDEFINED),
        ("tags.absent != 1", UNDEFINED),
        ("NOT tags.absent = 1", UNDEFINED),
        ("tags.n = '3'", UNDEFINED),
        ("tags.flag = 1", UNDEFINED),
        ("tags.site = tags.site", UNDEFINED),
        ("tags.nothing < null", UNDEFINED),
        ("tags.n / 0 = 1", UNDEFINED),
        ("tags.absent IN [1]", UNDEFINED),
        ("tags.absent = 1 AND deviceId = 'd2'", False),
        ("tags.absent = 1 AND deviceId = 'd1'", UNDEFINED),
        ("deviceId IN []", False),
        ("tags.Site.city = 'Ulm'", UNDEFINED),
        ("properties.reported.list[7] = 1", UNDEFINED),
    ],
)
def test_condition_is_not_true_of_the_row(condition: str, value: object) -> None:
    assert parse_condition(condition)(ROW) is value


def test_columns_are_named_by_alias_or_last_part_of_the_path() -> None:
    query = parse_query("SELECT deviceId, tags.n number, tags.site.city AS city FROM devices")

    assert query.columns is not None
    assert [(c.name, c.value(ROW)) for c in query.columns] == [
        ("deviceId", "d1"),
        ("number", 3),
        ("city", "Ulm"),
    ]


@pytest.mark.parametrize(
    ("text", "source", "top"),
    [
        ("SELECT * FROM devices", "devices", None),
        ("select top 5 * from devices.modules where moduleId = 'a'", "devices.modules", 5),
        ("SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'j'", "devices.jobs", None),
    ],
)
def test_source_and_top_are_read(text: str, source: str, top: int | None) -> None:
    query = parse_query(text)

    assert (query.source, query.top) == (source, top)


def test_paths_may_start_with_the_source() -> None:
    row = {"jobId": "j", "moduleId": "m"}

    assert parse_condition("devices.jobs.jobId = 'j'", "devices.jobs")(row) is True
    assert parse_condition("devices.modules.moduleId = 'm'", "devices.modules")(row) is True


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "expected SELECT at character 1, found its end"),
        ("SELECT", "expected a name"),
        ("SELECT FROM devices", "expected a name at character 8, found 'FROM'"),
        ("SELECT * FROM", "expected a name"),
        ("SELECT * FROM things", "nothing can be selected from 'things'"),
        ("SELECT * FROM devices.x", "nothing can be selected from 'devices.x'"),
        ("SELECT * FROM devices WHERE", "expected a name"),
        ("SELECT * FROM devices WHERE a =", "expected a name"),
        ("SELECT * FROM devices WHERE a = 1 b", "expected the end"),
        ("SELECT * FROM devices WHERE a IN (1)", "expected ["),
        ("SELECT * FROM devices WHERE a = 'open", "starts nothing it knows"),
        ("SELECT * FROM devices; DROP TABLE x", "starts nothing it knows"),
        ("SELECT * FROM devices ORDER BY a", "expected the end"),
        ("SELECT * FROM devices JOIN x", "expected the end"),
        ("SELECT TOP x * FROM devices", "whole number"),
        ("SELECT TOP 0 * FROM devices", "at least 1"),
        ("SELECT * FROM devices GROUP BY a", "* cannot be selected"),
        ("SELECT a, COUNT() FROM devices", "neither aggregated nor grouped"),
        ("SELECT SUM() FROM devices", "expected a name"),
        ("SELECT deviceId FROM devices.jobs", "only *"),
        ("SELECT * FROM devices WHERE " + "(" * 5000 + "a", "nested too deeply"),
        ("SELECT * FROM devices WHERE " + "NOT " * 1500 + "a", "nested too deeply"),
        ("SELECT * FROM devices WHERE a = '" + "x" * 9000 + "'", "longer than 8192"),
    ],
)
def test_query_is_refused_with_what_is_wrong(text: str, complaint: str) -> None:
    with pytest.raises(HubError, match=re.escape(complaint)) as caught:
        parse_query(text)

    assert caught.value.status == 400


@given(st.text("SELECTFROMdevicsWHtag.*=<>!'\"()[]{}0123 ,ANDORINGP-+%/\\", max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    for query in (text, f"SELECT * FROM devices WHERE {text}"):
        with contextlib.suppress(HubError):
            parse_query(query).condition(ROW)


@given(st.text(max_size=30), st.integers(-(2**50), 2**50))
def test_literals_mean_what_they_say(text: str, number: int) -> None:
    quoted = text.replace("\\", "\\\\").replace("'", "\\'")
    row = {"text": text, "number": number}

    assert parse_condition(f"text = '{quoted}' AND number = {number}")(row) is True
