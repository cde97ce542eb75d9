"""The parts of the reference device, without the system that takes minutes to build."""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from odu_agent.images.boot import TRIAL, GrubBootControl
from odu_agent.images.description import Hardware
from odu_agent.images.signature import Trust
from odu_agent.images.swu import SwuFile

from local.lab.base import LAB
from local.lab.commands import LabError, run
from local.lab.disk import BOOT, make_disk, slot_content
from local.lab.machine import Machine
from local.lab.updates import HARDWARE, label_of, make_signer, make_version
from tests.processes import ROOT

if TYPE_CHECKING:
    from local.lab.updates import SystemVersion

_SECONDS = 300


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """A file system with nothing but the files that versions differ in."""
    tree = tmp_path / "tree"
    for name in ("etc/adu-version", "usr/sbin/toaster"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_text("0.0\n")
    image = tmp_path / "system.ext4"
    run(["mke2fs", "-q", "-t", "ext4", "-b", "4096", "-d", tree, image, "4M"])
    return image


@pytest.fixture
def version(system: Path, tmp_path: Path) -> SystemVersion:
    return make_version(system, "2.0", tmp_path, make_signer(tmp_path), is_broken=True)


def test_version_is_an_archive_that_devices_take(version: SystemVersion, tmp_path: Path) -> None:
    trust = Trust("cms", tmp_path / "swupdate.pem")
    archive = SwuFile(version.archive, trust, Hardware(**HARDWARE))

    content = b"".join(archive.content())

    assert content == version.image.read_bytes()
    assert label_of(content) == version.label == b"toaster-2.0"
    assert content.endswith(b"end of 2.0".ljust(4096, b"\0"))


def test_broken_version_has_another_program(version: SystemVersion) -> None:
    assert run(["debugfs", "-R", "cat /etc/adu-version", version.image]) == "2.0\n"
    program = run(["debugfs", "-R", "cat /usr/sbin/toaster", version.image])
    assert program == (LAB / "broken-toaster").read_text()
    assert "0755" in run(["debugfs", "-R", "stat /usr/sbin/toaster", version.image])


def test_configuration_of_grub_is_the_documented_one() -> None:
    text = (ROOT / "docs" / "images.md").read_text()
    found = re.search(r"GRUB:\n\n```\n(.*?)```", text, re.DOTALL)
    assert found is not None
    configured = (LAB / "grub.cfg").read_text()

    for line in found.group(1).splitlines():
        assert re.search(rf"^{re.escape(line)}( console=ttyS0 quiet .*)?$", configured, re.M)


async def test_disk_starts_by_grub_and_changes_its_environment(
    version: SystemVersion, tmp_path: Path
) -> None:
    disk = tmp_path / "disk.img"
    (tmp_path / "data").mkdir()
    make_disk(disk, version.image, LAB / "grub.cfg", tmp_path / "data")
    assert label_of(slot_content(disk, "A", 0, 4096)) == version.label
    boot = GrubBootControl(tmp_path / "grubenv")
    boot.set(TRIAL, "B")
    _into_boot(disk, boot.path)

    async with asyncio.timeout(_SECONDS):
        async with Machine(disk, tmp_path / "console", "tcg,thread=multi") as machine:
            await machine.power_on()
            await machine.seen("GRUB starts slot B")
            # There is no kernel in it, and nobody to press a key.
            await machine.cut_power()
            since = machine.position
            await machine.power_on()
            await machine.seen("GRUB starts slot A", since)
            with pytest.raises(LabError, match="ended before"):
                await asyncio.gather(machine.seen("login:"), machine.cut_power())


def _into_boot(disk: Path, block: Path) -> None:
    commands = f"rm grubenv\nwrite {block} grubenv\n"
    place = f"{disk}?offset={BOOT.offset}"
    subprocess.run(
        ["debugfs", "-w", "-f", "-", place],
        input=commands,
        text=True,
        check=True,
        capture_output=True,
    )
