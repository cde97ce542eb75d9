"""What may happen to two slots, in which order, so that no power cut leaves a device without one.

The rules: the running slot and the default are never written. A slot is tried only after it was
written, synced and read back. The boot loader forgets the trial before it starts it. The default
changes last, once the new image was found healthy. Whatever is interrupted, the default starts.

What is remembered (one JSON file on a partition that both slots share) follows each of these steps,
so that after a restart it is known whether an image was tried, and what became of it.
"""

from __future__ import annotations

import contextlib
import fcntl
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

from ..contract.codes import Erc
from . import ImageError
from .boot import DEFAULT, TRIAL
from .slots import write_image

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from .boot import BootControl
    from .slots import Slot

_ARMING, _ARMED, _FAILED = "arming", "armed", "failed"
_NOT_TRIED = "the boot loader did not start the new image"
_FELL_BACK = "the new image did not start, or stopped before it was found healthy"


class Standing(Enum):
    """Where a device stands."""

    IDLE = "idle"
    """It runs its default, and no image waits."""
    ARMED = "armed"
    """A new image starts with the next restart."""
    TRIAL = "trial"
    """It runs a new image that has not been judged."""
    CONDEMNED = "condemned"
    """It still runs a new image that was found unhealthy, and must restart."""
    FELL_BACK = "fell back"
    """It runs its default after a new image failed."""


@dataclass(frozen=True)
class Failure:
    """Why an image is not the running one."""

    code: int
    reason: str


class Memory(Protocol):
    """A JSON object that survives restarts; a change is there as a whole or not at all."""

    def read(self) -> dict[str, Any]:
        """The object."""

    def update(self, members: Mapping[str, Any]) -> None:
        """Change some members, durably."""


class SlotSwitch:
    """The slots of one device.

    Args:
        slots: Two or more, by distinct names.
        boot: The boot loader.
        running: Names the slot that runs.
        boot_id: Tells this start of the system from others.
        memory: What is remembered; shared by all slots.
        lock: A file to lock, beside it.
    """

    def __init__(
        self,
        slots: Sequence[Slot],
        *,
        boot: BootControl,
        running: Callable[[], str],
        boot_id: Callable[[], str],
        memory: Memory,
        lock: Path,
    ) -> None:
        self._slots = {slot.name: slot for slot in slots}
        self._boot = boot
        self._running = running
        self._boot_id = boot_id
        self._memory = memory
        self._lock_path = lock

    def look(self) -> Standing:
        """Where the device stands; the first look after a restart settles what became of a trial.

        Raises:
            ImageError: The boot loader cannot be asked, or names slots that there are not.
        """
        with self._locked():
            return self._look()

    def write(self, key: str, blocks: Iterable[bytes], cancelled: threading.Event) -> None:
        """Write an image into a slot that is neither running nor the default, and read it back.

        Args:
            key: Names what is being installed, the same over restarts.
            blocks: Of the image.
            cancelled: Stops it; `SlotCancelledError` is then raised.

        Raises:
            ImageError: The image or the slot cannot be used.
            OSError: The slot cannot be written.
        """
        with self._locked():
            if self._look() in (Standing.TRIAL, Standing.CONDEMNED):
                message = "the running image has not been found healthy yet"
                raise ImageError(Erc.IMAGE_BOOT_CONTROL, message)
            slot = self.target()
            self._disarm()
            self._remember_slot(slot.name, None)
        device = slot.open()
        try:
            digest = write_image(device, blocks, cancelled)
        finally:
            device.close()
        with self._locked():
            self._remember_slot(slot.name, {"key": key, "sha256": digest.hex()})

    def arm(self, key: str, criteria: str) -> None:
        """Have the image that was written under `key` start once, with the next restart.

        Raises:
            ImageError: There is no such image, or the boot loader cannot be told.
        """
        with self._locked():
            slot = self.target()
            known = self._slot(slot.name)
            if known.get("key") != key:
                raise ImageError(Erc.IMAGE_READ_BACK, "no whole image was written")
            self._remember_slot(slot.name, {**known, "criteria": criteria})
            running = self._running_slot()
            trial = {"slot": slot.name, "key": key, "bootId": self._boot_id(), "phase": _ARMING}
            self._memory.update({"trial": trial})
            if self._boot.get(DEFAULT) != running:
                self._boot.set(DEFAULT, running)
            self._boot.set(TRIAL, slot.name)
            self._memory.update({"trial": {**trial, "phase": _ARMED}})

    def disarm(self) -> None:
        """Take back what `arm` did, where the device has not restarted since."""
        with self._locked():
            if self._look() is Standing.ARMED:
                self._disarm()

    def commit(self) -> None:
        """Make the image on trial the default: it was found healthy."""
        with self._locked():
            if self._look() is Standing.TRIAL:
                self._boot.set(DEFAULT, self._running_slot())
                self._memory.update({"trial": None})

    def condemn(self, failure: Failure) -> None:
        """Note that the image on trial is unhealthy; the device must then restart."""
        with self._locked():
            if self._look() is Standing.TRIAL:
                slot = self._running_slot()
                self._note_failure({**self._trial(), "slot": slot}, failure)
                if self._boot.get(TRIAL):
                    # Should have been cleared at the start; a second trial must not be.
                    self._boot.set(TRIAL, "")

    def failure(self, key: str) -> Failure | None:
        """What became of the image of `key`, if it failed."""
        trial = self._trial()
        if trial.get("phase") != _FAILED or trial.get("key") != key:
            return None
        return Failure(int(trial.get("code", Erc.IMAGE_FELL_BACK)), str(trial.get("reason", "")))

    def forget_failure(self, key: str) -> None:
        """The failure was told; the same image may be tried again."""
        with self._locked():
            if self.failure(key) is not None and self._look() is Standing.FELL_BACK:
                self._memory.update({"trial": None})

    def is_armed(self, key: str) -> bool:
        """Whether the image of `key` starts with the next restart."""
        return self.look() is Standing.ARMED and self._trial().get("key") == key

    def criteria(self) -> str | None:
        """The installed criteria of the running image, where an update brought it."""
        value = self._slot(self._running_slot()).get("criteria")
        return value if isinstance(value, str) else None

    def note_hub(self) -> None:
        """Note that the hub was reached since this start of the system."""
        self._memory.update({"hub": self._boot_id()})

    def is_hub_reached(self) -> bool:
        """Whether the hub was reached since this start of the system."""
        return self._memory.read().get("hub") == self._boot_id()

    def target(self) -> Slot:
        """The slot to write."""
        taken = {self._running_slot(), self._default()}
        free = [slot for name, slot in self._slots.items() if name not in taken]
        if not free:
            raise ImageError(Erc.IMAGE_NOT_CONFIGURED, "there is no slot besides the running one")
        return free[0]

    def _look(self) -> Standing:
        trial, running = self._trial(), self._running_slot()
        is_default = running == self._default()
        phase, slot = trial.get("phase"), trial.get("slot")
        if phase == _FAILED:
            is_running = running == slot and not is_default
            return Standing.CONDEMNED if is_running else Standing.FELL_BACK
        if not is_default:
            return Standing.TRIAL
        if phase not in (_ARMING, _ARMED):
            return Standing.IDLE
        if running == slot:
            # The default was changed, but the power went before that was noted.
            self._memory.update({"trial": None})
            return Standing.IDLE
        if trial.get("bootId") == self._boot_id():
            return Standing.ARMED if phase == _ARMED else Standing.IDLE
        return self._settle(trial, str(slot))

    def _settle(self, trial: dict[str, Any], slot: str) -> Standing:
        """The device has restarted since a trial was asked for, and runs its default."""
        is_waiting = self._boot.get(TRIAL) == slot
        if is_waiting:
            self._boot.set(TRIAL, "")
        if trial.get("phase") == _ARMING:
            # It is not known whether the boot loader had been told: nothing can be said of it.
            self._memory.update({"trial": None})
            return Standing.IDLE
        if is_waiting:
            self._note_failure(trial, Failure(Erc.IMAGE_BOOT_CONTROL, _NOT_TRIED))
        else:
            self._note_failure(trial, Failure(Erc.IMAGE_FELL_BACK, _FELL_BACK))
        return Standing.FELL_BACK

    def _disarm(self) -> None:
        if self._boot.get(TRIAL):
            self._boot.set(TRIAL, "")
        if self._trial().get("phase") in (_ARMING, _ARMED):
            self._memory.update({"trial": None})

    def _note_failure(self, trial: dict[str, Any], failure: Failure) -> None:
        facts = {"phase": _FAILED, "code": int(failure.code), "reason": failure.reason}
        self._memory.update({"trial": {**trial, **facts}})

    def _running_slot(self) -> str:
        name = self._running()
        if name not in self._slots:
            message = f"{name!r:.40}, which runs, is none of the slots {', '.join(self._slots)}"
            raise ImageError(Erc.IMAGE_NOT_CONFIGURED, message)
        return name

    def _default(self) -> str:
        name = self._boot.get(DEFAULT) or self._running_slot()
        if name not in self._slots:
            message = f"the boot loader's default {name!r:.40} is none of the slots"
            raise ImageError(Erc.IMAGE_BOOT_CONTROL, message)
        return name

    def _trial(self) -> dict[str, Any]:
        trial = self._memory.read().get("trial")
        return trial if isinstance(trial, dict) else {}

    def _slot(self, name: str) -> dict[str, Any]:
        slots = self._memory.read().get("slots")
        known = slots.get(name) if isinstance(slots, dict) else None
        return known if isinstance(known, dict) else {}

    def _remember_slot(self, name: str, known: dict[str, Any] | None) -> None:
        slots = self._memory.read().get("slots")
        others = slots if isinstance(slots, dict) else {}
        self._memory.update({"slots": {**others, name: known}})

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        """The agent and who judges the trial are two processes."""
        with self._lock_path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
