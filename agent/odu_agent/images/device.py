"""What a device's configuration says about its images."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..handlers.settings import SettingError, Settings
from ..state import JsonFile
from .boot import BootControl, FileBootControl, GrubBootControl, UBootBootControl
from .description import Hardware
from .signature import METHODS, Trust
from .slots import Slot
from .switch import SlotSwitch
from .trial import Health, load_health

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SETTINGS_NAME = "images"
"""The member of `handlers` in du-config.json, shared by all handlers of images."""

_SLOT_NAME = re.compile(r"[A-Za-z0-9._-]{1,32}")
_COMMAND_LINE_SLOT = re.compile(r"(?:^|\s)odu\.slot=(\S+)")


@dataclass(frozen=True)
class ImageDevice:
    """The slots of a device, and how images are checked, judged and started.

    Attributes:
        switch: The slots.
        health: Of a new image.
        trust: Who must have signed a .swu file.
        hardware: The board; None if images are not compared with it.
        version_file: In the image, holds its version; compared with installedCriteria.
    """

    switch: SlotSwitch
    health: Health
    trust: Trust
    hardware: Hardware | None
    version_file: Path


def image_folder(handlers_folder: Path) -> Path:
    """The folder for what is remembered of slots, made if need be: of all handlers of images."""
    folder = handlers_folder / "images"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def load_image_device(values: Mapping[str, Any], folder: Path, root: Path) -> ImageDevice:
    """Read the settings of images.

    Args:
        values: `slots`, `bootControl`, `signature`, `hardware`, `healthCheck`, `versionFile`,
            `runningSlotFile`: docs/images.md.
        folder: Shared by all slots; holds what is remembered.
        root: Of the running system.

    Raises:
        SettingError: One is missing or wrong.
    """
    settings = Settings(values, f"{SETTINGS_NAME}.")
    slots = [_slot(entry) for entry in settings.items("slots")]
    if len({slot.name for slot in slots}) != len(slots) or len(slots) < 2:
        raise SettingError("images.slots must hold two or more slots with names of their own")
    switch = SlotSwitch(
        slots,
        boot=_boot_control(settings.group("bootControl"), folder),
        running=_running(settings.text("runningSlotFile", ""), slots, root),
        boot_id=lambda: Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip(),
        memory=JsonFile(folder / "slots.json"),
        lock=folder / "slots.lock",
    )
    return ImageDevice(
        switch=switch,
        health=load_health(settings.group("healthCheck"), f"{SETTINGS_NAME}.healthCheck"),
        trust=_trust(settings.group("signature")),
        hardware=_hardware(settings.group("hardware")),
        version_file=root / settings.text("versionFile", "/etc/adu-version").lstrip("/"),
    )


def _slot(entry: Any) -> Slot:
    settings = Settings(entry if isinstance(entry, dict) else {}, "images.slots[].")
    name = settings.text("name")
    if not _SLOT_NAME.fullmatch(name):
        raise SettingError(f"images.slots[].name {name!r:.40} is no plain name")
    return Slot(name, Path(settings.text("device")), settings.text("selection", ""))


def _boot_control(settings: Settings, folder: Path) -> BootControl:
    kind = settings.text("type")
    if kind == "grub":
        return GrubBootControl(Path(settings.text("environment", "/boot/grub/grubenv")))
    if kind == "uboot":
        config = settings.text("config", "")
        return UBootBootControl(Path(config) if config else None)
    if kind == "file":
        return FileBootControl(Path(settings.text("path", str(folder / "boot.json"))))
    raise SettingError(f"images.bootControl.type {kind!r:.40} is not grub, uboot or file")


def _running(file: str, slots: list[Slot], root: Path) -> Callable[[], str]:
    def running() -> str:
        if file:
            return Path(file).read_text("utf-8").strip()
        named = slot_of_command_line(Path("/proc/cmdline").read_text("utf-8", "replace"))
        return named or _mounted_slot(slots, root)

    return running


def slot_of_command_line(text: str) -> str | None:
    """The slot that the boot loader named on the kernel's command line."""
    found = _COMMAND_LINE_SLOT.search(text)
    return found.group(1) if found else None


def _mounted_slot(slots: list[Slot], root: Path) -> str:
    """The slot whose device holds the running system."""
    device = root.stat().st_dev
    for slot in slots:
        try:
            if os.stat(slot.path).st_rdev == device:  # noqa: PTH116 - beside Path.stat of the root
                return slot.name
        except FileNotFoundError:
            continue
    return ""


def _trust(settings: Settings) -> Trust:
    method = settings.text("method", "cms")
    if method not in METHODS:
        raise SettingError(f"images.signature.method must be one of {', '.join(METHODS)}")
    file = settings.text("file", "")
    return Trust(method, Path(file) if file else None)


def _hardware(settings: Settings) -> Hardware | None:
    board = settings.text("board", "")
    return Hardware(board, settings.text("revision")) if board else None
