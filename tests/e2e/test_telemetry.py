"""What a collector of telemetry gets to see: whole traces, metrics, log lines, and no secret."""

from __future__ import annotations

import json
import re
import secrets
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import pytest
from azure.storage.blob.aio import ContainerClient

from local.rest import Rest
from local.stack.parts import INSTANCE
from local.stack.running import start
from odu_cli.blob_drop import drop, read_status
from shared.signals import Metric, Span
from tests.otlp import GotSpan, Receiver, drawn, receiver
from tests.packages import make_package, unique
from tests.product import Product
from tests.stored.recording import CREDENTIALS
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.sources import Sources

MORE_THAN_AT_ONCE = 5 << 20
"""Bytes of an import that goes by the triggers of its stages (`IMPORT_AT_ONCE_BYTES`)."""
OF_DEVICES = {Metric.DEVICE_ASKS, Metric.DEVICE_RESULTS, Metric.EVENT_LAG}


@pytest.fixture(scope="module")
async def got() -> AsyncIterator[Receiver]:
    async with receiver() as running:
        yield running


@pytest.fixture(scope="module")
async def product(
    got: Receiver, sources: Sources, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Product]:
    """A stack of its own, whose service tells the receiver."""
    options = ["--otlp", got.url]
    with start(tmp_path_factory.mktemp("telemetry"), options=options) as stack:
        async with Rest(stack) as rest:
            yield Product(stack, rest, sources, tmp_path_factory.mktemp("devices"))


async def whole_trace(got: Receiver, name: str, last: str, **facts: str) -> list[GotSpan]:
    """The trace that begins with a span, once it is whole and has its last span."""

    async def look() -> list[GotSpan]:
        begun = [
            span
            for span in got.spans
            if span.name == name
            and all(span.facts.get(f"odu.{key}") == value for key, value in facts.items())
        ]
        assert begun, sorted({span.name for span in got.spans})
        trace = begun[0].trace
        spans = got.trace(trace)
        assert last in {span.name for span in spans}, drawn(spans)
        assert got.is_whole(trace), [span.name for span in spans]
        return spans

    return await eventually(look)


def path_to(spans: list[GotSpan], span: GotSpan) -> list[str]:
    """Names from the root of a trace to a span."""
    by_identity = {each.identity: each for each in spans}
    names = [span.name]
    while span.parent:
        span = by_identity[span.parent]
        names.append(span.name)
    return names[::-1]


async def test_trace_goes_from_the_deployment_to_the_success_of_its_devices(
    product: Product, got: Receiver
) -> None:
    group, model = unique("group"), unique("model")
    package = make_package(model)
    await product.publish(package)
    async with product.fleet(group, model, 2):
        await product.seen(group, 2)
        identity = await product.rest.deploy(group, package.update_id)
        await product.until_counts(group, identity, succeeded=2)

    spans = await whole_trace(
        got, "create_or_update_deployment", Span.DEVICE_RUNS_UPDATE, deployment=identity
    )

    runs = [span for span in spans if span.name == Span.DEVICE_RUNS_UPDATE]
    print(drawn(spans))  # noqa: T201 (docs/operating.md shows it)
    assert {span.facts["odu.device"] for span in runs} == {f"{model}-0", f"{model}-1"}
    for span in runs:
        assert path_to(spans, span) == [
            "create_or_update_deployment",
            "fan_out",
            "reconcile",
            Span.DEVICE_RUNS_UPDATE,
        ]
        assert span.facts["odu.result"] == "succeeded"
        assert span.facts["odu.deployment"] == identity
        (reported_in,) = span.links
        assert {"relay_twin_changes", "apply_twin_changes"} <= {
            each.name for each in got.trace(reported_in)
        }
    assert [span.name for span in spans].count(Span.ASK_DEVICE) == 2


async def test_trace_of_a_small_import_has_every_stage(product: Product, got: Receiver) -> None:
    ended = await product.publish(make_package(unique("model")))

    spans = await whole_trace(got, Span.PUBLISH, Span.PUBLISH, operation=ended["operationId"])

    names = [span.name for span in spans]
    assert names[0] == "import_update"
    assert spans[0].trace == ended["traceId"]
    assert {"fetch_import", Span.FETCH, Span.SCAN, Span.PUBLISH} <= set(names)
    assert "publish_import" not in names


async def test_trace_goes_from_the_import_to_the_published_update(
    product: Product, got: Receiver
) -> None:
    package = make_package(unique("model"), files={"large.bin": bytes(MORE_THAN_AT_ONCE)})
    ended = await product.publish(package)

    spans = await whole_trace(got, Span.PUBLISH, Span.PUBLISH, operation=ended["operationId"])

    names = [span.name for span in spans]
    print(drawn(spans))  # noqa: T201
    assert names[0] == "import_update"
    assert spans[0].trace == ended["traceId"]
    assert {"fetch_import", Span.FETCH, Span.SCAN, "publish_import", Span.PUBLISH} <= set(names)
    scan = next(span for span in spans if span.name == Span.SCAN)
    (triggered_by,) = scan.links
    assert "scan_quarantined" in {span.name for span in got.trace(triggered_by)}


async def test_trace_of_a_drop_begins_with_it(product: Product, got: Receiver) -> None:
    package = make_package(unique("model"))
    async with ContainerClient.from_connection_string(
        product.stack.storage_connection_string, product.stack.import_drop_container
    ) as container:
        folder = f"{INSTANCE}/{unique('drop')}"
        name = await drop(container, folder, "it", package.manifest, package.files)

        async def published() -> str:
            status = await read_status(container, name)
            assert status is not None
            assert status["status"] == "Succeeded"
            return str(status["operationId"])

        operation = await eventually(published)

    spans = await whole_trace(got, Span.PUBLISH, Span.PUBLISH, operation=operation)

    assert spans[0].name == "import_dropped"


async def test_failed_device_and_failed_import_are_told_by_their_codes(
    product: Product, got: Receiver
) -> None:
    group, model = unique("group"), unique("model")
    package = make_package(model)
    await product.publish(package)
    async with product.fleet(
        group, model, 1, install={"resultCode": 0, "extendedResultCodes": "30400001"}
    ):
        await product.seen(group, 1)
        identity = await product.rest.deploy(group, package.update_id)
        await product.until_counts(group, identity, failed=1)
    again = await product.import_items(product.sources.offer(package))

    async def told() -> None:
        runs = [
            span
            for span in got.spans
            if span.name == Span.DEVICE_RUNS_UPDATE and span.facts["odu.deployment"] == identity
        ]
        assert len(runs) == 1
        run = runs[0]
        assert run.is_error
        assert re.fullmatch("[0-9a-f]{8}", run.facts["odu.code"])
        assert set(got.points) >= OF_DEVICES, got.points.keys()
        results = got.points[Metric.DEVICE_RESULTS]
        assert run.facts["odu.code"] in [point.get("odu.code") for point in results]
        failures = got.points.get(Metric.FAILURES, [])
        assert again["error"]["code"] in [point["odu.code"] for point in failures]

    await eventually(told)


async def test_metrics_and_log_lines_are_told_by_the_names_that_alerts_ask_for(
    product: Product, got: Receiver
) -> None:
    context = ssl.create_default_context(cafile=product.stack.ca_file)
    headers = {"x-functions-key": product.stack.host_master_key}
    async with aiohttp.ClientSession(headers=headers) as session:
        address = f"{product.stack.endpoint}/admin/functions/sweep"
        async with session.post(address, json={}, ssl=context) as response:
            assert response.ok
    package = make_package(unique("model"))
    await product.publish(package)
    refused = await product.import_items(product.sources.offer(package))
    assert refused["status"] == "Failed"

    async def told() -> None:
        assert set(got.points) >= {*Metric} - OF_DEVICES, got.points.keys()
        asked = {
            (point.get("odu.function"), point["odu.service"])
            for point in got.points[Metric.STORAGE_REQUESTS]
        }
        assert ("fetch_import", "table") in asked
        assert ("fetch_import", "blob") in asked
        lines = [line for line in got.logs if refused["operationId"] in line.text]
        assert lines
        line = lines[0]
        assert line.facts["odu.operation"] == refused["operationId"]
        assert line.facts["odu.instance"] == INSTANCE
        assert line.trace == refused["traceId"]

    await eventually(told)
    assert set(got.points) <= {*Metric}


async def test_no_secret_is_told(product: Product, got: Receiver) -> None:
    canary = secrets.token_hex(24)
    package, absent = make_package(unique("model")), make_package(unique("model"))
    missing = product.sources.offer(absent, query=f"?sig={canary}")
    missing["files"][0]["url"] = product.sources.nowhere() + f"?sig={canary}"
    good = product.sources.offer(package, query=f"?sv=1&sig={canary}")
    ended = await product.import_items(good)
    failed = await product.import_items(missing)
    assert (ended["status"], failed["status"]) == ("Succeeded", "Failed")
    await whole_trace(got, Span.PUBLISH, Span.PUBLISH, operation=ended["operationId"])
    await eventually_told(got, failed["operationId"])
    state = Path(product.stack.state)
    known = json.loads((state / CREDENTIALS).read_bytes())

    everything = b"".join(got.raw)

    assert canary.encode() not in everything
    assert product.stack.token().partition(".")[0].encode() not in everything
    for secret in flat(known):
        assert secret.encode() not in everything


async def eventually_told(got: Receiver, operation: str) -> None:
    async def look() -> None:
        assert any(operation in line.text for line in got.logs)

    await eventually(look)


def flat(value: object) -> list[str]:
    """Every text of a document."""
    if isinstance(value, dict):
        return [text for each in value.values() for text in flat(each)]
    return [value] if isinstance(value, str) else []
