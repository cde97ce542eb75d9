"""The whole agent on the hub, with real packages, scripts, images and deltas."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import pytest
from odu_agent import Agent, AgentConfig
from odu_agent.contract.manifest import ManifestStep
from odu_agent.delta import HANDLER_ID as DELTA

from tests.builders.agent_on_hub import _command, _write_config
from tests.integration.handlers.apt_repository import Repository, Root
from tests.integration.iothub.conftest import DEVICE_KEY, Hub
from tests.unit.agent.content_server import ContentServer, serving
from tests.unit.agent.fixtures import QUICK, Update, config, file_of
from tests.waiting import eventually

Agents = dict[str, Any]


@dataclass
class Device:
    """A device on the hub with an agent that installs for real."""

    hub: Hub
    server: ContentServer
    name: str
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)

    def config(self) -> AgentConfig:
        secret = f"HostName=localhost;DeviceId={self.name};SharedAccessKey={DEVICE_KEY}"
        return config(
            self.folder / "data",
            connection_string=secret,
            ca_file=self.hub.certificates.authority,
            proxy=("127.0.0.1", self.hub.server.port),
            simulator=None,
            **self.settings,
        )

    def update(self, version: str, handler: str, files: dict[str, bytes], **more: Any) -> Update:
        """An update of one step."""
        ids = {f"f{index}": name for index, name in enumerate(files)}
        properties = more.pop("properties", {})
        entries = {key: file_of(files[name], name) for key, name in ids.items()}
        step = ManifestStep(handler, tuple(ids), {"installedCriteria": version, **properties})
        changes = {"steps": (step,), "files": {**entries, **more.pop("files", {})}}
        contents = {key: files[name] for key, name in ids.items()}
        return Update(self.server, version, contents=contents, changes=changes)

    async def desire(self, update: Update) -> None:
        service = update.service()
        desired = {"deviceUpdate": {"__t": "c", "service": service}}
        await self.hub.patch(self.name, desired=desired)

    async def until(self, is_so: Callable[[Agents], bool]) -> Agents:
        """What the agent reports once that is so."""

        async def look() -> Agents:
            twin = await self.hub.service("get_twin", self.name)
            agent: Agents = twin.properties.reported.get("deviceUpdate", {}).get("agent", {})
            assert is_so(agent), agent
            return agent

        return await eventually(look, seconds=120)

    async def until_installed(self, version: str) -> Agents:
        def is_installed(agent: Agents) -> bool:
            installed = json.loads(agent.get("installedUpdateId", "{}"))
            return agent.get("state") == 0 and installed.get("version") == version

        return await self.until(is_installed)


@asynccontextmanager
async def _running(device: Device) -> AsyncIterator[None]:
    agent = Agent(device.config(), limits=QUICK)
    running = asyncio.create_task(agent.run())
    try:
        yield
    finally:
        await agent.stop()
        await running


@pytest.fixture
async def device(agent_hub: Hub, tmp_path: Path) -> AsyncIterator[Device]:
    async with serving() as server:
        yield Device(agent_hub, server, await agent_hub.new_device("real"), tmp_path)


def _apt(version: str) -> dict[str, bytes]:
    packages = [{"name": "toaster", "version": version}]
    return {"apt.json": json.dumps({"name": "n", "version": "1", "packages": packages}).encode()}


async def test_agent_installs_packages_and_says_which_one_is_broken(
    device: Device, tmp_path: Path
) -> None:
    (tmp_path / "repository").mkdir()
    repository = Repository(tmp_path / "repository")
    repository.add("toaster", "1.0")
    repository.add("toaster", "1.1", scripts={"postinst": "exit 3"})
    root = Root.make(tmp_path / "root", repository)
    device.settings["root"] = root.folder

    async with _running(device):
        await device.desire(device.update("1.0", "microsoft/apt:1", _apt("1.0")))
        await device.until_installed("1.0")
        assert root.states() == {"toaster": ("1.0", "installed")}
        await device.desire(device.update("1.1", "microsoft/apt:1", _apt("1.1")))
        report = await device.until(lambda agent: agent.get("state") == 255)

    result = report["lastInstallResult"]
    assert result["extendedResultCodes"].startswith("30200200,")
    assert "toaster: " in result["resultDetails"]
    assert "exit status 3" in result["resultDetails"]
    assert root.states() == {"toaster": ("1.0", "installed")}


async def test_installing_half_installs_packages_without_any_help_of_the_network_half(
    device: Device, tmp_path: Path
) -> None:
    (tmp_path / "repository").mkdir()
    repository = Repository(tmp_path / "repository")
    repository.add("toaster", "1.0")
    repository.add("toaster", "1.1", scripts={"postinst": "exit 3"})
    root = Root.make(tmp_path / "root", repository)
    changes = {"installerSocket": "run/installer.sock", "simulator": False}
    changes |= {"root": str(root.folder), "hooksFolder": "hooks.d"}
    path = _write_config(device.hub, device.name, tmp_path, **changes)

    async with _command("installer", path), _command("run", path):
        await device.desire(device.update("1.0", "microsoft/apt:1", _apt("1.0")))
        await device.until_installed("1.0")
        await device.desire(device.update("1.1", "microsoft/apt:1", _apt("1.1")))
        report = await device.until(lambda agent: agent.get("state") == 255)

    assert "exit status 3" in report["lastInstallResult"]["resultDetails"]
    assert root.states() == {"toaster": ("1.0", "installed")}


async def test_agent_runs_a_script_and_waits_for_what_a_hook_waits_for(
    device: Device, tmp_path: Path
) -> None:
    hooks = tmp_path / "hooks.d"
    hooks.mkdir()
    hook = hooks / "consent"
    hook.write_text(
        f"#!/bin/sh\n[ ! -e {tmp_path}/yes ] || exit 0\n"
        'echo "no consent"; echo retry-after 1; exit 75\n'
    )
    hook.chmod(0o755)
    device.settings["hooks_folder"] = hooks
    script = f"""#!/bin/sh
        case "$1" in
          --action-is-installed) code=901; [ ! -e {tmp_path}/installed ] || code=900 ;;
          --action-apply) code=700; touch {tmp_path}/installed ;;
          --action-install) code=600 ;;
          *) code=500 ;;
        esac
        echo "{{\\"resultCode\\": $code}}" > "action_${{1#--action-}}_aduc_result.json"
    """
    update = device.update(
        "1.0",
        "microsoft/script:1",
        {"install.sh": script.encode()},
        properties={"scriptFileName": "install.sh"},
    )

    async with _running(device):
        await device.desire(update)
        waiting = await device.until(
            lambda agent: bool((agent.get("lastInstallResult") or {}).get("resultDetails"))
        )
        assert waiting["state"] == 6
        details = waiting["lastInstallResult"]["resultDetails"]
        assert details == "waiting before download: consent: no consent"
        (tmp_path / "yes").touch()
        report = await device.until_installed("1.0")

    assert "resultDetails" not in report["lastInstallResult"]
    assert (tmp_path / "installed").exists()


async def test_agent_writes_images_and_makes_the_second_from_a_delta(
    device: Device, tmp_path: Path
) -> None:
    slots = [{"name": name, "device": str(tmp_path / name)} for name in ("A", "B")]
    for name in ("A", "B"):
        (tmp_path / name).write_bytes(bytes(1024 * 1024))
    device.settings["handler_settings"] = {
        "images": {
            "slots": slots,
            "bootControl": {"type": "file", "path": str(tmp_path / "boot.json")},
            "runningSlotFile": str(tmp_path / "running"),
            "versionFile": str(tmp_path / "version"),
        }
    }
    _start(tmp_path)
    first = b"1.0\n" + os.urandom(500_000)
    second = b"1.1\n" + first[4:]

    await device.desire(device.update("1.0", "opendu/image:1", {"rootfs.img": first}))
    await _follow_over_a_restart(device, "1.0")
    update, delta = _with_delta(device, first, second, tmp_path)
    await device.desire(update)
    report = await _follow_over_a_restart(device, "1.1")

    assert report["lastInstallResult"]["extendedResultCodes"].split(",")[0] == "00000000"
    asked = [name for name, _ in device.server.requests]
    assert "delta" in asked
    assert asked.count("f0") == 1
    assert len(delta) < 2000
    assert (tmp_path / "A").read_bytes()[: len(second)] == second


def _with_delta(device: Device, first: bytes, second: bytes, folder: Path) -> tuple[Update, bytes]:
    from tests.builders.delta import make_delta

    delta = make_delta(folder, first, second)
    digest = file_of(first).hashes["sha256"]
    related = file_of(
        delta,
        "1.0-1.1.delta",
        properties={
            "microsoft.sourceFileHash": digest,
            "microsoft.sourceFileHashAlgorithm": "sha256",
        },
    )
    update = device.update("1.1", "opendu/image:1", {"rootfs.img": second})
    file = changed(
        update.changes["files"]["f0"], download_handler=DELTA, related_files={"delta": related}
    )
    update.changes["files"] = {"f0": file}
    device.server.contents["delta"] = delta
    return update, delta


async def _follow_over_a_restart(device: Device, version: str) -> Agents:
    """Run the agent until it asks for the restart, restart the device, run it again."""
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    agent = Agent(
        device.config(), limits=QUICK, restart=lambda _: loop.call_soon_threadsafe(asked.set)
    )
    running = asyncio.create_task(agent.run())
    async with asyncio.timeout(120):
        await asked.wait()
    await agent.stop()
    await running
    _start(device.folder)
    async with _running(device):
        return await device.until_installed(version)


def _start(folder: Path) -> None:
    """What the boot loader does."""
    file = folder / "boot.json"
    values = json.loads(file.read_text()) if file.exists() else {}
    slot = values.get("odu_trial") or values.get("odu_default") or "A"
    file.write_text(json.dumps({**values, "odu_trial": ""}))
    (folder / "running").write_text(slot)
    (folder / "version").write_bytes((folder / slot).read_bytes().split(b"\n")[0][:20])
