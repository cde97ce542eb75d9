"""`microsoft/swupdate:1` and `opendu/image:1`: write a whole-system image into the other slot.

The first takes one .swu file, the second one raw image, plain or packed (`compression` in the
handler's properties: `zlib` (gzip), `xz` or `zstd`). The image goes block by block from the file
into the slot; it is not unpacked anywhere else. A restart then starts it on trial.

Whether it is installed is told by the version file in the running image, which must hold the
step's installedCriteria; without such a file, by what was written into the running slot.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ..contract.codes import Erc, ResultCode
from ..images import ImageError
from ..images.compression import unpacked
from ..images.device import ImageDevice, image_folder, load_image_device
from ..images.slots import SlotCancelledError
from ..images.steps import criteria_of, only_file, step_key
from ..images.switch import Standing
from ..images.swu import SwuFile
from ..images.trial import judge
from . import CANCELLED, StepResult

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from . import HandlerEnvironment, StepContext

_BLOCK_BYTES = 1024 * 1024
_IMAGE = "an image"
_COMPRESSIONS = ("", "zlib", "xz", "zstd")


class ImageSource(Protocol):
    """One kind of file that holds an image."""

    def check(self, step: StepContext, device: ImageDevice) -> None:
        """Look at all of it before anything is written; raises `ImageError`."""

    def content(self, step: StepContext, device: ImageDevice) -> Iterator[bytes]:
        """The image, unpacked, in blocks."""


def create_swupdate(environment: HandlerEnvironment) -> ImageHandler:
    """Make the handler of .swu files; its settings are those of `images`."""
    return ImageHandler(_device(environment), SwuSource())


def create_raw(environment: HandlerEnvironment) -> ImageHandler:
    """Make the handler of raw images; its settings are those of `images`."""
    return ImageHandler(_device(environment), RawSource())


class SwuSource:
    """A SWUpdate archive."""

    def check(self, step: StepContext, device: ImageDevice) -> None:
        """Check signature, hardware, hash and the archive itself."""
        self._file(step, device).check()

    def content(self, step: StepContext, device: ImageDevice) -> Iterator[bytes]:
        """The image in it, all of it checked again on the way."""
        return self._file(step, device).content()

    def _file(self, step: StepContext, device: ImageDevice) -> SwuFile:
        selection = device.switch.target().selection
        return SwuFile(only_file(step, _IMAGE), device.trust, device.hardware, selection)


class RawSource:
    """An image as it is, or packed; its hash is that of the signed update manifest."""

    def check(self, step: StepContext, device: ImageDevice) -> None:
        """Check what can be known before it is unpacked."""
        del device
        _compression(step)

    def content(self, step: StepContext, device: ImageDevice) -> Iterator[bytes]:
        """The image, unpacked."""
        del device
        return unpacked(_blocks(only_file(step, _IMAGE)), _compression(step))


class ImageHandler:
    """Writes images of one kind into the slots of one device."""

    def __init__(self, device: ImageDevice, source: ImageSource) -> None:
        self._device = device
        self._source = source

    def is_installed(self, step: StepContext) -> StepResult:
        """900 if the running image is the step's; an image on trial is judged first."""
        self._device.switch.note_hub()
        if judge(self._device.switch, self._device.health) is Standing.CONDEMNED:
            return StepResult(ResultCode.APPLY_REBOOT_NOW)
        is_there = self._running_version() == criteria_of(step, _IMAGE)
        return StepResult(ResultCode.INSTALLED if is_there else ResultCode.NOT_INSTALLED)

    def download(self, step: StepContext) -> StepResult:
        """Fetch the file and look at all of it, unless the image has already failed."""
        criteria_of(step, _IMAGE)
        if self._device.switch.failure(step_key(step)) is None:
            step.fetch_files()
            self._source.check(step, self._device)
        return StepResult(ResultCode.DOWNLOAD_SUCCESS)

    def backup(self, step: StepContext) -> StepResult:
        """The running slot is the backup."""
        del step
        return StepResult(ResultCode.BACKUP_SUCCESS)

    def install(self, step: StepContext) -> StepResult:
        """Write the image and read it back, or tell that it was tried and failed."""
        failure = self._device.switch.failure(step_key(step))
        if failure is not None:
            return StepResult(ResultCode.FAILURE, (failure.code,), failure.reason)
        if self._device.switch.is_armed(step_key(step)):
            return StepResult(ResultCode.INSTALL_SUCCESS)
        content = self._source.content(step, self._device)
        try:
            self._device.switch.write(step_key(step), content, step.cancelled)
        except SlotCancelledError:
            return CANCELLED
        return StepResult(ResultCode.INSTALL_SUCCESS)

    def apply(self, step: StepContext) -> StepResult:
        """Have the image start once, and ask for the restart."""
        if not self._device.switch.is_armed(step_key(step)):
            self._device.switch.arm(step_key(step), criteria_of(step, _IMAGE))
        return StepResult(ResultCode.APPLY_REBOOT_NOW)

    def restore(self, step: StepContext) -> StepResult:
        """The old image still runs; a new one must not start any more, but may be tried again."""
        self._device.switch.disarm()
        self._device.switch.forget_failure(step_key(step))
        return StepResult(ResultCode.RESTORE_SUCCESS)

    def cancel(self, step: StepContext) -> StepResult:
        """The new image must not start any more."""
        del step
        self._device.switch.disarm()
        return StepResult(ResultCode.CANCEL_SUCCESS)

    def _running_version(self) -> str | None:
        try:
            return self._device.version_file.read_text("utf-8", "replace").strip()
        except FileNotFoundError:
            return self._device.switch.criteria()


def _device(environment: HandlerEnvironment) -> ImageDevice:
    folder = image_folder(environment.folder.parent)
    return load_image_device(environment.settings, folder, environment.root)


def _compression(step: StepContext) -> str:
    name = step.properties.get("compression", "")
    if name not in _COMPRESSIONS:
        message = f"compression {name!r:.40} is not zlib, xz or zstd"
        raise ImageError(Erc.IMAGE_DESCRIPTION, message)
    return str(name)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while True:
            block = file.read(_BLOCK_BYTES)
            if not block:
                return
            yield block
