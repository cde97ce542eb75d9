"""Boot loaders' variables, by the programs that devices have."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from odu_agent.contract.codes import Erc
from odu_agent.images import ImageError
from odu_agent.images.boot import (
    DEFAULT,
    TRIAL,
    BootControl,
    FileBootControl,
    GrubBootControl,
    UBootBootControl,
)

_ENVIRONMENT_BYTES = 0x2000


def _grub(folder: Path) -> BootControl:
    return GrubBootControl(folder / "grubenv")


def _uboot(folder: Path) -> BootControl:
    storage, config = folder / "environment", folder / "fw_env.config"
    storage.write_bytes(bytes(2 * _ENVIRONMENT_BYTES))
    config.write_text(f"{storage} 0x0 0x2000\n{storage} 0x2000 0x2000\n")
    script = folder / "first.txt"
    script.write_text("bootdelay=2\n")
    command = ["fw_setenv", "-c", config, "-f", script, "-s", script]
    subprocess.run(command, check=True, capture_output=True)
    return UBootBootControl(config)


def _file(folder: Path) -> BootControl:
    return FileBootControl(folder / "boot.json")


@pytest.mark.parametrize("make", [_grub, _uboot, _file])
def test_boot_variables_are_kept(tmp_path: Path, make: object) -> None:
    boot = make(tmp_path)  # type: ignore[operator]
    assert (boot.get(DEFAULT), boot.get(TRIAL)) == ("", "")

    boot.set(DEFAULT, "A")
    boot.set(TRIAL, "B")
    assert (boot.get(DEFAULT), boot.get(TRIAL)) == ("A", "B")
    boot.set(TRIAL, "")

    assert (boot.get(DEFAULT), boot.get(TRIAL)) == ("A", "")


def test_grub_block_stays_what_grub_reads_and_keeps_what_others_set(tmp_path: Path) -> None:
    block = tmp_path / "grubenv"
    subprocess.run(["grub-editenv", block, "create"], check=True)
    subprocess.run(["grub-editenv", block, "set", "saved_entry=2"], check=True)

    GrubBootControl(block).set(DEFAULT, "A")

    data = block.read_bytes()
    assert len(data) == 1024
    assert data.startswith(b"# GRUB Environment Block\n")
    listed = subprocess.run(["grub-editenv", block, "list"], check=True, capture_output=True)
    assert listed.stdout.decode().splitlines() == ["saved_entry=2", "odu_default=A"]
    assert [path.name for path in tmp_path.iterdir()] == ["grubenv"]


def test_uboot_environment_keeps_what_others_set(tmp_path: Path) -> None:
    boot = _uboot(tmp_path)

    boot.set(DEFAULT, "A")

    assert boot.get("bootdelay") == "2"


@pytest.mark.parametrize(
    "boot", [GrubBootControl(Path("/nowhere/grubenv")), UBootBootControl(Path("/nowhere"))]
)
def test_boot_loader_that_cannot_be_told_is_an_error(boot: BootControl) -> None:
    with pytest.raises(ImageError) as refused:
        boot.set(DEFAULT, "A")
    assert refused.value.erc == Erc.IMAGE_BOOT_CONTROL


def test_grub_block_that_is_torn_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "grubenv").write_bytes(b"# GRUB Env")

    with pytest.raises(ImageError) as refused:
        GrubBootControl(tmp_path / "grubenv").get(DEFAULT)
    assert refused.value.erc == Erc.IMAGE_BOOT_CONTROL
