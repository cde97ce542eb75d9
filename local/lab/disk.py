"""The disk of the reference device, put together without mounting anything.

Two slots, GRUB with its environment block, and the data that both slots share. The partitions are
numbered as docs/images.md has them in its lines for GRUB.
"""

from __future__ import annotations

import struct
import tempfile
from dataclasses import dataclass
from pathlib import Path

from local.lab.commands import run

MIB = 1 << 20
_SECTOR = 512
_GRUB_FOLDER = Path("/usr/lib/grub/i386-pc")
_GRUB_MODULES = (
    *("biosdisk", "part_gpt", "ext2", "loadenv", "linux", "normal", "serial", "terminal"),
    *("test", "echo", "configfile"),
)
_BIOS_BOOT = "21686148-6449-6E6F-744E-656564454649"
_LINUX = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
_BOOT_CODE_BYTES = 440
"""Of the first sector; the rest of it is the partition table's."""
_KERNEL_SECTOR_AT = 0x5C
"""Where `boot.img` of GRUB keeps the sector in which its core begins."""
_BLOCK_LIST_AT = _SECTOR - 12
"""Where the first sector of GRUB's core keeps the sector in which the rest of it begins."""


@dataclass(frozen=True, slots=True)
class Partition:
    """A partition; start and size in MiB."""

    name: str
    start: int
    size: int
    kind: str = _LINUX

    @property
    def offset(self) -> int:
        """Where it begins, in bytes."""
        return self.start * MIB


GRUB = Partition("grub", 1, 1, _BIOS_BOOT)
SLOTS = {"A": Partition("root-A", 2, 400), "B": Partition("root-B", 402, 400)}
BOOT = Partition("boot", 802, 16)
DATA = Partition("data", 818, 600)
_ALL = (GRUB, *SLOTS.values(), BOOT, DATA)
_DISK_MIB = 1419
"""One MiB more than the partitions, for the second partition table."""


def make_disk(disk: Path, system: Path, grub_config: Path, data: Path) -> None:
    """Make a disk whose slot A holds a system and whose slot B is empty.

    Args:
        disk: The file to make.
        system: The file system of slot A.
        grub_config: The configuration of GRUB.
        data: A folder; what is to be in the data partition.

    Raises:
        LabError: A program that takes part has failed.
    """
    disk.unlink(missing_ok=True)
    with disk.open("wb") as file:
        file.truncate(_DISK_MIB * MIB)
    lines = [
        f"start={each.start}MiB, size={each.size}MiB, type={each.kind}, name={each.name}"
        for each in _ALL
    ]
    run(["sfdisk", "--quiet", disk], text="\n".join(["label: gpt", *lines]))
    _copy(system, disk, SLOTS["A"])
    with tempfile.TemporaryDirectory(prefix="odu-lab-") as name:
        folder = Path(name)
        (folder / "boot").mkdir()
        (folder / "boot" / "grub.cfg").write_bytes(grub_config.read_bytes())
        run(["grub-editenv", folder / "boot" / "grubenv", "create"])
        # GRUB passes journals over: without one it reads what Linux synced, after power cuts too.
        _format(disk, BOOT, "ext2", folder / "boot")
        _format(disk, DATA, "ext4", data)
        _install_grub(disk, folder / "core.img")


def slot_content(disk: Path, slot: str, offset: int, size: int) -> bytes:
    """What is in a slot."""
    with disk.open("rb") as file:
        file.seek(SLOTS[slot].offset + offset)
        return file.read(size)


def _format(disk: Path, partition: Partition, kind: str, tree: Path) -> None:
    options = f"offset={partition.offset},root_owner=0:0"
    command: list[str | Path] = [
        "mke2fs",
        "-q",
        "-F",
        "-t",
        kind,
        "-m",
        "0",
        "-E",
        options,
        "-d",
        tree,
    ]
    run([*command, disk, f"{partition.size}M"])


def _copy(source: Path, disk: Path, partition: Partition) -> None:
    empty = bytes(MIB)
    with source.open("rb") as image, disk.open("r+b") as file:
        at = partition.offset
        while block := image.read(MIB):
            if block != empty[: len(block)]:
                file.seek(at)
                file.write(block)
            at += len(block)


def _install_grub(disk: Path, core: Path) -> None:
    """Do what `grub-bios-setup` does, which wants a device that is mounted."""
    prefix = f"(hd0,gpt{_ALL.index(BOOT) + 1})/"
    command: list[str | Path] = [
        "grub-mkimage",
        "-O",
        "i386-pc",
        "-d",
        _GRUB_FOLDER,
        "-p",
        prefix,
        "-o",
        core,
    ]
    run([*command, *_GRUB_MODULES])
    sector = GRUB.offset // _SECTOR
    code = bytearray((_GRUB_FOLDER / "boot.img").read_bytes()[:_BOOT_CODE_BYTES])
    struct.pack_into("<Q", code, _KERNEL_SECTOR_AT, sector)
    image = bytearray(core.read_bytes())
    struct.pack_into("<Q", image, _BLOCK_LIST_AT, sector + 1)
    with disk.open("r+b") as file:
        file.write(code)
        file.seek(GRUB.offset)
        file.write(image)
