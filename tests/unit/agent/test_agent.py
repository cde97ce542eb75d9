from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from odu_agent.agent import Agent
from odu_agent.contract.codes import Erc
from odu_agent.contract.manifest import ManifestStep, ManifestUpdateId, UpdateManifest
from odu_agent.contract.rootkeys import signing_key_hash
from odu_agent.hub import HubError

from tests.unit.contract import vectors

from .content_server import ContentServer, endless, serving
from .fake_hub import FakeHub
from .fixtures import HANDLER, QUICK, Update, config, file_of, with_child

SUCCESS = "00000000,A0000008"
UNCHANGED = "00000000,A0000FFF"


@pytest.fixture
async def server() -> AsyncIterator[ContentServer]:
    async with serving() as started:
        yield started


@pytest.fixture
async def hub() -> FakeHub:
    return FakeHub()


@asynccontextmanager
async def _agent(hub: FakeHub, folder: Path, **changes: Any) -> AsyncIterator[None]:
    agent = Agent(config(folder, **changes), client_factory=hub.make_client, limits=QUICK)
    starts = sum("deviceInformation" in report for report in hub.reports)
    running = asyncio.create_task(agent.run())
    try:
        await hub.until(
            lambda: sum("deviceInformation" in report for report in hub.reports) > starts
        )
        yield
    finally:
        await agent.stop()
        await running
    assert hub.client is not None
    assert hub.client.is_shut_down


async def _deploy(hub: FakeHub, update: Update, **options: Any) -> dict[str, Any]:
    service = update.service(**options)
    await hub.desire_service(service)
    return await hub.until_end(service["workflow"]["id"])


def _codes(report: dict[str, Any]) -> tuple[int, int, str]:
    result = report["lastInstallResult"]
    return report["state"], result["resultCode"], result["extendedResultCodes"]


async def test_agent_introduces_itself_when_nothing_is_desired(
    hub: FakeHub, tmp_path: Path
) -> None:
    async with _agent(hub, tmp_path, additional_properties={"location": "lab"}):
        pass

    properties = hub.reports[0]["deviceUpdate"]["agent"]["deviceProperties"]
    assert properties["location"] == "lab"
    assert properties["contractModelId"] == "dtmi:azure:iot:deviceUpdateContractModel;3"
    assert hub.reports[0]["deviceUpdate"]["agent"]["compatPropertyNames"] == "manufacturer,model"
    assert hub.reports[1]["deviceInformation"]["totalStorage"] > 0
    assert len(hub.reports) == 2


async def test_agent_connects_when_the_first_tries_fail(hub: FakeHub, tmp_path: Path) -> None:
    hub.failures = [HubError("no")]

    async with _agent(hub, tmp_path):
        pass

    assert hub.failures == []


async def test_deployment_succeeds_and_is_reported_as_the_contract_says(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    update = Update(server, contents={"f1": b"one", "f2": b"two"})
    service = update.service("w")

    async with _agent(hub, tmp_path):
        await hub.desire_service(service)
        await hub.until_acknowledged(2)
        await hub.until_end("w")

    step = {"resultCode": 700, "extendedResultCodes": "00000000", "resultDetails": None}
    first, last = hub.agent_reports()
    assert first == {
        "lastInstallResult": {
            "resultCode": 1,
            "extendedResultCodes": "00000000",
            "resultDetails": None,
            "stepResults": None,
        },
        "state": 6,
        "workflow": {"action": 3, "id": "w"},
    }
    assert last == {
        "lastInstallResult": {
            "resultCode": 700,
            "extendedResultCodes": SUCCESS,
            "resultDetails": None,
            "stepResults": {"step_0": step, "step_1": step},
        },
        "state": 0,
        "workflow": {"action": 3, "id": "w"},
        "installedUpdateId": '{"provider":"Contoso","name":"Vacuum","version":"1.0"}',
    }
    (acknowledged,) = hub.acknowledgements()
    value = {**service, "updateManifestSignature": None, "fileUrls": None}
    assert acknowledged == {"value": value, "ac": 200, "ad": "", "av": 2}
    assert list((tmp_path / "downloads").iterdir()) == []


async def test_deployment_in_the_twin_at_start_is_handled_before_the_introduction(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    await hub.desire_service(Update(server).service("w"))

    async with _agent(hub, tmp_path):
        report = await hub.until_end("w")

    assert _codes(report) == (0, 700, SUCCESS)
    assert hub.reports[0]["deviceUpdate"]["agent"]["state"] == 6


async def test_installed_update_succeeds_at_once_when_deployed_again(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    async with _agent(hub, tmp_path):
        await _deploy(hub, Update(server))
        server.requests.clear()
        report = await _deploy(hub, Update(server), retry="1")

    assert _codes(report) == (0, 700, UNCHANGED)
    assert report["lastInstallResult"]["stepResults"]["step_0"]["resultCode"] == 603
    assert [name for name, _ in server.requests] == ["roots.json"]


async def test_earlier_version_is_installed_again_when_rolled_back(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    async with _agent(hub, tmp_path):
        for version in ("1.0", "2.0", "1.0"):
            report = await _deploy(hub, Update(server, version))

    assert _codes(report) == (0, 700, UNCHANGED)
    assert report["lastInstallResult"]["stepResults"]["step_0"]["resultCode"] == 700


async def test_earlier_version_is_refused_when_downgrades_are_not_allowed(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    async with _agent(hub, tmp_path, allow_downgrade=False):
        await _deploy(hub, Update(server, "1.10"))
        report = await _deploy(hub, Update(server, "1.9"))

    assert _codes(report) == (255, 0, "30400F02,A0000FFF")
    assert "installedUpdateId" not in report


async def test_reference_step_carries_out_the_childs_steps(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    child = UpdateManifest(
        ManifestUpdateId("Contoso", "Motor", "3.0"),
        ({"group": "motors"},),
        (ManifestStep(HANDLER, ("m1",), {"installedCriteria": "m"}),),
        {"m1": file_of(b"motor")},
        manifest_version="4",
    )
    update = with_child(Update(server), child, {"m1": b"motor"})

    async with _agent(hub, tmp_path):
        report = await _deploy(hub, update)

    assert _codes(report) == (0, 700, SUCCESS)
    assert set(report["lastInstallResult"]["stepResults"]) == {"step_0", "step_1"}
    assert {name for name, _ in server.requests} == {"roots.json", "f1", "child", "m1"}


async def test_reference_step_fails_when_the_child_has_references(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    update_id = ManifestUpdateId("Contoso", "Motor", "3.0")
    child = UpdateManifest(update_id, (), (ManifestStep(detached_manifest_file_id="x"),), {})

    async with _agent(hub, tmp_path):
        report = await _deploy(hub, with_child(Update(server), child, {}))

    assert _codes(report) == (255, 0, "30400009,A0000008")


async def test_detached_main_manifest_is_followed(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    long = with_child(Update(server), Update(server).manifest(), {}).changes["files"]["child"]
    update = Update(
        server, changes={"detached_manifest_file_id": "child", "files": {"child": long}}
    )

    async with _agent(hub, tmp_path):
        report = await _deploy(hub, update)

    assert _codes(report) == (0, 700, SUCCESS)
    assert (tmp_path / "simulator.json").exists()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"compatibility": ({"manufacturer": "contoso", "model": "toaster"},)}, "30400F01"),
        ({"compatibility": ()}, "30400F01"),
        ({"compatibility": ({},)}, "30400F01"),
        ({"steps": (ManifestStep("other/handler:1"),)}, "30000003"),
        ({"steps": (ManifestStep(HANDLER, ("absent",)),)}, "30400001"),
        ({"steps": (ManifestStep(detached_manifest_file_id="absent"),)}, "30400001"),
        ({"files": {"f1": file_of(b"payload one", "../x")}}, "40000006"),
        ({"files": {"f1": file_of(b"payload two")}}, "4000000C"),
        ({"files": {"f1": replace(file_of(b"payload one"), size_in_bytes=2**60)}}, "0000001C"),
        ({"files": {"f1": replace(file_of(b"payload one"), size_in_bytes=10)}}, "40200F01"),
    ],
)
async def test_deployment_fails_when_the_manifest_cannot_be_followed(
    hub: FakeHub, server: ContentServer, tmp_path: Path, changes: dict[str, Any], code: str
) -> None:
    async with _agent(hub, tmp_path):
        report = await _deploy(hub, Update(server, changes=changes))
        good = await _deploy(hub, Update(server))

    assert _codes(report) == (255, 0, f"{code},A0000008")
    assert "installedUpdateId" not in report
    assert good["lastInstallResult"]["resultCode"] == 700


async def test_nothing_is_fetched_when_the_update_is_for_other_hardware(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    update = Update(server, changes={"compatibility": ({"model": "toaster"},)})

    async with _agent(hub, tmp_path):
        await _deploy(hub, update)

    assert [name for name, _ in server.requests] == ["roots.json"]


async def test_compatibility_of_the_older_generation_is_understood(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    wanted = {"deviceManufacturer": "contoso", "deviceModel": "vacuum"}

    async with _agent(hub, tmp_path):
        report = await _deploy(hub, Update(server, changes={"compatibility": (wanted,)}))

    assert _codes(report)[:2] == (0, 700)


async def test_file_without_an_address_fails(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    service = Update(server).service()
    del service["fileUrls"]["f1"]

    async with _agent(hub, tmp_path):
        await hub.desire_service(service)
        report = await hub.until_end(service["workflow"]["id"])

    assert _codes(report) == (255, 0, "40000007,A0000008")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"updateManifestSignature": None}, Erc.MANIFEST_HASH_WRONG),
        ({"updateManifestSignature": "a.b"}, Erc.JWS_BAD_STRUCTURE),
        ({"updateManifest": None}, Erc.MANIFEST_HASH_WRONG),
        ({"updateManifest": {"manifestVersion": "5"}}, Erc.MANIFEST_HASH_WRONG),
        ({"updateManifest": '{"manifestVersion":"5"}'}, Erc.MANIFEST_HASH_WRONG),
    ],
)
async def test_deployment_is_refused_and_acknowledged_when_it_was_tampered_with(
    hub: FakeHub, server: ContentServer, tmp_path: Path, change: dict[str, Any], code: Erc
) -> None:
    service = {**Update(server).service("w"), **change}

    async with _agent(hub, tmp_path):
        await hub.desire_service(service)
        report = await hub.until_end("w")
        await hub.until_acknowledged(2)
        good = await _deploy(hub, Update(server))

    assert _codes(report) == (255, 0, f"{code:08X},A0000008")
    assert good["state"] == 0


async def test_deployment_is_refused_when_its_signing_key_is_disabled(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    digest = signing_key_hash(vectors.private_key("signing.1").public_key())
    disabled = {"version": 2, "disabledSigningKeys": [{"alg": "SHA256", "hash": digest}]}

    async with _agent(hub, tmp_path):
        await _deploy(hub, Update(server))
        refused = await _deploy(hub, Update(server, "2.0", package=disabled))
        rolled_back = await _deploy(hub, Update(server, "2.0"))
        other = await _deploy(hub, Update(server, "2.0", package=disabled, signing_key="signing.2"))

    assert _codes(refused) == (255, 0, "A0000005,A0000008")
    assert _codes(rolled_back) == (255, 0, "A0000F01")
    assert _codes(other) == (0, 700, UNCHANGED)


async def test_root_key_package_is_kept_over_a_restart(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    async with _agent(hub, tmp_path):
        await _deploy(hub, Update(server, package={"version": 2}))
    async with _agent(hub, tmp_path):
        report = await _deploy(hub, Update(server, "2.0"))

    assert _codes(report) == (255, 0, "A0000F01")


@pytest.mark.parametrize(
    ("package", "code"),
    [(b"{}", "8050000D"), (b"no", "A0000001"), (None, "A0100001"), (b"x" * 2**21, "A0100001")],
)
async def test_deployment_is_neither_trusted_nor_acknowledged_without_root_keys(
    hub: FakeHub, server: ContentServer, tmp_path: Path, package: bytes | None, code: str
) -> None:
    service = Update(server).service("w")
    server.contents.pop("roots.json")
    if package is not None:
        server.contents["roots.json"] = package

    async with _agent(hub, tmp_path):
        await hub.desire_service(service)
        report = await hub.until_end("w")

    assert _codes(report) == (255, 0, code)
    assert hub.acknowledgements() == []


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
    async with _agent(hub, tmp_path):
        await hub.desire({"deviceUpdate": {"service": service}})
        await hub.desire({"deviceUpdate": 7})
        report = await _deploy(hub, Update(server))

    assert _codes(report) == (0, 700, SUCCESS)
    assert [ack["av"] for ack in hub.acknowledgements()] == [4]


async def test_duplicates_and_lost_patches_change_nothing(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    first, second = Update(server).service("a"), Update(server, "2.0").service("b")

    async with _agent(hub, tmp_path):
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
    async with _agent(hub, tmp_path):
        await _deploy(hub, Update(server), workflow_id="w")
    (tmp_path / "simulator.json").unlink()
    server.requests.clear()

    async with _agent(hub, tmp_path):
        report = await hub.until_end("w", count=2)

    assert _codes(report) == (0, 700, "00000000,A0000008"), "as it was reported"
    assert report["installedUpdateId"] == '{"provider":"Contoso","name":"Vacuum","version":"1.0"}'
    assert server.requests == []


async def test_older_workflow_is_not_replayed_after_a_newer_one_and_a_restart(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    old = Update(server).service("old")
    async with _agent(hub, tmp_path):
        await hub.desire_service(old)
        await hub.until_end("old")
        await _deploy(hub, Update(server, "2.0"), workflow_id="new")
    async with _agent(hub, tmp_path):
        await hub.desire_service(old)
        await hub.until_acknowledged(4)

    assert hub.agent_reports()[-1]["workflow"]["id"] == "new"


async def test_cancel_stops_the_deployment_and_its_replay(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    update = Update(server)
    service = update.service("w")
    slow = {"delaySeconds": {"install": 60}}

    async with _agent(hub, tmp_path, simulator=slow, report_phases=True):
        await hub.desire_service(service)
        await hub.until_phase("w", "install")
        await hub.desire_service(update.cancel("w"))
        report = await hub.until_end("w")
    async with _agent(hub, tmp_path, simulator={"delaySeconds": {"apply": 0}}):
        await hub.desire_service(service)
        replayed = await hub.until_end("w", count=3)
        await hub.desire_service(update.service("w", "1"))
        retried = await hub.until_end("w", count=4)

    assert _codes(report) == (0, -1, SUCCESS)
    assert "installedUpdateId" not in report
    assert report["phase"] is None
    assert _codes(replayed)[:2] == (0, -1)
    assert _codes(retried)[:2] == (0, 700)


async def test_cancel_in_the_twin_at_start_is_reported_as_idle(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    await hub.desire_service(Update(server).cancel("w"))

    async with _agent(hub, tmp_path):
        report = await hub.until_end("w")

    assert _codes(report) == (0, 200, "00000000")
    assert report["workflow"] == {"action": 255, "id": "w"}


async def test_cancel_is_only_acknowledged_when_nothing_runs(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    async with _agent(hub, tmp_path):
        await hub.desire_service(Update(server).cancel("w"))
        await hub.until_acknowledged(2)

    assert hub.agent_reports() == []


async def test_newer_deployment_replaces_the_running_one(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    slow = {"delaySeconds": {"install": 60}, "install": {"resultCode": 600}}

    async with _agent(hub, tmp_path, simulator=slow, report_phases=True):
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

    async with _agent(hub, tmp_path):
        failed = await _deploy(hub, update, workflow_id="w")
        data.unlink()
        await hub.desire_service(update.service("w"))
        await hub.until_acknowledged(3)
        await hub.desire_service(update.service("w", "1"))
        retried = await hub.until_end("w", count=2)

    assert _codes(failed) == (255, 0, "30000277,A0000008")
    assert failed["lastInstallResult"]["stepResults"]["step_0"]["resultCode"] == 0
    assert _codes(retried) == (0, 700, UNCHANGED)
    assert retried["workflow"]["retryTimestamp"] == "1"


async def test_failed_workflow_runs_again_at_the_start_for_a_new_retry_alone(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    broken = {"install": {"resultCode": 0, "extendedResultCode": 7, "resultDetails": "jammed"}}
    async with _agent(hub, tmp_path, simulator=broken):
        first = await _deploy(hub, Update(server), workflow_id="w")
    server.requests.clear()

    async with _agent(hub, tmp_path):
        again = await hub.until_end("w", count=2)
        assert again == first, "the twin is told again, and nothing has run"
        assert server.requests == []
        await hub.desire_service(Update(server).service("w", retry="1"))
        retried = await hub.until_end("w", count=3)

    assert _codes(first) == (255, 0, "00000007,A0000008")
    assert first["lastInstallResult"]["resultDetails"] == "jammed"
    assert _codes(retried) == (0, 700, SUCCESS.replace("A0000008", "A0000FFF"))


async def test_download_is_interrupted_by_a_cancel(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    size = 50_000_000
    update = Update(server, changes={"files": {"f1": replace(file_of(b""), size_in_bytes=size)}})
    server.faults["f1"] = [endless(pause_seconds=0.05)]

    async with _agent(hub, tmp_path):
        await hub.desire_service(update.service("w"))
        await hub.until_acknowledged(2)
        await hub.desire_service(update.cancel("w"))
        report = await hub.until_end("w")

    assert _codes(report) == (0, -1, SUCCESS)


async def test_deployment_goes_on_after_the_agent_was_stopped(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    slow = {"delaySeconds": {"install": 60}}
    async with _agent(hub, tmp_path, simulator=slow, report_phases=True):
        await hub.desire_service(Update(server).service("w"))
        await hub.until_phase("w", "install")
    assert {report["state"] for report in hub.agent_reports()} == {6}
    server.requests.clear()

    async with _agent(hub, tmp_path):
        report = await hub.until_end("w")

    assert _codes(report)[:2] == (0, 700)
    assert [name for name, _ in server.requests] == ["roots.json"]


async def test_phases_are_reported_in_order_when_asked_for(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    async with _agent(hub, tmp_path, report_phases=True):
        await _deploy(hub, Update(server))

    phases = [report["phase"] for report in hub.agent_reports()]
    assert phases == [None, "download", "install", "apply", None]


async def test_many_agents_share_one_loop(server: ContentServer, tmp_path: Path) -> None:
    hubs = [FakeHub() for _ in range(24)]
    service = Update(server).service("w")
    slow = {"delaySeconds": {"install": 0.5}}

    async def one(number: int, hub: FakeHub) -> dict[str, Any]:
        await hub.desire_service(service)
        async with _agent(hub, tmp_path / str(number), simulator=slow):
            return await hub.until_end("w")

    reports = await asyncio.gather(*(one(number, hub) for number, hub in enumerate(hubs)))

    assert {_codes(report) for report in reports} == {(0, 700, SUCCESS)}


async def test_no_signature_of_an_address_is_logged_or_reported(
    hub: FakeHub, server: ContentServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "odu_agent")
    update = Update(server)
    service = update.service("w")
    server.contents.clear()
    server.contents["roots.json"] = vectors.signed_package()

    async with _agent(hub, tmp_path):
        await hub.desire_service(service)
        await hub.until_end("w")
        await hub.until_acknowledged(2)
        hub.reports = [r for r in hub.reports if "service" not in r.get("deviceUpdate", {})]

    assert "sig=" not in caplog.text
    assert "c2VjcmV0" not in caplog.text
    assert "sig=" not in str(hub.reports)
