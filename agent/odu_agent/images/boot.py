"""Boot loaders, as far as switching slots needs them: two variables.

`odu_default` names the slot that starts; `odu_trial`, if it is not empty, the one that starts once
instead: the boot loader must clear it before it starts that slot, so that whatever goes wrong after
it, the next start is that of the default. docs/images.md has the lines for GRUB and U-Boot.

Each change is that of one variable, as a whole or not at all.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..contract.codes import Erc
from ..processes import Completed, Program, run, search_path
from ..state import JsonFile
from . import ImageError

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT, TRIAL = "odu_default", "odu_trial"
_SECONDS = 60


class BootControl(Protocol):
    """The variables of a boot loader."""

    def get(self, name: str) -> str:
        """A variable, empty if it is not set."""

    def set(self, name: str, value: str) -> None:
        """Change a variable; an empty value unsets it."""


class FileBootControl:
    """Variables in a JSON file, for devices that are simulated."""

    def __init__(self, path: Path) -> None:
        self._file = JsonFile(path)

    def get(self, name: str) -> str:
        """As `BootControl`."""
        value = self._file.read().get(name, "")
        return value if isinstance(value, str) else ""

    def set(self, name: str, value: str) -> None:
        """As `BootControl`."""
        self._file.update({name: value})


@dataclass(frozen=True)
class GrubBootControl:
    """GRUB's environment block.

    `grub-editenv` writes the block in place, which a power cut may tear: it is let at a copy, and
    the copy takes the block's place. GRUB looks the file up at each start.
    """

    path: Path

    def get(self, name: str) -> str:
        """As `BootControl`."""
        if not self.path.exists():
            return ""
        listed = _run(["grub-editenv", str(self.path), "list"])
        values = dict(line.split("=", 1) for line in listed.output.splitlines() if "=" in line)
        return values.get(name, "")

    def set(self, name: str, value: str) -> None:
        """As `BootControl`."""
        copy = self.path.with_name(self.path.name + ".new")
        if self.path.exists():
            shutil.copyfile(self.path, copy)
        else:
            _run(["grub-editenv", str(copy), "create"])
        _run(["grub-editenv", str(copy), "set", f"{name}={value}"])
        _sync(copy)
        copy.replace(self.path)
        _sync(self.path.parent)


@dataclass(frozen=True)
class UBootBootControl:
    """U-Boot's environment, by `fw_printenv` and `fw_setenv`.

    Safe against power cuts where the environment is redundant, which `fw_env.config` says by its
    second line.
    """

    config: Path | None = None

    def get(self, name: str) -> str:
        """As `BootControl`."""
        listed = _run(["fw_printenv", *self._options()])
        values = dict(line.split("=", 1) for line in listed.output.splitlines() if "=" in line)
        return values.get(name, "")

    def set(self, name: str, value: str) -> None:
        """As `BootControl`."""
        _run(["fw_setenv", *self._options(), name, *([value] if value else [])])

    def _options(self) -> list[str]:
        return [] if self.config is None else ["-c", str(self.config)]


def _run(arguments: Sequence[str]) -> Completed:
    environment = {"PATH": search_path()}
    try:
        completed = run(Program(arguments, environment, Path("/"), _SECONDS))
    except OSError as error:
        raise _failed(f"{arguments[0]} cannot be run: {error.strerror}") from None
    if not completed.is_success:
        raise _failed(f"{arguments[0]}: {completed.last_line or completed.exit_code}")
    return completed


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _failed(reason: str) -> ImageError:
    return ImageError(Erc.IMAGE_BOOT_CONTROL, reason)
