from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from azure.iot.hub.models import ExportImportDevice
from msrest.exceptions import HttpOperationError

from tests.integration.iothub.conftest import API, DEVICE_KEY, SECOND_KEY

if TYPE_CHECKING:
    from tests.integration.iothub.conftest import Hub


async def test_device_is_created_read_updated_and_deleted(hub: Hub) -> None:
    device_id = await hub.new_device()

    created = await hub.service("get_device", device_id)
    updated = await hub.service(
        "update_device_with_sas", device_id, created.etag, SECOND_KEY, DEVICE_KEY, "disabled"
    )
    await hub.service("delete_device", device_id, updated.etag)

    assert created.authentication.symmetric_key.primary_key == DEVICE_KEY
    assert (created.status, updated.status) == ("enabled", "disabled")
    assert updated.authentication.symmetric_key.primary_key == SECOND_KEY
    assert updated.etag != created.etag
    assert updated.generation_id == created.generation_id
    with pytest.raises(HttpOperationError) as caught:
        await hub.service("get_device", device_id)
    assert caught.value.response.status_code == 404
    assert caught.value.response.reason == "Not Found"


async def test_creating_is_refused_when_the_device_exists(hub: Hub) -> None:
    device_id = await hub.new_device()

    with pytest.raises(HttpOperationError) as caught:
        await hub.service("create_device_with_sas", device_id, DEVICE_KEY, SECOND_KEY, "enabled")

    assert caught.value.response.status_code == 409
    assert caught.value.response.headers["iothub-errorcode"] == "DeviceAlreadyExists"
    assert "DeviceAlreadyExists" in caught.value.response.json()["Message"]


async def test_update_and_delete_are_refused_when_the_etag_is_stale(hub: Hub) -> None:
    device_id = await hub.new_device()
    stale = (await hub.service("get_device", device_id)).etag
    await hub.service("update_device_with_sas", device_id, stale, DEVICE_KEY, SECOND_KEY, "enabled")

    for call in (
        ("update_device_with_sas", device_id, stale, DEVICE_KEY, SECOND_KEY, "enabled"),
        ("delete_device", device_id, stale),
    ):
        with pytest.raises(HttpOperationError) as caught:
            await hub.service(*call)
        assert caught.value.response.status_code == 412
        assert caught.value.response.reason == "Precondition Failed"


async def test_keys_are_made_when_none_are_given(hub: Hub) -> None:
    device_id = await hub.new_device("keyless")
    await hub.service("delete_device", device_id)

    await hub.service("create_device_with_sas", device_id, None, None, "enabled")
    keys = (await hub.service("get_device", device_id)).authentication.symmetric_key

    assert len(keys.primary_key) == len(keys.secondary_key) == 44
    assert keys.primary_key != keys.secondary_key


async def test_module_lives_and_dies_with_its_device(hub: Hub) -> None:
    device_id = await hub.new_device()

    await hub.service(
        "create_module_with_sas", device_id, "agent", "someone", DEVICE_KEY, SECOND_KEY
    )
    modules = await hub.service("get_modules", device_id)
    twin = await hub.service("get_module_twin", device_id, "agent")
    await hub.service("delete_device", device_id)

    assert [(m.module_id, m.managed_by) for m in modules] == [("agent", "someone")]
    assert (twin.device_id, twin.module_id) == (device_id, "agent")
    with pytest.raises(HttpOperationError) as caught:
        await hub.service("get_module", device_id, "agent")
    assert caught.value.response.headers["iothub-errorcode"] == "ModuleNotFound"


async def test_bulk_operation_tells_which_devices_failed(hub: Hub) -> None:
    existing = await hub.new_device("bulk")
    devices = [
        ExportImportDevice(id=f"{existing}-new", import_mode="create", status="enabled"),
        ExportImportDevice(id=existing, import_mode="create", status="enabled"),
        ExportImportDevice(id="no spaces", import_mode="create", status="enabled"),
    ]

    result = await hub.service("bulk_create_or_update_devices", devices)

    assert not result.is_successful
    assert [(e.device_id, e.error_code) for e in result.errors] == [
        (existing, "DeviceAlreadyExists"),
        ("no spaces", "ArgumentInvalid"),
    ]
    assert (await hub.service("get_device", f"{existing}-new")).status == "enabled"


async def test_bulk_operation_creates_a_hundred_devices_with_tags_and_not_one_more(
    hub: Hub,
) -> None:
    prefix = await hub.new_device("hundred")
    devices = [
        ExportImportDevice(
            id=f"{prefix}-{n}", import_mode="create", status="enabled", tags={"n": n}
        )
        for n in range(100)
    ]

    result = await hub.service("bulk_create_or_update_devices", devices)

    assert result.is_successful
    assert (await hub.service("get_twin", f"{prefix}-42")).tags == {"n": 42}
    more = [{"id": f"{prefix}-{n}", "importMode": "delete"} for n in range(101)]
    response = await hub.call("POST", f"/devices?{API}", json=more)
    assert response.status == 400
    assert "1 to 100" in (await response.json())["Message"]


async def test_statistics_count_devices(hub: Hub) -> None:
    before = await hub.service("get_device_registry_statistics")
    await hub.new_device()

    after = await hub.service("get_device_registry_statistics")

    assert after.total_device_count == before.total_device_count + 1
    assert after.enabled_device_count == before.enabled_device_count + 1
    assert (await hub.service("get_service_statistics")).connected_device_count >= 0


async def test_device_list_is_cut_at_what_is_asked_for(hub: Hub) -> None:
    await hub.new_device()
    await hub.new_device()

    assert len(await hub.service("get_devices", 1)) == 1
    assert len(await hub.service("get_devices")) >= 2


async def test_bulk_operation_updates_and_deletes_what_its_etags_fit(hub: Hub) -> None:
    ids = [await hub.new_device("modes") for _ in range(5)]
    etag = (await hub.service("get_device", ids[1])).etag
    twin_etag = (await hub.service("get_twin", ids[3])).etag
    modes: list[dict[str, object]] = [
        {"importMode": "update", "status": "disabled"},
        {"importMode": "updateIfMatchETag", "eTag": etag, "status": "disabled"},
        {"importMode": "deleteIfMatchETag", "eTag": "stale"},
        {"importMode": "updateTwinIfMatchETag", "twinETag": twin_etag, "tags": {"a": 1}},
        {"importMode": "delete"},
    ]
    body = [{"id": device_id, **mode} for device_id, mode in zip(ids, modes, strict=True)]

    result = await (await hub.call("POST", f"/devices?{API}", json=body)).json()
    again = await (await hub.call("POST", f"/devices?{API}", json=body)).json()
    unknown = [{"id": ids[0], "importMode": "explode"}]
    refused = await (await hub.call("POST", f"/devices?{API}", json=unknown)).json()

    assert [(e["deviceId"], e["errorCode"]) for e in result["errors"]] == [
        (ids[2], "PreconditionFailed")
    ]
    assert [(await hub.service("get_device", each)).status for each in ids[:3]] == [
        "disabled",
        "disabled",
        "enabled",
    ]
    assert (await hub.service("get_twin", ids[3])).tags == {"a": 1}
    assert [(e["deviceId"], e["errorCode"]) for e in again["errors"]] == [
        (ids[1], "PreconditionFailed"),
        (ids[2], "PreconditionFailed"),
        (ids[3], "PreconditionFailed"),
        (ids[4], "DeviceNotFound"),
    ]
    assert refused["errors"][0]["errorCode"] == "ArgumentInvalid"


@pytest.mark.parametrize("body", [{}, [], [1], [{"id": "a"}, {"id": "a"}]])
async def test_bulk_operation_is_refused_when_malformed(hub: Hub, body: object) -> None:
    response = await hub.call("POST", f"/devices?{API}", json=body)

    assert response.status == 400


@pytest.mark.parametrize(
    "body",
    [
        {"deviceId": "another"},
        {"status": "asleep"},
        {"statusReason": 7},
        {"authentication": {"type": "password"}},
        {"authentication": {"type": "sas", "symmetricKey": {"primaryKey": "short"}}},
        {"authentication": {"type": "sas", "symmetricKey": {"primaryKey": "c2hvcnQ="}}},
        {"authentication": 7},
    ],
)
async def test_identity_is_refused_when_malformed(hub: Hub, body: dict[str, object]) -> None:
    response = await hub.call("PUT", f"/devices/malformed?{API}", json=body)

    assert response.status == 400
    assert (await hub.call("GET", f"/devices/malformed?{API}")).status == 404
