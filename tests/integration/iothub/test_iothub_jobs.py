from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from azure.iot.device import MethodResponse
from azure.iot.hub.models import CloudToDeviceMethod, JobRequest, Twin, TwinProperties
from msrest.exceptions import HttpOperationError

from tests.integration.iothub.conftest import DEVICE_KEY, SECOND_KEY, eventually

if TYPE_CHECKING:
    from tests.integration.iothub.conftest import Hub


async def run_job(hub: Hub, job_id: str, **fields: Any) -> Any:
    """Create a job and return it once it has ended."""
    request = JobRequest(job_id=job_id, max_execution_time_in_seconds=60, **fields)
    await hub.jobs("create_scheduled_job", job_id, request)

    async def ended() -> bool:
        job = await hub.jobs("get_scheduled_job", job_id)
        return job.status in ("completed", "failed", "cancelled")

    await eventually(ended)
    return await hub.jobs("get_scheduled_job", job_id)


async def test_job_changes_the_twins_its_condition_selects(hub: Hub) -> None:
    chosen, other = await hub.new_device("jobbed"), await hub.new_device("jobbed")
    twin = Twin(tags={"wave": 1}, properties=TwinProperties(desired={"x": 1}))

    job = await run_job(
        hub,
        f"twins-{chosen}",
        type="scheduleUpdateTwin",
        update_twin=twin,
        query_condition=f"deviceId IN ['{chosen}']",
    )

    assert job.status == "completed"
    assert job.device_job_statistics.device_count == 1
    assert job.device_job_statistics.succeeded_count == 1
    changed = await hub.service("get_twin", chosen)
    assert changed.tags == {"wave": 1}
    assert changed.properties.desired["x"] == 1
    assert (await hub.service("get_twin", other)).tags == {}


async def test_job_of_modules_changes_module_twins(hub: Hub) -> None:
    device_id = await hub.new_device("jobbed")
    await hub.service("create_module_with_sas", device_id, "m", "", DEVICE_KEY, SECOND_KEY)

    await run_job(
        hub,
        f"modules-{device_id}",
        type="scheduleUpdateTwin",
        update_twin=Twin(tags={"wave": 2}),
        query_condition=f"FROM devices.modules WHERE deviceId = '{device_id}'",
    )

    assert (await hub.service("get_module_twin", device_id, "m")).tags == {"wave": 2}
    assert (await hub.service("get_twin", device_id)).tags == {}


async def test_job_calls_methods_and_tells_what_came_of_it(hub: Hub) -> None:
    here, away = await hub.new_device("called"), await hub.new_device("called")
    device = hub.device(here)
    await device.connect()

    async def answer(request: Any) -> None:
        await device.send_method_response(
            MethodResponse.create_from_method_request(request, 200, {"pong": request.payload})
        )

    device.on_method_request_received = answer
    # Returns only once the device has subscribed to methods.
    ping = CloudToDeviceMethod(method_name="ping", payload=1, connect_timeout_in_seconds=10)
    await hub.service("invoke_device_method", here, ping)
    job_id = f"methods-{here}"
    job = await run_job(
        hub,
        job_id,
        type="scheduleDeviceMethod",
        cloud_to_device_method=CloudToDeviceMethod(method_name="ping", payload=2),
        query_condition=f"deviceId IN ['{here}', '{away}']",
    )

    page = await hub.query(f"SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '{job_id}'")
    rows = {item.device_id: item for item in page.items}
    assert page.type == "DeviceJob"
    assert job.device_job_statistics.failed_count == 1
    assert (rows[here].status, rows[away].status) == ("completed", "failed")
    response = rows[here].additional_properties["outcome"]["deviceMethodResponse"]
    assert response == {"status": 200, "payload": {"pong": 2}}
    assert rows[away].additional_properties["error"]["code"] == "DeviceNotOnline"


async def test_job_of_the_future_waits_and_can_be_cancelled(hub: Hub) -> None:
    device_id = await hub.new_device("later")
    job_id = f"later-{device_id}"
    request = JobRequest(
        job_id=job_id,
        type="scheduleUpdateTwin",
        update_twin=Twin(tags={"never": 1}),
        query_condition=f"deviceId = '{device_id}'",
        start_time=datetime.now(UTC) + timedelta(hours=1),
    )

    created = await hub.jobs("create_scheduled_job", job_id, request)
    found = await hub.jobs("query_scheduled_jobs", "scheduleUpdateTwin", "scheduled")
    cancelled = await hub.jobs("cancel_scheduled_job", job_id)

    assert created.status == "scheduled"
    assert job_id in {item["jobId"] for item in found.items}
    assert cancelled.status == "cancelled"


async def test_job_is_refused_when_its_id_is_taken_or_it_is_malformed(hub: Hub) -> None:
    device_id = await hub.new_device("refused")
    twice = {"type": "scheduleUpdateTwin", "update_twin": Twin(tags={"a": 1})}
    condition = f"deviceId = '{device_id}'"
    await run_job(hub, f"twice-{device_id}", query_condition=condition, **twice)

    for status, job_id, fields in (
        (409, f"twice-{device_id}", twice),
        (400, "bad", {**twice, "query_condition": "this is no condition"}),
        (400, "bad", {"type": "scheduleUpdateTwin"}),
        (400, "bad", {"type": "scheduleDeviceMethod"}),
        (400, "bad", {"type": "import"}),
    ):
        with pytest.raises(HttpOperationError) as caught:
            await hub.jobs("create_scheduled_job", job_id, JobRequest(job_id=job_id, **fields))
        assert caught.value.response.status_code == status
    with pytest.raises(HttpOperationError) as caught:
        await hub.jobs("get_scheduled_job", "bad")
    assert caught.value.response.status_code == 404
