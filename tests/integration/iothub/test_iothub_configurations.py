from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from azure.iot.hub.models import (
    Configuration,
    ConfigurationContent,
    ConfigurationQueriesTestInput,
)
from msrest.exceptions import HttpOperationError

from tests.integration.iothub.conftest import eventually

if TYPE_CHECKING:
    from tests.integration.iothub.conftest import Hub


def configuration(name: str, condition: str, priority: int, **settings: Any) -> Configuration:
    content = {f"properties.desired.{path}": value for path, value in settings.items()}
    return Configuration(
        id=name,
        target_condition=condition,
        priority=priority,
        content=ConfigurationContent(device_content=content),
    )


async def wait_for_desired(hub: Hub, device_id: str, **wanted: Any) -> None:
    async def reached() -> bool:
        twin = await hub.service("get_twin", device_id)
        desired = twin.properties.desired
        return bool({k: v for k, v in desired.items() if not k.startswith("$")} == wanted)

    await eventually(reached)


async def test_highest_priority_wins_and_its_settings_go_with_it(hub: Hub) -> None:
    device_id, other = await hub.new_device("conf"), await hub.new_device("conf")
    condition = f"tags.conf = '{device_id}'"
    low = configuration(f"low-{device_id}", condition, 1, a={"x": 1}, b=1)
    high = configuration(f"high-{device_id}", condition, 2, a={"y": 2})
    await hub.patch(device_id, tags={"conf": device_id}, desired={"own": True})

    await hub.configurations("create_configuration", low)
    await wait_for_desired(hub, device_id, own=True, a={"x": 1}, b=1)
    await hub.configurations("create_configuration", high)
    await wait_for_desired(hub, device_id, own=True, a={"y": 2})
    page = await hub.query(
        f"SELECT * FROM devices WHERE configurations.[[{low.id}]].status = 'Targeted'"
        f" AND configurations.[[{high.id}]].status = 'Applied'"
    )
    metrics = (await hub.configurations("get_configuration", high.id)).system_metrics.results
    for name in (high.id, low.id):
        etag = (await hub.configurations("get_configuration", name)).etag
        await hub.configurations("delete_configuration", name, f'"{etag}"')
    await wait_for_desired(hub, device_id, own=True)

    assert [twin.device_id for twin in page.items] == [device_id]
    assert metrics == {"appliedCount": 1, "targetedCount": 1}
    await wait_for_desired(hub, other)


async def test_configuration_changes_its_priority_but_not_its_content(hub: Hub) -> None:
    name = await hub.new_device("fixed")
    made = await hub.configurations(
        "create_configuration", configuration(name, "deviceId = 'nobody'", 1, a=1)
    )
    changed = configuration(name, "deviceId = 'nobody'", 7, a=1)
    saved = await hub.configurations("update_configuration", changed, made.etag)

    assert saved.priority == 7
    for status, wanted, etag in (
        (412, changed, made.etag),
        (400, configuration(name, "deviceId = 'nobody'", 7, a=2), saved.etag),
        (404, configuration("none", "deviceId = 'nobody'", 7, a=2), saved.etag),
        (409, changed, None),
        (400, configuration("none", "this is none", 7, a=2), None),
        (400, configuration("none", "", 7, **{"a": 1, "a.b": 2}), None),
        (400, configuration("none", "", 7, a="x" * 5000), None),
    ):
        with pytest.raises(HttpOperationError) as caught:
            await hub.configurations("update_configuration", wanted, etag)
        assert caught.value.response.status_code == status
    assert name in {each.id for each in await hub.configurations("get_configurations", 100)}


async def test_queries_are_tried_before_use(hub: Hub) -> None:
    tried = await hub.configurations(
        "test_configuration_queries",
        ConfigurationQueriesTestInput(
            target_condition="tags.a = 1",
            custom_metric_queries={"good": "SELECT * FROM devices", "bad": "SELECT"},
        ),
    )

    assert tried.target_condition_error is None
    assert list(tried.custom_metric_query_errors) == ["bad"]
