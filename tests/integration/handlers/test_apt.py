"""The apt handler with real apt and dpkg, in a root of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from odu_agent.apt.failure import PackageErrors
from odu_agent.contract.codes import Erc
from odu_agent.handlers import StepContext, StepResult
from odu_agent.handlers.apt import AptHandler, create
from odu_agent.handlers.settings import SettingError

from .apt_repository import Repository, Root
from .steps import a_step, environment, wait_until

CONF = "etc/toaster.conf"
BLOCKS_ONCE = (
    'if [ -e "$DPKG_ROOT/block" ]; then rm "$DPKG_ROOT/block"; touch "$DPKG_ROOT/blocked";'
    " sleep 1000; fi"
)


@dataclass
class Device:
    """A device with packages."""

    folder: Path
    repository: Repository
    root: Root
    handler: AptHandler

    def step(self, *packages: str, criteria: str = "c", **manifest: Any) -> StepContext:
        """A step for packages such as `toaster=1.0`, `toaster` or `toaster-`."""
        pairs = [package.partition("=") for package in packages]
        entries = [{"name": n, **({"version": v} if v else {})} for n, _, v in pairs]
        document = {"name": "n", "version": "1", "packages": entries, **manifest}
        folder = self.folder / "-".join((criteria, *packages)).replace("/", "_")
        return a_step(
            folder,
            {"apt.json": json.dumps(document).encode()},
            {"installedCriteria": criteria},
        )

    def run(self, step: StepContext) -> StepResult:
        """What a deployment does with a step that is not installed."""
        assert self.handler.is_installed(step).result_code == 901
        for action in (self.handler.download, self.handler.backup, self.handler.install):
            result = action(step)
            if not result.is_success:
                return result
        return self.handler.apply(step)

    def restart(self, **settings: Any) -> None:
        """The agent starts anew."""
        self.handler = create(environment(self.folder, self.root.folder, **settings))


@pytest.fixture
def device(tmp_path: Path) -> Device:
    (tmp_path / "repository").mkdir()
    repository = Repository(tmp_path / "repository")
    for version in ("1.0", "1.1", "1.2"):
        repository.add("toaster", version, files={CONF: f"version={version}\n"}, conffiles=(CONF,))
    root = Root.make(tmp_path / "root", repository)
    return Device(tmp_path, repository, root, create(environment(tmp_path, root.folder)))


def test_apt_installs_and_upgrades_to_pinned_versions(device: Device) -> None:
    assert device.run(device.step("toaster=1.0")).result_code == 700
    assert device.root.states() == {"toaster": ("1.0", "installed")}

    step = device.step("toaster=1.1")
    assert device.run(step).result_code == 700

    assert device.root.read("usr/share/toaster/version") == "1.1"
    assert device.handler.is_installed(step).result_code == 900
    assert device.handler.is_installed(device.step("toaster=1.0")).result_code == 901


def test_apt_keeps_configuration_files_that_were_changed(device: Device) -> None:
    device.run(device.step("toaster=1.0"))
    (device.root.folder / CONF).write_text("mine\n")

    assert device.run(device.step("toaster=1.2")).result_code == 700

    assert device.root.read(CONF) == "mine\n"


def test_apt_judges_by_dpkg_and_not_by_what_was_once_applied(device: Device) -> None:
    step = device.step("toaster=1.0")
    device.run(step)
    assert device.run(device.step("toaster-")).result_code == 700

    assert device.root.states().get("toaster", ("", ""))[1] != "installed"
    assert device.handler.is_installed(step).result_code == 901


def test_apt_goes_back_to_an_older_version_where_the_device_lets_it(device: Device) -> None:
    device.run(device.step("toaster=1.2"))

    assert device.run(device.step("toaster=1.0")).result_code == 700
    assert device.root.states()["toaster"] == ("1.0", "installed")


def test_apt_refuses_a_downgrade_where_the_device_does(device: Device) -> None:
    device.run(device.step("toaster=1.2"))
    device.restart(allowDowngrade=False)

    result = device.run(device.step("toaster=1.0"))

    assert result.extended_result_codes == (Erc.APT_DOWNGRADE_REFUSED,)
    assert result.details == "would be downgraded: toaster"
    assert device.root.states()["toaster"] == ("1.2", "installed")


def test_apt_names_a_package_whose_script_fails_and_puts_the_old_one_back(device: Device) -> None:
    device.repository.add("toaster", "2.0", scripts={"postinst": "echo no bread; exit 3"})
    device.run(device.step("toaster=1.1"))
    step = device.step("toaster=2.0")

    result = device.run(step)

    assert result.extended_result_codes == (Erc.APT_INSTALL_FAILED,)
    assert result.details is not None
    assert result.details.startswith("toaster: ")
    assert "post-installation script" in result.details
    assert "exit status 3" in result.details
    assert device.handler.restore(step).result_code == 1100
    assert device.root.states()["toaster"] == ("1.1", "installed")


def test_apt_installs_a_mended_version_over_a_broken_one(device: Device) -> None:
    device.repository.add("toaster", "2.0", scripts={"postinst": "exit 3"})
    device.run(device.step("toaster=2.0"))
    device.repository.add("toaster", "2.1")

    assert device.run(device.step("toaster=2.1")).result_code == 700
    assert device.root.states()["toaster"] == ("2.1", "installed")


def test_apt_says_which_dependency_is_missing(device: Device) -> None:
    device.repository.add("oven", "1.0", Depends="toaster (>= 5)")

    result = device.run(device.step("oven=1.0"))

    assert result.extended_result_codes == (Erc.APT_DOWNLOAD_FAILED,)
    assert result.details is not None
    assert "oven : Depends: toaster (>= 5)" in result.details
    assert device.root.states() == {}


def test_apt_says_which_packages_conflict(device: Device) -> None:
    device.repository.add("oven", "1.0", Conflicts="toaster")

    result = device.run(device.step("oven=1.0", "toaster=1.0"))

    assert result.extended_result_codes == (Erc.APT_DOWNLOAD_FAILED,)
    assert "oven : Conflicts: toaster" in (result.details or "")


def test_apt_leaves_a_held_package_and_names_it(device: Device) -> None:
    device.run(device.step("toaster=1.0"))
    device.root.hold("toaster")

    result = device.run(device.step("toaster=1.1"))

    assert result.extended_result_codes == (Erc.APT_PACKAGE_HELD,)
    assert result.details == "held: toaster"
    assert device.root.states()["toaster"] == ("1.0", "installed")


def test_apt_refuses_a_version_that_no_source_has(device: Device) -> None:
    result = device.run(device.step("toaster=9.9"))

    assert result.extended_result_codes == (Erc.APT_DOWNLOAD_FAILED,)
    assert result.details == "Version '9.9' for 'toaster' was not found"


def test_apt_brings_a_package_without_version_up_to_date_once_for_each_criteria(
    device: Device,
) -> None:
    device.run(device.step("toaster=1.0"))
    step = device.step("toaster", criteria="newest-1")
    assert device.run(step).result_code == 700
    assert device.root.states()["toaster"] == ("1.2", "installed")
    assert device.handler.is_installed(step).result_code == 900

    device.repository.add("toaster", "1.3")

    assert device.handler.is_installed(step).result_code == 900
    assert device.run(device.step("toaster", criteria="newest-2")).result_code == 700
    assert device.root.states()["toaster"] == ("1.3", "installed")


def test_apt_still_installs_when_the_lists_cannot_be_fetched(device: Device) -> None:
    device.run(device.step("toaster=1.0"))
    with (device.root.folder / "etc/apt/sources.list").open("a") as sources:
        sources.write("deb [trusted=yes] file:/nowhere ./\n")

    assert device.run(device.step("toaster=1.1")).result_code == 700


@pytest.mark.parametrize(
    ("manifest", "code"),
    [({}, 700), ({"agentRestartRequired": True}, 707), ({"rebootRequired": True}, 705)],
)
def test_apt_asks_for_the_restart_that_the_manifest_wants(
    device: Device, manifest: dict[str, Any], code: int
) -> None:
    step = device.step("toaster=1.0", **manifest)

    assert device.run(step).result_code == code
    assert device.handler.is_installed(step).result_code == 900


def test_apt_restarts_the_agent_after_a_package_of_it(device: Device) -> None:
    device.repository.add("odu-agent", "5.0")

    assert device.run(device.step("odu-agent=5.0")).result_code == 707


@pytest.mark.parametrize("script", ["preinst", "postinst"])
def test_apt_cancelled_in_the_middle_leaves_no_package_half_done(
    device: Device, script: str
) -> None:
    device.run(device.step("toaster=1.0"))
    device.repository.add("toaster", "2.0", scripts={script: BLOCKS_ONCE})
    device.restart(cancelPatienceSeconds=0)
    step = device.step("toaster=2.0")
    results: list[StepResult] = []
    thread = threading.Thread(target=lambda: results.append(device.run(step)))
    _block(device)

    thread.start()
    _wait_for_block(device)
    step.cancelled.set()
    thread.join(60)

    assert [result.result_code for result in results] == [-1]
    assert device.handler.cancel(step).result_code == 800
    assert device.root.states()["toaster"][1] == "installed"
    assert not _audit(device)


def test_apt_lets_dpkg_end_what_it_does_within_its_patience(device: Device) -> None:
    go = device.root.folder / "go"
    waits = f'touch "$DPKG_ROOT/blocked"; until [ -e {go} ]; do sleep 0.05; done'
    device.repository.add("toaster", "2.0", scripts={"postinst": waits})
    step = device.step("toaster=2.0")
    results: list[StepResult] = []
    thread = threading.Thread(target=lambda: results.append(device.run(step)))

    thread.start()
    _wait_for_block(device)
    step.cancelled.set()
    go.touch()
    thread.join(60)

    assert device.root.states()["toaster"] == ("2.0", "installed")
    assert results[0].result_code == 700


@pytest.mark.parametrize("script", ["preinst", "postinst"])
def test_apt_goes_on_after_a_power_cut_in_the_middle_of_dpkg(device: Device, script: str) -> None:
    device.run(device.step("toaster=1.0"))
    device.repository.add("toaster", "2.0", scripts={script: BLOCKS_ONCE})
    step = device.step("toaster=2.0")
    _block(device)
    agent = _agent_that_installs(device)
    _wait_for_block(device)

    _cut_power(device, agent)

    assert _audit(device)
    device.restart()
    assert device.run(step).result_code == 700
    assert device.root.states()["toaster"] == ("2.0", "installed")
    assert not _audit(device)


@pytest.mark.parametrize(
    ("line", "package", "reason"),
    [
        ("pmerror:toaster:50.0:it burns\n", "toaster", "it burns"),
        ("pmerror:toaster:amd64:50.0:it burns: badly", "toaster:amd64", "it burns: badly"),
        ("pmerror:/var/cache/toaster_1.0_all.deb:0:no space", "toaster", "no space"),
    ],
)
def test_package_errors_are_read_from_apts_status(line: str, package: str, reason: str) -> None:
    errors = PackageErrors()

    errors("pmstatus:toaster:10.0:Installing")
    errors(line)

    assert errors.by_package == {package: reason}


def test_apt_says_so_where_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(SettingError, match="apt-get is not installed on this device"):
        create(environment(tmp_path))


def _block(device: Device) -> None:
    (device.root.folder / "block").touch()


def _wait_for_block(device: Device) -> None:
    wait_until((device.root.folder / "blocked").exists, "dpkg runs the script", seconds=120)


def _audit(device: Device) -> str:
    command = ["dpkg", f"--root={device.root.folder}", "--audit"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


_AGENT = """
import sys
sys.path[:0] = {paths!r}
from tests.integration.handlers.test_apt import *
device = Device(Path({folder!r}), Repository(Path({repository!r})), Root(Path({root!r})), None)
device.restart()
device.run(device.step("toaster=2.0"))
"""


def _agent_that_installs(device: Device) -> subprocess.Popen[bytes]:
    text = _AGENT.format(
        paths=sys.path,
        folder=str(device.folder),
        repository=str(device.repository.folder),
        root=str(device.root.folder),
    )
    return subprocess.Popen([sys.executable, "-P", "-c", text])


def _cut_power(device: Device, agent: subprocess.Popen[bytes]) -> None:
    """End the agent first, so that it mends nothing, then apt, dpkg and the script."""
    agent.kill()
    agent.wait()
    mark = f"APT_CONFIG={device.folder}/".encode()
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                if mark in (entry / "environ").read_bytes():
                    os.kill(int(entry.name), signal.SIGKILL)
