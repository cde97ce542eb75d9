from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.cloud.functions_host.errors import StartError
from local.cloud.functions_host.host_json import (
    QueueOptions,
    load_host_options,
    parse_host_options,
    parse_time_span,
)


def options(queues: dict[str, Any] | None = None, **settings: str) -> QueueOptions:
    document = {"version": "2.0", "extensions": {"queues": queues or {}}}
    return parse_host_options(document, settings).queues


def test_options_are_those_of_the_real_host_when_nothing_is_set() -> None:
    parsed = parse_host_options({"version": "2.0"}, {})

    assert parsed.queues == QueueOptions(
        batch_size=16,
        new_batch_threshold=8,
        max_dequeue_count=5,
        visibility_timeout=0.0,
        max_polling_interval=2.0,
        encoding="base64",
    )
    assert parsed.blobs.poison_blob_threshold == 5
    assert (parsed.route_prefix, parsed.max_event_batch_size) == ("api", 100)
    assert parsed.log_level == "INFO"


def test_options_are_read_whatever_the_case_of_their_names() -> None:
    parsed = options(
        {
            "BATCHSIZE": 4,
            "visibilityTimeout": "00:00:30",
            "maxPollingInterval": "00:00:00.2",
            "messageEncoding": "None",
        }
    )

    assert parsed == QueueOptions(
        batch_size=4,
        new_batch_threshold=2,
        max_dequeue_count=5,
        visibility_timeout=30.0,
        max_polling_interval=0.2,
        encoding="none",
    )


def test_a_setting_overrides_the_file() -> None:
    name = "AzureFunctionsJobHost__extensions__queues__batchSize"

    assert options({"batchSize": 4}, **{name: "8"}).batch_size == 8
    assert options({"batchSize": 4}, **{name.upper(): "8"}).batch_size == 8


@pytest.mark.parametrize(
    ("key", "value", "wanted"),
    [
        ("batchSize", 33, "a whole number from 1 to 32"),
        ("batchSize", 1.5, "a whole number"),
        ("batchSize", True, "a whole number"),
        ("maxDequeueCount", "many", "a whole number"),
        ("visibilityTimeout", 30, "a time span"),
        ("visibilityTimeout", "soon", "a time span"),
        ("messageEncoding", "utf-8", "one of base64, none"),
        ("messageEncoding", 1, "a string"),
    ],
)
def test_a_bad_option_is_named_with_what_is_wanted(key: str, value: object, wanted: str) -> None:
    with pytest.raises(StartError, match=rf"queues\.{key}.* is not {wanted}"):
        options({key: value})


@pytest.mark.parametrize("document", [{}, {"version": 2}, [], None])
def test_a_file_of_another_version_is_refused(document: object) -> None:
    with pytest.raises(StartError, match="version"):
        parse_host_options(document, {})


def test_a_file_that_is_missing_or_no_json_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError, match=r"host\.json: No such file"):
        load_host_options(tmp_path, {})
    (tmp_path / "host.json").write_text("{")
    with pytest.raises(StartError, match="not JSON"):
        load_host_options(tmp_path, {})


def test_an_empty_prefix_takes_the_prefix_away(tmp_path: Path) -> None:
    document = {"version": "2.0", "extensions": {"http": {"routePrefix": ""}}}
    (tmp_path / "host.json").write_text(json.dumps(document))

    assert load_host_options(tmp_path, {}).route_prefix == ""


@given(st.integers(0, 99), st.integers(0, 23), st.integers(0, 59), st.integers(0, 599))
def test_time_spans_add_up(days: int, hours: int, minutes: int, tenths: int) -> None:
    text = f"{days}.{hours:02}:{minutes:02}:{tenths // 10:02}.{tenths % 10}"

    assert parse_time_span(text) == pytest.approx(
        days * 86_400 + hours * 3_600 + minutes * 60 + tenths / 10
    )


@pytest.mark.parametrize("text", ["", "5", "24:00:00", "00:60:00", "00:00:60", "-00:00:01"])
def test_a_time_span_is_refused_when_it_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="time span"):
        parse_time_span(text)
