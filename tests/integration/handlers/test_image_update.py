"""Images from file to running slot, with GRUB's real environment block and signed archives."""

from __future__ import annotations

import gzip
import os
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from odu_agent.contract.codes import Erc
from odu_agent.contract.manifest import ManifestError
from odu_agent.handlers import StepContext, StepResult
from odu_agent.handlers.image import ImageHandler
from odu_agent.handlers.registry import HandlerRegistry
from odu_agent.images.boot import DEFAULT, TRIAL, GrubBootControl
from odu_agent.images.device import slot_of_command_line
from odu_agent.images.judge import run_trial

from tests.unit.agent.fixtures import config

from .steps import a_step
from .swu_files import Recipe, Signer, gzipped

SLOT_BYTES = 2 * 1024 * 1024


def _image(version: str) -> bytes:
    return f"{version}\n".encode() + os.urandom(SLOT_BYTES // 2)


@dataclass
class Device:
    """A device with two slots; an image is its version in the first line, then whatever."""

    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("A", "B"):
            (self.folder / name).write_bytes(bytes(SLOT_BYTES))
        (self.folder / "A").write_bytes(b"1\n" + bytes(SLOT_BYTES - 2))
        self.boot = GrubBootControl(self.folder / "grubenv")
        self.settings = {
            "slots": [{"name": name, "device": str(self.folder / name)} for name in ("A", "B")],
            "bootControl": {"type": "grub", "environment": str(self.folder / "grubenv")},
            "runningSlotFile": str(self.folder / "running"),
            "versionFile": str(self.folder / "version"),
            "hardware": {"board": "toaster", "revision": "1.0"},
            "healthCheck": {"timeoutSeconds": 20},
            **self.settings,
        }
        self.config = config(
            self.folder / "data",
            handler_settings={"images": self.settings},
            reboot_command=("touch", str(self.folder / "rebooted")),
        )
        self.start()

    def start(self) -> str:
        """What the lines for GRUB in docs/images.md do."""
        slot = self.boot.get(TRIAL) or self.boot.get(DEFAULT) or "A"
        if self.boot.get(TRIAL):
            self.boot.set(TRIAL, "")
        (self.folder / "running").write_text(slot)
        version = (self.folder / slot).read_bytes().split(b"\n")[0].decode()
        (self.folder / "version").write_text(version)
        return version

    def handler(self, name: str) -> ImageHandler:
        handler = HandlerRegistry(self.config)[name]
        assert isinstance(handler, ImageHandler)
        return handler

    def step(self, name: str, content: bytes, version: str, **properties: str) -> StepContext:
        return a_step(
            self.folder / f"step-{version}",
            {name: content},
            {"installedCriteria": version, **properties},
        )


def _install(handler: ImageHandler, step: StepContext) -> StepResult:
    assert handler.is_installed(step).result_code == 901
    for action in (handler.download, handler.backup, handler.install):
        result = action(step)
        if not result.is_success:
            return result
    return handler.apply(step)


@pytest.fixture
def device(tmp_path: Path) -> Device:
    return Device(tmp_path)


@pytest.mark.parametrize(
    ("pack", "properties"), [(bytes, {}), (gzip.compress, {"compression": "zlib"})]
)
def test_raw_image_becomes_the_running_system(
    device: Device, pack: Any, properties: dict[str, str]
) -> None:
    image = _image("2")
    step = device.step("rootfs.img", pack(image), "2", **properties)

    assert _install(device.handler("opendu/image:1"), step).result_code == 705
    assert (device.folder / "B").read_bytes()[: len(image)] == image
    assert device.start() == "2"
    assert device.handler("opendu/image:1").is_installed(step).result_code == 900
    assert (device.boot.get(DEFAULT), device.start()) == ("B", "2")


def test_signed_archive_becomes_the_running_system(tmp_path: Path) -> None:
    signer = Signer(tmp_path)
    device = Device(tmp_path, {"signature": {"file": str(signer.certificate)}})
    recipe = Recipe(_image("2"), compress=gzipped, more='compressed = "zlib";')
    step = device.step("update.swu", recipe.make(tmp_path / "swu", signer), "2")

    assert _install(device.handler("microsoft/swupdate:1"), step).result_code == 705
    device.start()

    assert device.handler("microsoft/swupdate:1").is_installed(step).result_code == 900


def test_archive_that_is_refused_leaves_the_slot_as_it_was(tmp_path: Path) -> None:
    signer = Signer(tmp_path)
    device = Device(tmp_path, {"signature": {"file": str(signer.certificate)}})
    data = Recipe(_image("2")).make(tmp_path / "swu", Signer(tmp_path, "mallory"))
    step = device.step("update.swu", data, "2")

    with pytest.raises(ManifestError) as refused:
        _install(device.handler("microsoft/swupdate:1"), step)

    assert refused.value.erc == Erc.IMAGE_SIGNATURE
    assert not any((tmp_path / "B").read_bytes())


def test_archive_needs_a_signature_unless_the_device_says_otherwise(tmp_path: Path) -> None:
    device = Device(tmp_path)
    data = Recipe(_image("2")).make(tmp_path / "swu", Signer(tmp_path))

    with pytest.raises(ManifestError) as refused:
        _install(device.handler("microsoft/swupdate:1"), device.step("update.swu", data, "2"))

    assert refused.value.erc == Erc.IMAGE_NOT_CONFIGURED
    assert refused.value.message == "signature.file is not set"


def test_image_that_is_unhealthy_is_left_and_the_reason_is_told(tmp_path: Path) -> None:
    sick = [sys.executable, "-c", "print('no bread'); raise SystemExit(1)"]
    device = Device(tmp_path, {"healthCheck": {"commands": [sick], "timeoutSeconds": 1}})
    step = device.step("rootfs.img", _image("2"), "2")
    _install(device.handler("opendu/image:1"), step)
    device.start()

    assert device.handler("opendu/image:1").is_installed(step).result_code == 705
    assert device.start() == "1"
    result = _install(device.handler("opendu/image:1"), step)

    assert result.extended_result_codes == (Erc.IMAGE_UNHEALTHY,)
    assert result.details is not None
    assert "no bread" in result.details
    assert device.handler("opendu/image:1").restore(step).result_code == 1100
    assert _install(device.handler("opendu/image:1"), step).result_code == 705


def test_image_that_does_not_start_is_told_as_such(device: Device) -> None:
    step = device.step("rootfs.img", _image("2"), "2")
    _install(device.handler("opendu/image:1"), step)
    device.start()
    _new_boot(device)
    device.start()

    result = _install(device.handler("opendu/image:1"), step)

    assert result.extended_result_codes == (Erc.IMAGE_FELL_BACK,)


def test_trial_command_keeps_an_image_that_reaches_the_hub(device: Device) -> None:
    step = device.step("rootfs.img", _image("2"), "2")
    _install(device.handler("opendu/image:1"), step)
    device.start()
    device.handler("opendu/image:1")._device.switch.note_hub()

    assert run_trial(device.config) == 0

    assert device.boot.get(DEFAULT) == "B"
    assert not (device.folder / "rebooted").exists()


def test_trial_command_leaves_an_image_that_does_not_reach_the_hub(tmp_path: Path) -> None:
    device = Device(tmp_path, {"healthCheck": {"timeoutSeconds": 0.5}})
    step = device.step("rootfs.img", _image("2"), "2")
    _install(device.handler("opendu/image:1"), step)
    _new_boot(device)
    device.start()

    assert run_trial(device.config) == 0

    assert (tmp_path / "rebooted").exists()
    device.start()
    result = _install(device.handler("opendu/image:1"), step)
    assert result.details == "the hub was not reached, within 0.5 s"


def test_trial_command_looks_where_the_installing_half_remembers(device: Device) -> None:
    halves = replace(
        device.config,
        installer_socket=device.folder / "socket",
        installer_folder=device.config.data_folder,
        data_folder=device.folder / "network",
    )
    step = device.step("rootfs.img", _image("2"), "2")
    _install(device.handler("opendu/image:1"), step)
    device.start()

    assert run_trial(halves) == 0

    assert device.boot.get(DEFAULT) == "B"


def test_trial_command_has_nothing_to_do_in_a_committed_image(device: Device) -> None:
    assert run_trial(device.config) == 0
    assert run_trial(replace(device.config, handler_settings={})) == 0


def test_trial_command_says_when_it_cannot_tell(device: Device) -> None:
    (device.folder / "running").write_text("C")

    assert run_trial(device.config) == 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"slots": []}, "two or more slots"),
        ({"slots": [{"name": "A", "device": "/a"}] * 2}, "names of their own"),
        ({"slots": [{"name": "A/", "device": "/a"}, {"name": "B", "device": "/b"}]}, "plain name"),
        ({"bootControl": {"type": "lilo"}}, "'lilo' is not grub, uboot or file"),
        ({"signature": {"method": "pgp"}}, "must be one of cms, rsa, rsa-pss, none"),
        ({"healthCheck": {"commands": ["true"]}}, "as an array of words"),
    ],
)
def test_images_that_are_configured_wrongly_are_refused_with_the_setting(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    device = Device(tmp_path, changes)

    with pytest.raises(ManifestError, match=words) as refused:
        device.handler("opendu/image:1")
    assert refused.value.erc == Erc.HANDLER_CANNOT_LOAD


def _new_boot(device: Device) -> None:
    """Have what is remembered come from another start of the system."""
    file = device.folder / "data/handlers/images/slots.json"
    text = file.read_text()
    boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert boot_id in text
    file.write_text(text.replace(boot_id, "another"))


def test_raw_image_that_is_damaged_is_refused_with_nothing_started(device: Device) -> None:
    handler = device.handler("opendu/image:1")
    step = device.step("rootfs.img", gzip.compress(_image("2"))[:-100], "2", compression="zlib")

    with pytest.raises(ManifestError) as refused:
        _install(handler, step)

    assert refused.value.erc == Erc.IMAGE_ARCHIVE
    assert device.boot.get(TRIAL) == ""


@pytest.mark.parametrize(
    ("properties", "criteria", "words"),
    [
        ({"compression": "lzop"}, "2", "'lzop' is not zlib, xz or zstd"),
        ({}, "", "needs installedCriteria"),
    ],
)
def test_raw_image_step_that_is_malformed_is_refused(
    device: Device, properties: dict[str, str], criteria: str, words: str
) -> None:
    step = device.step("rootfs.img", _image("2"), criteria, **properties)

    with pytest.raises(ManifestError, match=words) as refused:
        device.handler("opendu/image:1").download(step)
    assert refused.value.erc == Erc.IMAGE_DESCRIPTION


def test_image_that_was_cancelled_does_not_start(device: Device) -> None:
    handler = device.handler("opendu/image:1")
    step = device.step("rootfs.img", _image("2"), "2")
    _install(handler, step)

    assert handler.cancel(step).result_code == 800

    assert device.boot.get(TRIAL) == ""
    assert device.start() == "1"


@pytest.mark.parametrize(
    ("command_line", "slot"), [("ro odu.slot=B quiet", "B"), ("odu.slot=A", "A"), ("ro quiet", "")]
)
def test_running_slot_is_told_by_the_kernels_command_line(command_line: str, slot: str) -> None:
    found = slot_of_command_line(command_line)

    assert (found or "") == slot
