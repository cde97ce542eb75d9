"""The lines for GRUB in docs/images.md, run by GRUB itself in QEMU."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from odu_agent.images.boot import DEFAULT, TRIAL, GrubBootControl

DOCUMENT = Path(__file__).parents[3] / "docs" / "images.md"
_BEFORE = """
insmod all_video
insmod echo
insmod ext2
insmod halt
insmod loadenv
insmod serial
insmod test
serial --unit=0
terminal_output serial
set prefix=(hd0)
"""
_AFTER = """
echo "starts: <$odu_slot>"
halt
"""
_START_SECONDS = 180


def _documented_lines() -> str:
    """The block for GRUB, up to where it turns to the slot that it has chosen."""
    found = re.search(
        r"GRUB:\n\n```\n(load_env.*?)if \[ \"\$odu_slot\" = B", DOCUMENT.read_text(), re.S
    )
    assert found is not None
    return found.group(1)


@pytest.fixture(scope="session")
def boot_disc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("grub")
    (folder / "tree/boot/grub").mkdir(parents=True)
    (folder / "tree/boot/grub/grub.cfg").write_text(_BEFORE + _documented_lines() + _AFTER)
    command = ["grub-mkrescue", "-o", folder / "boot.iso", folder / "tree"]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "boot.iso"


@dataclass
class Machine:
    """A machine with GRUB on a disc, and its environment block on a disk of its own."""

    folder: Path
    disc: Path

    @property
    def block(self) -> Path:
        return self.folder / "tree" / "grubenv"

    @property
    def boot(self) -> GrubBootControl:
        return GrubBootControl(self.block)

    def start(self) -> str:
        """The slot that GRUB would start; what it saved is then in the block."""
        disk = self.folder / "disk.img"
        disk.write_bytes(bytes(4 * 1024 * 1024))
        make = ["mke2fs", "-q", "-F", "-t", "ext2", "-d", self.block.parent, disk]
        subprocess.run(make, check=True, capture_output=True)
        run = ["qemu-system-x86_64", "-accel", "tcg", "-m", "128", "-display", "none"]
        run += ["-serial", "stdio", "-no-reboot", "-boot", "d", "-cdrom", str(self.disc)]
        run += ["-drive", f"file={disk},format=raw"]
        done = subprocess.run(run, check=True, capture_output=True, timeout=_START_SECONDS)
        dump = ["debugfs", "-R", f"dump /grubenv {self.block}", disk]
        subprocess.run(dump, check=True, capture_output=True)
        found = re.search(rb"starts: <(.*?)>", done.stdout)
        assert found is not None, done.stdout
        return found.group(1).decode()


def test_grub_starts_a_trial_once_and_the_default_otherwise(
    tmp_path: Path, boot_disc: Path
) -> None:
    machine = Machine(tmp_path, boot_disc)
    machine.block.parent.mkdir()
    machine.boot.set(DEFAULT, "")
    assert machine.start() == "A"

    machine.boot.set(DEFAULT, "A")
    machine.boot.set(TRIAL, "B")
    assert machine.start() == "B"
    assert (machine.boot.get(DEFAULT), machine.boot.get(TRIAL)) == ("A", "")
    assert machine.start() == "A"

    machine.boot.set(DEFAULT, "B")
    assert machine.start() == "B"
