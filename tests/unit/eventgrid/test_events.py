from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from local.cloud.eventgrid.events import (
    CLOUD_EVENT,
    CLOUD_EVENTS,
    MAX_EVENTS,
    Event,
    MalformedEventsError,
    parse_publication,
    render,
    utc_text,
)

EVENT_GRID = {
    "id": "1",
    "subject": "devices/d1",
    "eventType": "a.type",
    "eventTime": "2026-01-02T03:04:05Z",
    "data": {"x": 1},
    "dataVersion": "2.0",
}
CLOUD = {
    "specversion": "1.0",
    "id": "1",
    "source": "/odu",
    "type": "a.type",
    "subject": "devices/d1",
    "time": "2026-01-02T03:04:05Z",
    "data": {"x": 1},
}


def _parse(document: Any, content_type: str = "application/json") -> list[Event]:
    return parse_publication(content_type, json.dumps(document).encode())


@pytest.mark.parametrize(
    ("document", "content_type"),
    [
        ([EVENT_GRID], "application/json"),
        ([CLOUD], CLOUD_EVENTS),
        (CLOUD, CLOUD_EVENT),
    ],
)
def test_parse_reads_type_and_subject_of_either_schema(document: Any, content_type: str) -> None:
    [event] = _parse(document, content_type)

    assert (event.type, event.subject) == ("a.type", "devices/d1")


@pytest.mark.parametrize(
    ("document", "content_type", "fault"),
    [
        (EVENT_GRID, "application/json", "array"),
        ([1], "application/json", "[0] must be an object"),
        ([EVENT_GRID, {**EVENT_GRID, "id": ""}], "application/json", "[1].id"),
        ([{**EVENT_GRID, "eventTime": "today"}], "application/json", "'today'"),
        ([{**EVENT_GRID, "dataVersion": 1}], "application/json", "[0].dataVersion"),
        ([{**EVENT_GRID, "dataVersion": "1\r\nx: y"}], "application/json", "[0].dataVersion"),
        ([CLOUD], "application/json", "[0].eventType"),
        ([EVENT_GRID], CLOUD_EVENTS, "[0].source"),
        ([{**CLOUD, "specversion": "0.3"}], CLOUD_EVENTS, "specversion"),
        ([{**CLOUD, "time": 5}], CLOUD_EVENTS, "5"),
        ([EVENT_GRID] * (MAX_EVENTS + 1), "application/json", str(MAX_EVENTS)),
    ],
)
def test_parse_names_the_fault(document: Any, content_type: str, fault: str) -> None:
    with pytest.raises(MalformedEventsError) as refused:
        _parse(document, content_type)

    assert fault in str(refused.value)


@given(st.binary(max_size=200))
@example(b"[" * 500_000)
def test_parse_refuses_whatever_is_no_publication(body: bytes) -> None:
    try:
        events = parse_publication("application/json", body)
    except MalformedEventsError:
        return
    assert events == []


def test_render_adds_the_topic_and_the_metadata_version() -> None:
    [event] = _parse([EVENT_GRID])

    assert json.loads(render(event, "topic", "EventGridSchema")) == {
        **EVENT_GRID,
        "topic": "/topics/topic",
        "metadataVersion": "1",
    }


def test_render_keeps_the_topic_of_a_system_topic() -> None:
    [event] = _parse([{**EVENT_GRID, "topic": "/hubs/h"}])

    assert json.loads(render(event, "iothub", "EventGridSchema"))["topic"] == "/hubs/h"


def test_render_leaves_a_cloud_event_as_it_is() -> None:
    [event] = _parse([{**CLOUD, "extension": "kept"}], CLOUD_EVENTS)

    rendered = json.loads(render(event, "topic", "CloudEventSchemaV1_0"))
    assert rendered == {**CLOUD, "extension": "kept"}


def test_render_converts_between_the_schemas() -> None:
    [event_grid] = _parse([{**EVENT_GRID, "topic": "/odu"}])
    [cloud] = _parse([CLOUD], CLOUD_EVENTS)

    assert json.loads(render(event_grid, "topic", "CloudEventSchemaV1_0")) == CLOUD
    assert json.loads(render(cloud, "topic", "EventGridSchema")) == {
        **EVENT_GRID,
        "topic": "/odu",
        "dataVersion": "",
        "metadataVersion": "1",
    }


def test_utc_text_has_a_z_and_microseconds() -> None:
    assert utc_text(0.5) == "1970-01-01T00:00:00.500000Z"
