"""`opendu/rauc:1`: install a RAUC bundle, where RAUC switches the slots.

The step has one file, the bundle, and installedCriteria: the text of the version file in the image.
RAUC itself checks the bundle's signature and writes it; the agent has it started, judges it, and
marks it good, or has RAUC go back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..contract.codes import Erc, ResultCode
from ..images import ImageError
from ..images.rauc import load_rauc_device
from ..images.steps import criteria_of, only_file, step_key
from ..images.switch import Standing
from . import CANCELLED, StepResult

if TYPE_CHECKING:
    from pathlib import Path

    from ..images.rauc import RaucDevice
    from . import HandlerEnvironment, StepContext

_BUNDLE = "a bundle"


def create(environment: HandlerEnvironment) -> RaucHandler:
    """Make the handler; `images.rauc` reads its settings."""
    folder, root = environment.folder, environment.root
    return RaucHandler(load_rauc_device(environment.settings, folder, root))


class RaucHandler:
    """Installs bundles on one device."""

    def __init__(self, device: RaucDevice) -> None:
        self._device = device

    def is_installed(self, step: StepContext) -> StepResult:
        """900 if the running image is the step's; an image on trial is judged first."""
        self._device.note_hub()
        if self._device.judge() is Standing.CONDEMNED:
            return StepResult(ResultCode.APPLY_REBOOT_NOW)
        is_there = self._running_version() == criteria_of(step, _BUNDLE)
        return StepResult(ResultCode.INSTALLED if is_there else ResultCode.NOT_INSTALLED)

    def download(self, step: StepContext) -> StepResult:
        """Fetch the bundle and have RAUC look at it, unless it has already failed."""
        criteria_of(step, _BUNDLE)
        if self._device.failure(step_key(step)) is None:
            step.fetch_files()
            self._check(only_file(step, _BUNDLE))
        return StepResult(ResultCode.DOWNLOAD_SUCCESS)

    def backup(self, step: StepContext) -> StepResult:
        """The running slot is the backup."""
        del step
        return StepResult(ResultCode.BACKUP_SUCCESS)

    def install(self, step: StepContext) -> StepResult:
        """Have RAUC write it, or tell that it was tried and failed."""
        failure = self._device.failure(step_key(step))
        if failure is not None:
            return StepResult(ResultCode.FAILURE, (failure.code,), failure.reason)
        if step.cancelled.is_set():
            return CANCELLED
        if not self._device.is_armed(step_key(step)):
            self._device.begin(step_key(step))
            # RAUC's service goes on whatever becomes of who asked, so a cancel waits for its end.
            self._device.rauc.install(only_file(step, _BUNDLE))
            self._device.arm()
        return StepResult(ResultCode.INSTALL_SUCCESS)

    def apply(self, step: StepContext) -> StepResult:
        """Ask for the restart; RAUC has made the new image the next to start."""
        if not self._device.is_armed(step_key(step)):
            raise ImageError(Erc.RAUC_FAILED, "no whole bundle was installed")
        return StepResult(ResultCode.APPLY_REBOOT_NOW)

    def restore(self, step: StepContext) -> StepResult:
        """The old image still runs and must start again; the new one may be tried again."""
        self._device.disarm()
        self._device.forget_failure(step_key(step))
        return StepResult(ResultCode.RESTORE_SUCCESS)

    def cancel(self, step: StepContext) -> StepResult:
        """The new image must not start any more."""
        del step
        self._device.disarm()
        return StepResult(ResultCode.CANCEL_SUCCESS)

    def _check(self, bundle: Path) -> None:
        found = self._device.rauc.info(bundle).get("compatible")
        wanted = self._device.rauc.status().get("compatible")
        if found != wanted:
            message = f"the bundle is for {found!r:.80}, this is {wanted!r:.80}"
            raise ImageError(Erc.IMAGE_HARDWARE, message)

    def _running_version(self) -> str | None:
        try:
            return self._device.version_file.read_text("utf-8", "replace").strip()
        except FileNotFoundError:
            return None
