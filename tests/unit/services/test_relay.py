from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.domain.fleet.device import bucket_of
from shared.services.devices.relay import HubEvent, TwinRelay, read_chunk, read_twin_change
from tests.builders.relay import an_event
from tests.fakes.hub import MemoryEvents
from tests.unit.domain.builders import started

BILLED_BYTES = 64 * 1024


async def relayed(*events: HubEvent) -> list[Any]:
    sink = MemoryEvents()
    await TwinRelay(sink, {"hub": "factory"}).relay(events)
    return [
        read_chunk(json.loads(json.dumps(payload)))
        for _, _, payloads in sink.published
        for payload in payloads
    ]


async def test_changes_of_one_bucket_travel_in_one_event() -> None:
    (chunk,) = await relayed(an_event(), an_event(version=6), an_event(moduleId="m1"))

    assert (chunk.instance, chunk.bucket) == ("factory", bucket_of("d1"))
    assert [(item.version, item.module_id) for item in chunk.changes] == [
        (5, None),
        (6, None),
        (5, "m1"),
    ]
    assert chunk.changes[0].content == {"agent": started()["deviceUpdate"]["agent"]}
    assert chunk.changes[0].at == "2024-05-01T10:00:00.123456+00:00"
    assert not chunk.changes[0].is_whole


async def test_buckets_travel_apart() -> None:
    devices = [f"d{number}" for number in range(20)]

    chunks = await relayed(*(an_event(device_id=device) for device in devices))

    assert {chunk.bucket for chunk in chunks} == {bucket_of(device) for device in devices}
    assert sum(len(chunk.changes) for chunk in chunks) == 20


async def test_replaced_twin_is_whole_even_when_nothing_of_it_concerns_us() -> None:
    (chunk,) = await relayed(an_event({"tags": {"x": 1}}, opType="replaceTwin"))

    assert chunk.changes[0].is_whole
    assert chunk.changes[0].content == {}


@given(st.lists(st.tuples(st.integers(0, 30_000), st.sampled_from("xé✓😀\\")), max_size=12))
@settings(max_examples=25, deadline=None)
@example([(28_000, "✓")] * 9)
def test_no_event_is_larger_than_what_is_billed_as_one(sizes: list[tuple[int, str]]) -> None:
    import asyncio

    events = [
        an_event({"tags": {"ADUGroup": sign * (size // len(json.dumps(sign)))}}, version=number)
        for number, (size, sign) in enumerate(sizes, 1)
    ]
    sink = MemoryEvents()

    asyncio.run(TwinRelay(sink, {"hub": "factory"}).relay(events))

    payloads = [payload for _, _, some in sink.published for payload in some]
    versions = [item.version for payload in payloads for item in read_chunk(payload).changes]
    assert versions == list(range(1, len(sizes) + 1))
    for payload in payloads:
        assert len(json.dumps(payload)) < BILLED_BYTES - 1024


async def test_one_request_carries_no_more_than_event_grid_takes() -> None:
    events = [
        an_event({"tags": {"ADUGroup": "x" * 20_000}}, device_id=f"d{number}")
        for number in range(100)
    ]
    sink = MemoryEvents()

    await TwinRelay(sink, {"hub": "factory"}).relay(events)

    requests = [json.dumps(payloads) for _, _, payloads in sink.published]
    assert max(map(len, requests)) < 1_000_000
    assert sum(len(payloads) for _, _, payloads in sink.published) >= 34


@pytest.mark.parametrize(
    "event",
    [
        an_event(hubName="other"),
        an_event(hubName=None),
        an_event(**{"iothub-message-schema": "telemetry"}),
        an_event(deviceId=""),
        an_event(deviceId=7),
        an_event(operationTimestamp="yesterday"),
        an_event({"version": "5"}),
        an_event({"version": True}),
        an_event(b"not json"),
        an_event(b"\xff\xfe"),
        an_event(b"[1]"),
        an_event(b"[" * 100_000),
        an_event(b"5"),
        an_event(b"{}"),
        an_event({"x": "y" * 200_000}),
    ],
)
async def test_foreign_or_malformed_event_is_refused_and_the_others_pass(
    event: HubEvent, caplog: pytest.LogCaptureFixture
) -> None:
    (chunk,) = await relayed(an_event(version=1), event, an_event(version=2))

    assert [item.version for item in chunk.changes] == [1, 2]
    assert "refused 1 of 3" in caplog.text


async def test_events_that_event_grid_brings_by_itself_are_passed_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    kinds = [
        ("deviceLifecycleNotification", "deleteDeviceIdentity", ""),
        ("deviceLifecycleNotification", "createDeviceIdentity", ""),
        ("moduleLifecycleNotification", "createModuleIdentity", "m1"),
        ("deviceConnectionStateNotification", "deviceConnected", ""),
    ]
    events = [
        an_event(**{"iothub-message-schema": schema}, opType=operation, moduleId=module)
        for schema, operation, module in kinds
    ]

    assert await relayed(*events, an_event({"tags": {"x": 1}})) == []
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("schema", "operation"),
    [
        ("moduleLifecycleNotification", "deleteModuleIdentity"),
        ("deviceLifecycleNotification", "deleteModuleIdentity"),
        ("deviceLifecycleNotification", "deleteDeviceIdentity"),
    ],
)
async def test_deletion_of_a_module_is_relayed_whatever_the_hub_calls_it(
    schema: str, operation: str
) -> None:
    event = an_event(**{"iothub-message-schema": schema}, opType=operation, moduleId="m1")

    (chunk,) = await relayed(event)

    assert (chunk.instance, chunk.bucket, chunk.changes) == ("factory", bucket_of("d1"), [])
    (gone,) = chunk.deletions
    assert (gone.device_id, gone.module_id) == ("d1", "m1")
    assert gone.at == "2024-05-01T10:00:00.123456+00:00"


@pytest.mark.parametrize("wrong", [{"deviceId": 7}, {"operationTimestamp": "yesterday"}])
async def test_deletion_of_a_module_that_is_malformed_is_refused(
    wrong: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    schema = {"iothub-message-schema": "moduleLifecycleNotification"}
    event = an_event(**{**schema, "opType": "deleteModuleIdentity", "moduleId": "m1", **wrong})

    assert await relayed(event) == []
    assert "refused 1 of 1" in caplog.text


@pytest.mark.parametrize("data", [None, {}, {"instance": "i"}, [], "text"])
def test_chunk_is_refused_when_it_is_none(data: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - msgspec's own error is one
        read_chunk(data)


def test_twin_change_of_a_device_without_module_names_none() -> None:
    change = read_twin_change(an_event(moduleId=""))

    assert change is not None
    assert change.module_id is None
