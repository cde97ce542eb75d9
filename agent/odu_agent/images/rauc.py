"""RAUC, where it is what switches slots: its program, and the trial of what it has installed.

RAUC writes, checks and activates; its boot loader counts the tries of an image that nobody has
marked good, and goes back by itself. What is here decides whether it is marked good: once it is
healthy. It stands in for the service `rauc-mark-good`, which marks every start at once: also that
of an image that was judged before is counted, and has to be marked.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..contract.codes import Erc
from ..handlers.settings import Settings
from ..processes import Completed, Program, run, search_path
from ..state import JsonFile
from . import ImageError
from .switch import Failure, Standing
from .trial import Health, load_health

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SETTINGS_NAME = "opendu/rauc:1"
_SECONDS = 60
_BUS = "DBUS_SYSTEM_BUS_ADDRESS"
_NO_START = "the device runs its old image: the new one did not start, or stopped too early"
_INSTALLING, _ARMED, _FAILED = "installing", "armed", "failed"


@dataclass(frozen=True)
class Rauc:
    """The program `rauc`, which has its service do what changes anything.

    Attributes:
        config: Its configuration; None is its own default.
        install_seconds: How long an installation may take.
    """

    config: Path | None = None
    install_seconds: float = 3600

    def info(self, bundle: Path) -> dict[str, Any]:
        """What a bundle holds; its signature is checked.

        Raises:
            ImageError: It is damaged, or not signed by whom the device trusts.
        """
        completed = self._run(["info", "--output-format=json", str(bundle)])
        if not completed.is_success:
            reason = _reason(completed)
            is_signature = "verif" in reason.lower()
            raise ImageError(Erc.IMAGE_SIGNATURE if is_signature else Erc.IMAGE_ARCHIVE, reason)
        return _json(completed)

    def status(self) -> dict[str, Any]:
        """The slots; `booted` names the one that runs.

        Raises:
            ImageError: RAUC cannot tell.
        """
        completed = self._run(["status", "--output-format=json"])
        if not completed.is_success:
            raise ImageError(Erc.IMAGE_BOOT_CONTROL, _reason(completed))
        return _json(completed)

    def booted(self) -> str:
        """The slot that runs, as the boot loader calls it."""
        name = self.status().get("booted")
        if not isinstance(name, str) or not name:
            raise ImageError(Erc.IMAGE_NOT_CONFIGURED, "RAUC does not know the slot that runs")
        return name

    def install(self, bundle: Path) -> None:
        """Write a bundle into the other slot, and have it started from now on.

        Raises:
            ImageError: RAUC has failed; it says why.
        """
        completed = self._run(["install", str(bundle)], self.install_seconds)
        if not completed.is_success:
            raise ImageError(Erc.RAUC_FAILED, _reason(completed))

    def mark(self, state: str, slot: str) -> None:
        """Mark a slot `good`, `bad` or `active`; `booted` and `other` are slots too.

        Raises:
            ImageError: The boot loader cannot be told.
        """
        completed = self._run(["status", f"mark-{state}", slot])
        if not completed.is_success:
            raise ImageError(Erc.IMAGE_BOOT_CONTROL, _reason(completed))

    def _run(self, words: list[str], seconds: float = _SECONDS) -> Completed:
        environment = {"PATH": search_path(), "LC_ALL": "C.UTF-8"}
        if _BUS in os.environ:
            environment[_BUS] = os.environ[_BUS]
        config = [] if self.config is None else [f"--conf={self.config}"]
        try:
            return run(Program(["rauc", *config, *words], environment, Path("/"), seconds))
        except OSError as error:
            message = f"rauc cannot be run: {error.strerror}"
            raise ImageError(Erc.IMAGE_NOT_CONFIGURED, message) from None


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()


@dataclass(frozen=True)
class RaucDevice:
    """A device whose slots RAUC switches.

    Attributes:
        rauc: RAUC.
        health: Of a new image.
        version_file: In the image, holds its version; compared with installedCriteria.
        memory: What is remembered; shared by all slots.
        boot_id: Tells this start of the system from others.
    """

    rauc: Rauc
    health: Health
    version_file: Path
    memory: JsonFile
    boot_id: Callable[[], str] = _boot_id

    def begin(self, key: str) -> None:
        """Note that a bundle is about to be installed: RAUC activates it at the end of that."""
        trial = {"key": key, "from": self.rauc.booted(), "bootId": self.boot_id()}
        self.memory.update({"trial": {**trial, "phase": _INSTALLING}})

    def arm(self) -> None:
        """Note that it is installed whole, and that the next start is its first."""
        self.memory.update({"trial": {**self._trial(), "phase": _ARMED}})

    def is_armed(self, key: str) -> bool:
        """Whether the bundle of `key` starts with the next restart."""
        trial = self._trial()
        is_current = trial.get("bootId") == self.boot_id()
        return is_current and trial.get("phase") == _ARMED and trial.get("key") == key

    def disarm(self) -> None:
        """Have the running image start again, where a bundle was installed since it started."""
        trial = self._trial()
        if trial.get("phase") in (_INSTALLING, _ARMED) and trial.get("bootId") == self.boot_id():
            self.rauc.mark("active", "booted")
            self.memory.update({"trial": None})

    def judge(self) -> Standing:
        """Judge the running image, if it is on trial; after `CONDEMNED` the device must restart.

        Raises:
            ImageError: RAUC cannot be asked or told.
        """
        trial = self._trial()
        phase = trial.get("phase")
        if phase == _FAILED:
            if self.rauc.booted() != trial.get("from"):
                return Standing.CONDEMNED
            self._mark_good()
            return Standing.FELL_BACK
        if phase not in (_INSTALLING, _ARMED):
            self._mark_good()
            return Standing.IDLE
        if trial.get("bootId") == self.boot_id():
            return Standing.ARMED if phase == _ARMED else Standing.IDLE
        if self.rauc.booted() == trial.get("from"):
            if phase == _INSTALLING:
                # It is not known whether it was whole: nothing can be said of it.
                self.memory.update({"trial": None})
                self._mark_good()
                return Standing.IDLE
            self._fail(Failure(Erc.IMAGE_FELL_BACK, _NO_START))
            self._mark_good()
            return Standing.FELL_BACK
        fault = self.health.fault(self.is_hub_reached)
        if fault is None:
            self._mark_good()
            self.memory.update({"trial": None})
            return Standing.IDLE
        self._fail(Failure(Erc.IMAGE_UNHEALTHY, fault))
        self.rauc.mark("bad", "booted")
        self.rauc.mark("active", "other")
        return Standing.CONDEMNED

    def failure(self, key: str) -> Failure | None:
        """What became of the bundle of `key`, if it failed."""
        trial = self._trial()
        if trial.get("phase") != _FAILED or trial.get("key") != key:
            return None
        return Failure(int(trial.get("code", Erc.IMAGE_FELL_BACK)), str(trial.get("reason", "")))

    def forget_failure(self, key: str) -> None:
        """The failure was told; the same bundle may be tried again."""
        if self.failure(key) is not None:
            self.memory.update({"trial": None})

    def note_hub(self) -> None:
        """Note that the hub was reached since this start of the system."""
        self.memory.update({"hub": self.boot_id()})

    def is_hub_reached(self) -> bool:
        """Whether the hub was reached since this start of the system."""
        return self.memory.read().get("hub") == self.boot_id()

    def _mark_good(self) -> None:
        """Once for each start."""
        if self.memory.read().get("good") != self.boot_id():
            self.rauc.mark("good", "booted")
            self.memory.update({"good": self.boot_id()})

    def _trial(self) -> dict[str, Any]:
        trial = self.memory.read().get("trial")
        return trial if isinstance(trial, dict) else {}

    def _fail(self, failure: Failure) -> None:
        facts = {"phase": _FAILED, "code": int(failure.code), "reason": failure.reason}
        self.memory.update({"trial": {**self._trial(), **facts}})


def load_rauc_device(values: Mapping[str, Any], folder: Path, root: Path) -> RaucDevice:
    """Read the settings: `config`, `timeoutMinutes`, `healthCheck`, `versionFile`.

    Raises:
        SettingError: One is wrong.
    """
    settings = Settings(values, f"{SETTINGS_NAME}.")
    config = settings.text("config", "")
    seconds = 60 * settings.number("timeoutMinutes", 60)
    return RaucDevice(
        rauc=Rauc(Path(config) if config else None, seconds),
        health=load_health(settings.group("healthCheck"), f"{SETTINGS_NAME}.healthCheck"),
        version_file=root / settings.text("versionFile", "/etc/adu-version").lstrip("/"),
        memory=JsonFile(folder / "rauc.json"),
    )


def _json(completed: Completed) -> dict[str, Any]:
    """The document in what RAUC prints, between lines of its log."""
    for line in completed.output.splitlines():
        if line.startswith("{"):
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict):
                return found
    raise ImageError(Erc.RAUC_FAILED, "rauc answers no JSON: " + completed.last_line)


def _reason(completed: Completed) -> str:
    """RAUC says why it failed in one of several ways."""
    lines = [line.strip() for line in completed.output.splitlines() if line.strip()]
    told = next((line for line in lines if line.startswith("LastError:")), "")
    return "rauc: " + (told.partition(":")[2].strip() or completed.last_line)[:400]
