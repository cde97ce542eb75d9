"""Bundles from file to running slot, by the real RAUC and its service, with GRUB's environment.

The service has a bus of its own and slots in files. Bundles are of the format `plain`: `verity`
needs the kernel's device mapper, which containers lack.
"""

from __future__ import annotations

import os
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from odu_agent.contract.codes import Erc
from odu_agent.contract.manifest import ManifestError
from odu_agent.handlers.rauc import RaucHandler
from odu_agent.images.boot import GrubBootControl
from odu_agent.images.rauc import load_rauc_device
from odu_agent.images.switch import Standing

from .steps import a_step
from .swu_files import Signer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from odu_agent.handlers import StepContext, StepResult
    from odu_agent.images.rauc import RaucDevice

SLOT_BYTES = 4 * 1024 * 1024
_USAGE = "extendedKeyUsage=emailProtection"
_ROOT = [] if os.geteuid() == 0 else ["sudo", "--non-interactive"]
_SYSTEM = """
[system]
compatible=toaster
bootloader=grub
grubenv={folder}/grubenv
mountprefix={folder}/mnt
statusfile={folder}/central.status
bundle-formats=plain verity
[keyring]
path={certificate}
[slot.rootfs.0]
device={folder}/A
type=raw
bootname=A
[slot.rootfs.1]
device={folder}/B
type=raw
bootname=B
"""
_MANIFEST = """
[update]
compatible={compatible}
version={version}
[image.rootfs]
filename=rootfs.img
"""
_BUS = """
<busconfig>
  <type>session</type>
  <listen>unix:path={folder}/bus</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow user="*"/><allow own="*"/><allow send_destination="*"/><allow receive_sender="*"/>
  </policy>
</busconfig>
"""


@dataclass
class Device:
    """A device whose RAUC is real; only what happens between two starts is played."""

    folder: Path
    signer: Signer
    opened: ExitStack
    settings: dict[str, Any] = field(default_factory=dict)
    slot: str = "A"
    starts: int = 0

    def __post_init__(self) -> None:
        (self.folder / "mnt").mkdir()
        for name in ("A", "B"):
            (self.folder / name).write_bytes(b"1\n" + bytes(SLOT_BYTES - 2))
        self.boot = GrubBootControl(self.folder / "grubenv")
        for name, value in {"ORDER": "A B", "A_OK": "1", "B_OK": "0", "A_TRY": "0"}.items():
            self.boot.set(name, value)
        text = _SYSTEM.format(folder=self.folder, certificate=self.signer.certificate)
        (self.folder / "system.conf").write_text(text)
        bus = self.folder / "bus.conf"
        bus.write_text(_BUS.format(folder=self.folder))
        self._daemon = self._begin(
            "dbus-daemon", f"--config-file={bus}", "--nofork", "--print-address"
        )
        assert self._daemon.stdout is not None
        self.address = self._daemon.stdout.readline().decode().strip()
        self._service: subprocess.Popen[bytes] | None = None
        self.start()

    def start(self) -> str:
        """What GRUB does with the variables of RAUC: take the first good slot that is untried."""
        self.starts += 1
        for name in self.boot.get("ORDER").split():
            if self.boot.get(f"{name}_OK") == "1" and self.boot.get(f"{name}_TRY") != "1":
                self.slot = name
                self.boot.set(f"{name}_TRY", "1")
                break
        version = (self.folder / self.slot).read_bytes().split(b"\n")[0].decode()
        (self.folder / "version").write_text(version)
        self._serve()
        return version

    def _serve(self) -> None:
        if self._service is not None:
            subprocess.run([*_ROOT, "kill", str(self._service.pid)], check=True)
            self._service.communicate(timeout=60)
        self._service = self._begin(
            *_ROOT,
            "env",
            f"DBUS_SYSTEM_BUS_ADDRESS={self.address}",
            *("rauc", f"--conf={self.folder}/system.conf", "service"),
            f"--override-boot-slot={self.slot}",
        )
        ask = ["gdbus", "wait", "--system", "--timeout", "60", "de.pengutronix.rauc"]
        environment = {**os.environ, "DBUS_SYSTEM_BUS_ADDRESS": self.address}
        subprocess.run(ask, env=environment, check=True, timeout=90)

    def _begin(self, *command: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.opened.enter_context(process)
        self.opened.callback(subprocess.run, [*_ROOT, "kill", str(process.pid)], check=False)
        return process

    @property
    def rauc(self) -> RaucDevice:
        settings = {
            "config": f"{self.folder}/system.conf",
            "versionFile": f"{self.folder}/version",
            "healthCheck": {"timeoutSeconds": 5},
            **self.settings,
        }
        device = load_rauc_device(settings, self.folder, Path("/"))
        return replace(device, boot_id=lambda: str(self.starts))

    @property
    def handler(self) -> RaucHandler:
        return RaucHandler(self.rauc)

    def step(
        self, version: str, compatible: str = "toaster", signer: Signer | None = None
    ) -> StepContext:
        bundle = self.bundle(version, compatible, signer or self.signer)
        return a_step(
            self.folder / f"step-{version}",
            {"update.raucb": bundle},
            {"installedCriteria": version},
        )

    def bundle(self, version: str, compatible: str, signer: Signer) -> bytes:
        tree = self.folder / f"tree-{version}"
        tree.mkdir()
        (tree / "rootfs.img").write_bytes(f"{version}\n".encode() + os.urandom(SLOT_BYTES // 2))
        manifest = _MANIFEST.format(version=version, compatible=compatible)
        (tree / "manifest.raucm").write_text(manifest)
        file = self.folder / f"{version}.raucb"
        command = ["rauc", f"--cert={signer.certificate}", f"--key={signer.key}", "bundle"]
        subprocess.run([*command, tree, file], check=True, capture_output=True)
        return file.read_bytes()


@pytest.fixture
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Device]:
    signer = Signer(tmp_path, extensions=(_USAGE,))
    with ExitStack() as opened:
        made = Device(tmp_path, signer, opened)
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", made.address)
        yield made


def _install(device: Device, step: StepContext) -> StepResult:
    assert device.handler.is_installed(step).result_code == 901
    for action in ("download", "backup", "install"):
        result: StepResult = getattr(device.handler, action)(step)
        if not result.is_success:
            return result
    return device.handler.apply(step)


def test_bundle_becomes_the_running_system_once_it_is_healthy(device: Device) -> None:
    step = device.step("2")

    assert _install(device, step).result_code == 705
    image = (device.folder / "tree-2/rootfs.img").read_bytes()
    assert (device.folder / "B").read_bytes()[: len(image)] == image
    assert device.start() == "2"
    assert device.boot.get("B_TRY") == "1"
    assert device.handler.is_installed(step).result_code == 900
    assert (device.boot.get("B_OK"), device.boot.get("B_TRY")) == ("1", "0")
    assert device.start() == "2"


def test_start_of_an_image_that_was_judged_before_is_marked_good_too(device: Device) -> None:
    assert device.boot.get("A_TRY") == "1"

    assert device.rauc.judge() is Standing.IDLE

    assert device.boot.get("A_TRY") == "0"


def test_unhealthy_bundle_gives_way_to_the_image_before(device: Device) -> None:
    device.settings = {"healthCheck": {"commands": [["false"]], "timeoutSeconds": 0}}
    step = device.step("2")
    assert _install(device, step).result_code == 705
    assert device.start() == "2"

    assert device.handler.is_installed(step).result_code == 705
    assert device.start() == "1"
    assert device.handler.is_installed(step).result_code == 901
    failed = device.handler.install(step)

    assert failed.extended_result_codes == (Erc.IMAGE_UNHEALTHY,)
    assert "false" in str(failed.details)
    assert device.start() == "1"


def test_bundle_that_does_not_start_is_told(device: Device) -> None:
    step = device.step("2")
    assert _install(device, step).result_code == 705
    assert device.start() == "2"

    assert device.start() == "1"  # the watchdog, say
    assert device.handler.is_installed(step).result_code == 901
    assert device.handler.install(step).extended_result_codes == (Erc.IMAGE_FELL_BACK,)

    assert device.handler.restore(step).is_success
    assert _install(device, step).result_code == 705
    assert device.start() == "2"


def test_cancel_has_the_running_image_start_again(device: Device) -> None:
    step = device.step("2")
    assert _install(device, step).result_code == 705

    assert device.handler.cancel(step).is_success

    assert device.start() == "1"
    assert device.handler.is_installed(step).result_code == 901


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("signer", Erc.IMAGE_SIGNATURE),
        ("hardware", Erc.IMAGE_HARDWARE),
        ("cut", Erc.IMAGE_ARCHIVE),
    ],
)
def test_bundle_that_is_refused_leaves_the_slot_as_it_was(
    device: Device, fault: str, code: Erc
) -> None:
    mallory = Signer(device.folder, "mallory", (_USAGE,))
    step = device.step(
        "2",
        compatible="fridge" if fault == "hardware" else "toaster",
        signer=mallory if fault == "signer" else None,
    )
    if fault == "cut":
        whole = (device.folder / "2.raucb").read_bytes()
        step = a_step(device.folder / "cut", {"u.raucb": whole[:-100]}, {"installedCriteria": "2"})

    with pytest.raises(ManifestError) as refused:
        _install(device, step)

    assert refused.value.erc == code
    assert (device.folder / "B").read_bytes().startswith(b"1\n")
