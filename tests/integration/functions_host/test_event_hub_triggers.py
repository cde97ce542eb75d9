from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from urllib.parse import parse_qs, quote

from azure.storage.blob.aio import BlobServiceClient

from tests.certificates import Certificates
from tests.integration.functions_host.support import (
    Collector,
    EventLog,
    HostFactory,
    HostProcess,
)
from tests.waiting import eventually


async def test_batches_come_in_order_with_all_that_belongs_to_an_event(
    host: HostProcess, collector: Collector, event_log: EventLog
) -> None:
    bodies = [f"order-{number}" for number in range(7)]
    await event_log.put("twins", "0", *bodies)

    await collector.wait_until(lambda: bodies[-1] in seen(collector))
    batches = [f for f in collector.of("on_batch") if f["bodies"][0].startswith("order-")]

    assert [body for batch in batches for body in batch["bodies"]] == bodies
    assert all(len(batch["bodies"]) <= 3 for batch in batches)
    assert batches[0]["keys"][0] == batches[0]["device"] == "d1"
    assert batches[0]["properties"][0] == {"opType": "updateTwin"}


async def test_a_failed_batch_is_passed_over(
    host: HostProcess, collector: Collector, event_log: EventLog
) -> None:
    await event_log.put("twins", "1", "fail")
    await collector.wait_until(lambda: "fail" in seen(collector))
    await event_log.put("twins", "1", "after the failure")

    await collector.wait_until(lambda: "after the failure" in seen(collector))

    assert seen(collector).count("fail") == 1


async def test_single_events_are_retried_by_the_policy_of_the_function(
    host: HostProcess, collector: Collector, event_log: EventLog
) -> None:
    await event_log.put("singles", "0", "fail", "fine")

    failed = await collector.wait_for(3, "on_single", body="fail")
    (fine,) = await collector.wait_for(1, "on_single", body="fine")

    assert [fact["retry"] for fact in failed] == [0, 1, 2]
    assert fine["enqueued"] == "2026-03-04T05:06:07.800000+00:00"


async def test_reading_goes_on_at_the_checkpoint_when_host_and_source_restart(
    hosts: HostFactory,
    collector: Collector,
    certificates: Certificates,
    blobs: BlobServiceClient,
) -> None:
    source = EventLog()
    await source.start(certificates)
    settings = {
        "TWINS": source.connection.replace("localhost", "127.0.0.1"),
        "WORK_QUEUE": "resumed",
        "COPY_QUEUE": "resumed-copies",
    }
    await source.put("twins", "1", "before the restart")
    first = await hosts.start("resumed", settings)
    await collector.wait_until(lambda: "before the restart" in seen(collector))
    assert await first.stop() == 0
    await source.stop()

    second = await hosts.start("resumed", settings)
    async with asyncio.timeout(10):
        while "next try in" not in second.log.read_text():  # noqa: ASYNC110 - a log has no events
            await asyncio.sleep(0.02)
    await source.put("twins", "1", "after the restart")
    await source.start(certificates)
    await collector.wait_until(lambda: "after the restart" in seen(collector))

    assert seen(collector).count("before the restart") == 1
    checkpoint = blobs.get_blob_client("azure-webjobs-eventhub", "127.0.0.1/twins/odu/checkpoint/1")
    async with asyncio.timeout(10):
        while (await checkpoint.get_blob_properties()).metadata["sequencenumber"] != "2":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert await second.stop() == 0
    await source.stop()


async def test_requests_are_signed_for_the_event_hub(
    host: HostProcess, event_log: EventLog
) -> None:
    async def look() -> str:
        assert event_log.authorizations
        return event_log.authorizations[0]

    authorization = await eventually(look)
    fields = parse_qs(authorization.removeprefix("SharedAccessSignature "))
    (resource,) = fields["sr"]
    encoded = quote(resource, safe="")
    text = f"{encoded}\n{fields['se'][0]}".encode()
    expected = hmac.digest(base64.b64decode(EventLog.KEY), text, hashlib.sha256)

    assert resource in {f"localhost:{event_log.port}/{hub}" for hub in ("twins", "singles")}
    assert base64.b64decode(fields["sig"][0]) == expected
    assert fields["skn"] == ["service"]


def seen(collector: Collector) -> list[str]:
    return [body for fact in collector.of("on_batch") for body in fact["bodies"]]
