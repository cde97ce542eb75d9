from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from odu_agent.contract.codes import Erc
from odu_agent.contract.manifest import ManifestStep, ManifestUpdateId, UpdateManifest
from odu_agent.contract.rootkeys import signing_key_hash
from odu_agent.hub import HubError

from tests.builders.agent_runs import SUCCESS, UNCHANGED, agent, codes_of, deploy
from tests.unit.contract import vectors

from .content_server import ContentServer
from .fake_hub import FakeHub
from .fixtures import HANDLER, Update, file_of, with_child


async def test_agent_introduces_itself_when_nothing_is_desired(
    hub: FakeHub, tmp_path: Path
) -> None:
    async with agent(hub, tmp_path, additional_properties={"location": "lab"}):
        pass

    properties = hub.reports[0]["deviceUpdate"]["agent"]["deviceProperties"]
    assert properties["location"] == "lab"
    assert properties["contractModelId"] == "dtmi:azure:iot:deviceUpdateContractModel;3"
    assert hub.reports[0]["deviceUpdate"]["agent"]["compatPropertyNames"] == "manufacturer,model"
    assert hub.reports[1]["deviceInformation"]["totalStorage"] > 0
    assert len(hub.reports) == 2


async def test_agent_connects_when_the_first_tries_fail(hub: FakeHub, tmp_path: Path) -> None:
    hub.failures = [HubError("no")]

    async with agent(hub, tmp_path):
        pass

    assert hub.failures == []


async def test_deployment_succeeds_and_is_reported_as_the_contract_says(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    update = Update(server, contents={"f1": b"one", "f2": b"two"})
    service = update.service("w")

    async with agent(hub, tmp_path):
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

    async with agent(hub, tmp_path):
        report = await hub.until_end("w")

    assert codes_of(report) == (0, 700, SUCCESS)
    assert hub.reports[0]["deviceUpdate"]["agent"]["state"] == 6


async def test_installed_update_succeeds_at_once_when_deployed_again(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    async with agent(hub, tmp_path):
        await deploy(hub, Update(server))
        server.requests.clear()
        report = await deploy(hub, Update(server), retry="1")

    assert codes_of(report) == (0, 700, UNCHANGED)
    assert report["lastInstallResult"]["stepResults"]["step_0"]["resultCode"] == 603
    assert [name for name, _ in server.requests] == ["roots.json"]


async def test_earlier_version_is_installed_again_when_rolled_back(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    async with agent(hub, tmp_path):
        for version in ("1.0", "2.0", "1.0"):
            report = await deploy(hub, Update(server, version))

    assert codes_of(report) == (0, 700, UNCHANGED)
    assert report["lastInstallResult"]["stepResults"]["step_0"]["resultCode"] == 700


async def test_earlier_version_is_refused_when_downgrades_are_not_allowed(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    async with agent(hub, tmp_path, allow_downgrade=False):
        await deploy(hub, Update(server, "1.10"))
        report = await deploy(hub, Update(server, "1.9"))

    assert codes_of(report) == (255, 0, "30400F02,A0000FFF")
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

    async with agent(hub, tmp_path):
        report = await deploy(hub, update)

    assert codes_of(report) == (0, 700, SUCCESS)
    assert set(report["lastInstallResult"]["stepResults"]) == {"step_0", "step_1"}
    assert {name for name, _ in server.requests} == {"roots.json", "f1", "child", "m1"}


async def test_reference_step_fails_when_the_child_has_references(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    update_id = ManifestUpdateId("Contoso", "Motor", "3.0")
    child = UpdateManifest(update_id, (), (ManifestStep(detached_manifest_file_id="x"),), {})

    async with agent(hub, tmp_path):
        report = await deploy(hub, with_child(Update(server), child, {}))

    assert codes_of(report) == (255, 0, "30400009,A0000008")


async def test_detached_main_manifest_is_followed(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    long = with_child(Update(server), Update(server).manifest(), {}).changes["files"]["child"]
    update = Update(
        server, changes={"detached_manifest_file_id": "child", "files": {"child": long}}
    )

    async with agent(hub, tmp_path):
        report = await deploy(hub, update)

    assert codes_of(report) == (0, 700, SUCCESS)
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
    async with agent(hub, tmp_path):
        report = await deploy(hub, Update(server, changes=changes))
        good = await deploy(hub, Update(server))

    assert codes_of(report) == (255, 0, f"{code},A0000008")
    assert "installedUpdateId" not in report
    assert good["lastInstallResult"]["resultCode"] == 700


async def test_nothing_is_fetched_when_the_update_is_for_other_hardware(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    update = Update(server, changes={"compatibility": ({"model": "toaster"},)})

    async with agent(hub, tmp_path):
        await deploy(hub, update)

    assert [name for name, _ in server.requests] == ["roots.json"]


async def test_compatibility_of_the_older_generation_is_understood(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    wanted = {"deviceManufacturer": "contoso", "deviceModel": "vacuum"}

    async with agent(hub, tmp_path):
        report = await deploy(hub, Update(server, changes={"compatibility": (wanted,)}))

    assert codes_of(report)[:2] == (0, 700)


async def test_file_without_an_address_fails(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    service = Update(server).service()
    del service["fileUrls"]["f1"]

    async with agent(hub, tmp_path):
        await hub.desire_service(service)
        report = await hub.until_end(service["workflow"]["id"])

    assert codes_of(report) == (255, 0, "40000007,A0000008")


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

    async with agent(hub, tmp_path):
        await hub.desire_service(service)
        report = await hub.until_end("w")
        await hub.until_acknowledged(2)
        good = await deploy(hub, Update(server))

    assert codes_of(report) == (255, 0, f"{code:08X},A0000008")
    assert good["state"] == 0


async def test_deployment_is_refused_when_its_signing_key_is_disabled(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    digest = signing_key_hash(vectors.private_key("signing.1").public_key())
    disabled = {"version": 2, "disabledSigningKeys": [{"alg": "SHA256", "hash": digest}]}

    async with agent(hub, tmp_path):
        await deploy(hub, Update(server))
        refused = await deploy(hub, Update(server, "2.0", package=disabled))
        rolled_back = await deploy(hub, Update(server, "2.0"))
        other = await deploy(hub, Update(server, "2.0", package=disabled, signing_key="signing.2"))

    assert codes_of(refused) == (255, 0, "A0000005,A0000008")
    assert codes_of(rolled_back) == (255, 0, "A0000F01")
    assert codes_of(other) == (0, 700, UNCHANGED)


async def test_root_key_package_is_kept_over_a_restart(
    hub: FakeHub, server: ContentServer, tmp_path: Path
) -> None:
    async with agent(hub, tmp_path):
        await deploy(hub, Update(server, package={"version": 2}))
    async with agent(hub, tmp_path):
        report = await deploy(hub, Update(server, "2.0"))

    assert codes_of(report) == (255, 0, "A0000F01")


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

    async with agent(hub, tmp_path):
        await hub.desire_service(service)
        report = await hub.until_end("w")

    assert codes_of(report) == (255, 0, code)
    assert hub.acknowledgements() == []
