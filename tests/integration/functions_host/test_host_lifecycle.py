from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from azure.storage.blob.aio import BlobServiceClient

from tests.integration.functions_host.support import (
    PATIENCE_SECONDS,
    Collector,
    HostFactory,
    HostProcess,
)

HOST_JSON = '{"version": "2.0"}'
HEAD = "import azure.functions as func\napp = func.FunctionApp()\n"


async def test_a_timer_can_be_fired_by_hand(
    host: HostProcess, web_client: aiohttp.ClientSession, collector: Collector
) -> None:
    url = f"{host.base}/admin/functions/Yearly"
    async with web_client.post(url, headers={"x-functions-key": host.keys["master"]}) as response:
        assert response.status == 202
    async with web_client.post(url) as response:
        assert response.status == 401

    await collector.wait_for(1, "yearly", past_due=False)


async def test_a_timer_ticks_by_its_schedule_and_makes_up_for_a_missed_run(
    host: HostProcess, hosts: HostFactory, collector: Collector, blobs: BlobServiceClient
) -> None:
    last_year = datetime.now(UTC) - timedelta(days=400)
    container = blobs.get_container_client("azure-webjobs-hosts")
    await container.get_blob_client("timers/ticking/Host.Functions.yearly/status").upload_blob(
        json.dumps({"Last": last_year.isoformat()}), overwrite=True
    )
    settings = {
        "TICK_SCHEDULE": "* * * * * *",
        "WORK_QUEUE": "ticking",
        "COPY_QUEUE": "ticking-copies",
    }

    ticking = await hosts.start("ticking", settings)
    await collector.wait_for(1, "yearly", past_due=True)
    await collector.wait_for(1, "at_start", host="ticking")
    ticks = await collector.wait_for(2, "tick")

    assert ticks[0]["next"] < ticks[1]["next"]
    assert await ticking.stop() == 0


async def test_running_functions_end_before_the_host_does(
    hosts: HostFactory, web_client: aiohttp.ClientSession, collector: Collector
) -> None:
    settings = {"WORK_QUEUE": "drained", "COPY_QUEUE": "drained-copies"}
    draining = await hosts.start("drained", settings)
    url = f"{draining.base}/admin/functions/work"
    job = {"input": json.dumps({"id": "drained", "gate": "drained"})}
    async with web_client.post(
        url, json=job, headers={"x-functions-key": draining.keys["master"]}
    ) as response:
        assert response.status == 202
    await collector.wait_for(1, "work", id="drained")

    stopping = asyncio.create_task(draining.stop())
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                async with web_client.get(f"{draining.base}/api/hello"):
                    await asyncio.sleep(0.02)
            except aiohttp.ClientError:
                break
    collector.open_gate("drained")

    assert await stopping == 0
    assert collector.of("work_after_gate", id="drained")


async def refused(hosts: HostFactory, app: Path, name: str, *, host_json: str = HOST_JSON) -> str:
    (app / "host.json").write_text(host_json)
    process, log = await hosts.launch(name, {}, app)
    async with asyncio.timeout(PATIENCE_SECONDS):
        output, _ = await process.communicate()
    assert (process.returncode, output) == (1, b"")
    return log.read_text()


@pytest.mark.parametrize(
    ("name", "code", "messages"),
    [
        (
            "bad-annotation",
            "@app.queue_trigger(arg_name='m', queue_name='q', connection='STATE')\n"
            "def broken(m: int): ...\n",
            ["broken", "Python type annotation int"],
        ),
        ("bad-import", "import nothing_of_this_name\n", ["nothing_of_this_name"]),
        (
            "polled-blob",
            "@app.blob_trigger(arg_name='b', path='c/{n}', connection='STATE')\n"
            "def polled(b: func.InputStream): ...\n",
            ["function polled", "source=EventGrid"],
        ),
    ],
)
async def test_an_app_that_cannot_run_is_refused_with_function_and_cause(
    hosts: HostFactory, tmp_path: Path, name: str, code: str, messages: list[str]
) -> None:
    (tmp_path / "function_app.py").write_text(HEAD + code)

    log = await refused(hosts, tmp_path, name)

    for message in ("cannot start", *messages):
        assert message in log


async def test_a_bad_option_is_named(hosts: HostFactory, tmp_path: Path) -> None:
    (tmp_path / "function_app.py").write_text(HEAD)
    options = {"version": "2.0", "extensions": {"queues": {"batchSize": 99}}}

    log = await refused(hosts, tmp_path, "bad-option", host_json=json.dumps(options))

    assert "extensions.queues.batchSize: 99 is not a whole number from 1 to 32" in log


async def test_a_dead_trigger_takes_the_host_down(hosts: HostFactory, tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text(HOST_JSON)
    (tmp_path / "function_app.py").write_text(
        HEAD + "@app.queue_trigger(arg_name='m', queue_name='x', connection='STATE')\n"
        "def named_too_short(m: func.QueueMessage): ...\n"
    )

    dying = await hosts.start("dying", app=tmp_path)

    assert await dying.wait() == 2
    assert "the listener of named_too_short has died" in dying.log.read_text()
