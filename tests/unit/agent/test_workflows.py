"""Workflows of the agent: replays, retries, cancels and replacements."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.builders.agent_runs import SUCCESS, UNCHANGED, agent, codes_of, deploy
from tests.unit.contract import vectors

from .content_server import ContentServer, endless
from .fake_hub import FakeHub
from .fixtures import Update, file_of


@pytest.mark.parametrize(
    "service",
    [
        7,
        [],
        {"workflow": 7},
        {"workflow": {"action": 3, "id": "w"}},
        {"workflow": {"action": 0, "id": "w"}, "rootKeyPackageUrl": "http://x/r.json"},
        {"workflow": {"id": "w"}, "rootKeyPackageUrl": "http://x/r.json"},
    ],
)
async def test_malformed_command_is_ignored_and_the_next_one_is_followed(
    hub: FakeHub, server: ContentServer, tmp_path: Path, service: Any
) -> None:
    async with agent(hub, tmp_path):
        await hub.desire({"deviceUpdate": {"service": service}})
        await hub.desire({"deviceUpdate": 7})
        report = await deploy(hub, Update(server))

    assert codes_of(report) == (0, 700, SUCCESS)
    assert [ack["av"] for ack in hub.acknowledgements()] == [4]


async def test_duplicates_and_lost_patches_change_nothing(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    first, second = Update(server).service("a"), Update(server, "2.0").service("b")

    async with agent(hub, tmp_path):
        assert hub.client is not None
        await hub.desire_service(first)
        await hub.client.hand_over(hub.desired)
        await hub.until_end("a")
        await hub.client.hand_over(hub.desired)
        await hub.desire({"other": 1}, is_lost=True)
        await hub.desire_service(second)
        await hub.until_end("b")

    ends = [report["workflow"]["id"] for report in hub.agent_reports() if report["state"] == 0]
    assert ends == ["a", "b"]


async def test_completed_workflow_is_not_run_again_after_a_restart(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    async with agent(hub, tmp_path):
        await deploy(hub, Update(server), workflow_id="w")
    (tmp_path / "simulator.json").unlink()
    server.requests.clear()

    async with agent(hub, tmp_path):
        report = await hub.until_end("w", count=2)

    assert codes_of(report) == (0, 700, "00000000,A0000008"), "as it was reported"
    assert report["installedUpdateId"] == '{"provider":"Contoso","name":"Vacuum","version":"1.0"}'
    assert server.requests == []


async def test_older_workflow_is_not_replayed_after_a_newer_one_and_a_restart(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    old = Update(server).service("old")
    async with agent(hub, tmp_path):
        await hub.desire_service(old)
        await hub.until_end("old")
        await deploy(hub, Update(server, "2.0"), workflow_id="new")
    async with agent(hub, tmp_path):
        await hub.desire_service(old)
        await hub.until_acknowledged(4)

    assert hub.agent_reports()[-1]["workflow"]["id"] == "new"


async def test_cancel_stops_the_deployment_and_its_replay(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    update = Update(server)
    service = update.service("w")
    slow = {"delaySeconds": {"install": 60}}

    async with agent(hub, tmp_path, simulator=slow, report_phases=True):
        await hub.desire_service(service)
        await hub.until_phase("w", "install")
        await hub.desire_service(update.cancel("w"))
        report = await hub.until_end("w")
    async with agent(hub, tmp_path, simulator={"delaySeconds": {"apply": 0}}):
        await hub.desire_service(service)
        replayed = await hub.until_end("w", count=3)
        await hub.desire_service(update.service("w", "1"))
        retried = await hub.until_end("w", count=4)

    assert codes_of(report) == (0, -1, SUCCESS)
    assert "installedUpdateId" not in report
    assert report["phase"] is None
    assert codes_of(replayed)[:2] == (0, -1)
    assert codes_of(retried)[:2] == (0, 700)


async def test_cancel_in_the_twin_at_start_is_reported_as_idle(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    await hub.desire_service(Update(server).cancel("w"))

    async with agent(hub, tmp_path):
        report = await hub.until_end("w")

    assert codes_of(report) == (0, 200, "00000000")
    assert report["workflow"] == {"action": 255, "id": "w"}


async def test_cancel_is_only_acknowledged_when_nothing_runs(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    async with agent(hub, tmp_path):
        await hub.desire_service(Update(server).cancel("w"))
        await hub.until_acknowledged(2)

    assert hub.agent_reports() == []


async def test_newer_deployment_replaces_the_running_one(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    slow = {"delaySeconds": {"install": 60}, "install": {"resultCode": 600}}

    async with agent(hub, tmp_path, simulator=slow, report_phases=True):
        await hub.desire_service(Update(server).service("a"))
        await hub.until_phase("a", "install")
        await hub.desire_service(Update(server, "2.0").service("b"))
        await hub.until_phase("b", "install")

    assert {report["state"] for report in hub.agent_reports()} == {6}


async def test_failed_deployment_runs_again_for_a_new_retry_timestamp_alone(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    update = Update(server)
    data = tmp_path / "du-simulator-data.json"
    data.write_text('{"apply": {"resultCode": 0, "extendedResultCode": 805306999}}')

    async with agent(hub, tmp_path):
        failed = await deploy(hub, update, workflow_id="w")
        data.unlink()
        await hub.desire_service(update.service("w"))
        await hub.until_acknowledged(3)
        await hub.desire_service(update.service("w", "1"))
        retried = await hub.until_end("w", count=2)

    assert codes_of(failed) == (255, 0, "30000277,A0000008")
    assert failed["lastInstallResult"]["stepResults"]["step_0"]["resultCode"] == 0
    assert codes_of(retried) == (0, 700, UNCHANGED)
    assert retried["workflow"]["retryTimestamp"] == "1"


async def test_failed_workflow_runs_again_at_the_start_for_a_new_retry_alone(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    broken = {"install": {"resultCode": 0, "extendedResultCode": 7, "resultDetails": "jammed"}}
    async with agent(hub, tmp_path, simulator=broken):
        first = await deploy(hub, Update(server), workflow_id="w")
    server.requests.clear()

    async with agent(hub, tmp_path):
        again = await hub.until_end("w", count=2)
        assert again == first, "the twin is told again, and nothing has run"
        assert server.requests == []
        await hub.desire_service(Update(server).service("w", retry="1"))
        retried = await hub.until_end("w", count=3)

    assert codes_of(first) == (255, 0, "00000007,A0000008")
    assert first["lastInstallResult"]["resultDetails"] == "jammed"
    assert codes_of(retried) == (0, 700, SUCCESS.replace("A0000008", "A0000FFF"))


async def test_download_is_interrupted_by_a_cancel(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    size = 50_000_000
    update = Update(server, changes={"files": {"f1": replace(file_of(b""), size_in_bytes=size)}})
    server.faults["f1"] = [endless(pause_seconds=0.05)]

    async with agent(hub, tmp_path):
        await hub.desire_service(update.service("w"))
        await hub.until_acknowledged(2)
        await hub.desire_service(update.cancel("w"))
        report = await hub.until_end("w")

    assert codes_of(report) == (0, -1, SUCCESS)


async def test_deployment_goes_on_after_the_agent_was_stopped(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    slow = {"delaySeconds": {"install": 60}}
    async with agent(hub, tmp_path, simulator=slow, report_phases=True):
        await hub.desire_service(Update(server).service("w"))
        await hub.until_phase("w", "install")
    assert {report["state"] for report in hub.agent_reports()} == {6}
    server.requests.clear()

    async with agent(hub, tmp_path):
        report = await hub.until_end("w")

    assert codes_of(report)[:2] == (0, 700)
    assert [name for name, _ in server.requests] == ["roots.json"]


async def test_phases_are_reported_in_order_when_asked_for(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    async with agent(hub, tmp_path, report_phases=True):
        await deploy(hub, Update(server))

    phases = [report["phase"] for report in hub.agent_reports()]
    assert phases == [None, "download", "install", "apply", None]


async def test_many_agents_share_one_loop(server: ContentServer, tmp_path: Path) -> None:
    hubs = [FakeHub() for _ in range(24)]
    service = Update(server).service("w")
    slow = {"delaySeconds": {"install": 0.5}}

    async def one(number: int, hub: FakeHub) -> dict[str, Any]:
        await hub.desire_service(service)
        async with agent(hub, tmp_path / str(number), simulator=slow):
            return await hub.until_end("w")

    reports = await asyncio.gather(*(one(number, hub) for number, hub in enumerate(hubs)))

    assert {codes_of(report) for report in reports} == {(0, 700, SUCCESS)}


async def test_no_signature_of_an_address_is_logged_or_reported(
    hub: FakeHub, server: ContentServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "odu_agent")
    update = Update(server)
    service = update.service("w")
    server.contents.clear()
    server.contents["roots.json"] = vectors.signed_package()

    async with agent(hub, tmp_path):
        await hub.desire_service(service)
        await hub.until_end("w")
        await hub.until_acknowledged(2)
        hub.reports = [r for r in hub.reports if "service" not in r.get("deviceUpdate", {})]

    assert "sig=" not in caplog.text
    assert "c2VjcmV0" not in caplog.text
    assert "sig=" not in str(hub.reports)
