from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from azure.iot.hub.models import Twin, TwinProperties
from msrest.exceptions import HttpOperationError

from tests.integration.iothub.conftest import API, eventually

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from tests.integration.iothub.conftest import Hub


async def test_patch_merges_tags_and_desired_and_null_removes(hub: Hub) -> None:
    device_id = await hub.new_device()

    await hub.patch(device_id, tags={"a": 1, "b": {"c": 2}}, desired={"x": {"y": 1, "z": 2}})
    patched = await hub.patch(device_id, tags={"a": None}, desired={"x": {"y": None}})

    assert patched.tags == {"b": {"c": 2}}
    assert patched.properties.desired["x"] == {"z": 2}
    assert patched.properties.desired["$version"] == 3
    metadata = patched.properties.desired["$metadata"]
    assert metadata["$lastUpdatedVersion"] == metadata["x"]["$lastUpdatedVersion"] == 3
    assert metadata["x"]["z"]["$lastUpdatedVersion"] == 2
    assert "y" not in metadata["x"]
    assert patched.version == 4


async def test_patch_is_refused_when_the_etag_is_stale(hub: Hub) -> None:
    device_id = await hub.new_device()
    stale = (await hub.service("get_twin", device_id)).etag
    fresh = (await hub.patch(device_id, tags={"a": 1}, etag=stale)).etag

    with pytest.raises(HttpOperationError) as caught:
        await hub.patch(device_id, tags={"a": 2}, etag=stale)
    accepted = await hub.patch(device_id, tags={"a": 3}, etag=fresh)

    assert caught.value.response.status_code == 412
    assert accepted.tags == {"a": 3}


async def test_replace_leaves_nothing_of_the_old_tags_and_desired(hub: Hub) -> None:
    device_id = await hub.new_device()
    await hub.patch(device_id, tags={"old": 1}, desired={"old": 1})

    twin = Twin(tags={"new": 1}, properties=TwinProperties(desired={"new": 1}))
    replaced = await hub.service("replace_twin", device_id, twin)

    assert replaced.tags == {"new": 1}
    assert {k for k in replaced.properties.desired if not k.startswith("$")} == {"new"}
    assert replaced.properties.desired["$version"] == 3


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"tags": {"a.b": 1}}, "tags.a.b"),
        ({"tags": {"a": {"$b": 1}}}, "tags.a.$b"),
        ({"tags": {"big": ["x" * 4000] * 3}}, "tags would be"),
        ({"properties": {"desired": {"s": "x" * 5000}}}, "properties.desired.s"),
        ({"properties": {"desired": {"n": 2**53}}}, "properties.desired.n"),
        ({"properties": {"desired": [1]}}, "properties.desired"),
    ],
)
async def test_patch_beyond_a_limit_is_refused_with_the_path(
    hub: Hub, body: dict[str, object], named: str
) -> None:
    device_id = await hub.new_device()

    response = await hub.call("PATCH", f"/twins/{device_id}?{API}", json=body)

    assert response.status == 400
    assert named in (await response.json())["Message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b'"x"', b"[" * 50_000, b'{"tags": NaN}'])
async def test_patch_that_is_no_json_object_is_refused(hub: Hub, body: bytes) -> None:
    device_id = await hub.new_device()

    response = await hub.call("PATCH", f"/twins/{device_id}?{API}", data=body)

    assert response.status == 400


async def test_patch_fails_as_often_as_the_faults_say(hub: Hub) -> None:
    device_id = await hub.new_device()
    await hub.faults(failTwinPatches={"count": 2, "status": 429})

    first = await hub.call("PATCH", f"/twins/{device_id}?{API}", json={"tags": {"a": 1}})
    with pytest.raises(HttpOperationError) as caught:
        await hub.patch(device_id, tags={"a": 1})
    await hub.patch(device_id, tags={"a": 1})

    assert (first.status, first.headers["Retry-After"]) == (429, "1")
    assert caught.value.response.headers["iothub-errorcode"] == "ThrottlingException"


async def test_query_pages_through_all_devices_once(hub: Hub) -> None:
    prefix = await hub.new_device("paged")
    ids = [await hub.new_device("paged") for _ in range(5)]
    for device_id in ids:
        await hub.patch(device_id, tags={"page": prefix})

    found: list[str] = []
    continuation = None
    while True:
        page = await hub.query(
            f"SELECT * FROM devices WHERE tags.page = '{prefix}'", continuation, 2
        )
        assert len(page.items) <= 2
        found += [twin.device_id for twin in page.items]
        continuation = page.continuation_token
        if not continuation:
            break

    assert sorted(found) == sorted(ids)


async def test_query_aggregates_by_group(hub: Hub) -> None:
    mark = await hub.new_device("grouped")
    for colour in ("red", "red", "blue"):
        device_id = await hub.new_device("grouped")
        await hub.patch(device_id, tags={"mark": mark, "colour": colour})

    page = await hub.query(
        "SELECT tags.colour AS colour, COUNT() AS number FROM devices"
        f" WHERE tags.mark = '{mark}' GROUP BY tags.colour"
    )

    assert page.type == "Raw"
    rows = [item.additional_properties for item in page.items]
    assert sorted((row["colour"], row["number"]) for row in rows) == [("blue", 1), ("red", 2)]


async def test_query_sums_up_numbers_only(hub: Hub) -> None:
    mark = await hub.new_device("summed")
    for value in (1, 2, 6, "text", None):
        await hub.patch(await hub.new_device("summed"), tags={"mark": mark, "n": value})

    page = await hub.query(
        "SELECT COUNT() AS number, COUNT(tags.n) AS given, SUM(tags.n) AS total,"
        " AVG(tags.n) AS mean, MIN(tags.n) AS least, MAX(tags.n) AS most"
        f" FROM devices WHERE tags.mark = '{mark}'"
    )

    assert page.items[0].additional_properties == {
        "number": 5,
        "given": 4,
        "total": 9,
        "mean": 3.0,
        "least": 1,
        "most": 6,
    }


async def test_query_ends_at_its_top_whatever_the_pages(hub: Hub) -> None:
    mark = await hub.new_device("top")
    for _ in range(5):
        await hub.patch(await hub.new_device("top"), tags={"mark": mark})
    text = f"SELECT TOP 3 * FROM devices WHERE tags.mark = '{mark}'"

    first = await hub.query(text, None, 2)
    second = await hub.query(text, first.continuation_token, 2)

    assert (len(first.items), len(second.items)) == (2, 1)
    assert second.continuation_token is None


@pytest.mark.parametrize("text", ["SELECT", "SELECT * FROM nowhere", "DROP TABLE identities", ""])
async def test_query_is_refused_when_malformed(hub: Hub, text: str) -> None:
    with pytest.raises(HttpOperationError) as caught:
        await hub.query(text)

    assert caught.value.response.status_code == 400
    assert "query is malformed" in caught.value.response.json()["Message"]


async def test_query_is_refused_when_the_continuation_is_of_another(hub: Hub) -> None:
    await hub.new_device()
    await hub.new_device()
    token = (await hub.query("SELECT * FROM devices", None, 1)).continuation_token

    for text, continuation in (
        ("SELECT deviceId FROM devices", token),
        ("SELECT * FROM devices", "x"),
    ):
        with pytest.raises(HttpOperationError) as caught:
            await hub.query(text, continuation)
        assert caught.value.response.status_code == 400


async def test_query_lags_behind_while_single_twins_are_current(
    own_hub: Callable[..., AbstractAsyncContextManager[Hub]],
) -> None:
    async with own_hub("--query-lag", "1000") as hub:
        await hub.query("SELECT * FROM devices")
        device_id = await hub.new_device()
        lagging = await hub.query("SELECT * FROM devices")
        twin = await hub.service("get_twin", device_id)
    async with own_hub("--query-lag", "0.1") as hub:
        await hub.patch(device_id, tags={"n": 1})

        async def seen() -> bool:
            page = await hub.query("SELECT * FROM devices WHERE tags.n = 1")
            return [item.device_id for item in page.items] == [device_id]

        await eventually(seen)

    assert lagging.items == []
    assert twin.device_id == device_id
