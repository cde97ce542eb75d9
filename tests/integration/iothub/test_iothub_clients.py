"""What clients other than the Python SDK send to the hub, and how they read its answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from azure.iot.hub.models import (
    Configuration,
    ConfigurationContent,
    ConfigurationMetrics,
    JobRequest,
    Twin,
)
from msrest.exceptions import HttpOperationError

from tests.integration.iothub.conftest import API

if TYPE_CHECKING:
    from tests.integration.iothub.conftest import Hub


async def test_devices_are_listed_with_a_trailing_slash(hub: Hub) -> None:
    device_id = await hub.new_device("listed")

    answer = await hub.call("GET", f"/devices/?{API}&top=1000")

    assert answer.status == 200
    assert device_id in {item["deviceId"] for item in await answer.json()}


@pytest.mark.parametrize("mode", ["delete", "Delete", "DELETE", "DeleteIfMatchETag"])
async def test_import_mode_is_read_in_any_case(hub: Hub, mode: str) -> None:
    device_id = await hub.new_device("bulk")
    etag = (await hub.service("get_device", device_id)).etag
    change = {"id": device_id, "importMode": mode, "eTag": etag}

    answer = await hub.call("POST", f"/devices?{API}", json=[change])

    assert (answer.status, (await answer.json())["isSuccessful"]) == (200, True)
    with pytest.raises(HttpOperationError):
        await hub.service("get_device", device_id)


@pytest.mark.parametrize(
    "user_agent",
    [
        "azure-iothub/1.16.1 (node v20.1.0)",
        "python/3.13 msrest/0.7 iothubgatewayserviceapis/1.0 IoTPlatformCliExtension/0.26",
        "curl/8.5",
    ],
)
async def test_jobs_are_found_as_an_array_by_all_but_the_python_sdk(
    hub: Hub, user_agent: str
) -> None:
    device_id = await hub.new_device("jobs")
    request = JobRequest(
        job_id=f"found-{device_id}",
        type="scheduleUpdateTwin",
        update_twin=Twin(tags={"a": 1}),
        query_condition=f"deviceId = '{device_id}'",
        max_execution_time_in_seconds=60,
    )
    await hub.jobs("create_scheduled_job", request.job_id, request)

    answer = await hub.call(
        "GET",
        f"/jobs/v2/query?{API}&jobType=scheduleUpdateTwin",
        headers={"User-Agent": user_agent},
    )
    of_sdk = await hub.jobs("query_scheduled_jobs", "scheduleUpdateTwin", "")

    assert request.job_id in {item["jobId"] for item in await answer.json()}
    assert request.job_id in {item["jobId"] for item in of_sdk.items}


async def test_queries_of_a_configurations_metrics_are_kept_and_counted(hub: Hub) -> None:
    device_id = await hub.new_device("metrics")
    query = f"SELECT deviceId FROM devices WHERE deviceId = '{device_id}'"
    made = await hub.configurations(
        "create_configuration",
        Configuration(
            id=f"metrics-{device_id}",
            content=ConfigurationContent(device_content={"properties.desired.a": 1}),
            target_condition=f"deviceId = '{device_id}'",
            metrics=ConfigurationMetrics(queries={"here": query}),
        ),
    )
    found = await hub.configurations("get_configuration", made.id)

    assert made.metrics.queries == found.metrics.queries == {"here": query}
    assert found.metrics.results == {"here": 1}
    assert set(found.system_metrics.queries) == {"appliedCount", "targetedCount"}
    for text in found.system_metrics.queries.values():
        await hub.query(text)
    await hub.configurations("delete_configuration", made.id, "*")


async def test_configuration_without_metrics_has_empty_ones(hub: Hub) -> None:
    body = {
        "id": "bare",
        "content": {"deviceContent": {"properties.desired.a": 1}},
        "targetCondition": "deviceId = 'nobody'",
    }

    answer = await (await hub.call("PUT", f"/configurations/bare?{API}", json=body)).json()

    assert answer["metrics"] == {"results": {}, "queries": {}}
    await hub.configurations("delete_configuration", "bare", "*")


async def test_metric_that_is_no_query_is_refused(hub: Hub) -> None:
    body = {
        "id": "wrong",
        "content": {"deviceContent": {"properties.desired.a": 1}},
        "targetCondition": "deviceId = 'nobody'",
        "metrics": {"queries": {"broken": "SELECT FROM WHERE"}},
    }

    assert (await hub.call("PUT", f"/configurations/wrong?{API}", json=body)).status == 400


async def test_byte_order_mark_before_a_body_is_no_content(hub: Hub) -> None:
    body = b'\xef\xbb\xbf{"query": "SELECT * FROM devices WHERE deviceId = \'nobody\'"}'

    answer = await hub.call("POST", f"/devices/query?{API}", data=body)

    assert (answer.status, await answer.json()) == (200, [])
