"""Slots: the places that hold a whole system each, one running and one to be written."""

from __future__ import annotations

import hashlib
import hmac
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..contract.codes import Erc
from . import ImageError

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable

_BLOCK_BYTES = 1024 * 1024
_SYNC_BYTES = 32 * 1024 * 1024


class SlotDevice(Protocol):
    """What an image is written to: a partition, or a file that stands for one."""

    def size(self) -> int:
        """How many bytes it takes."""

    def write(self, offset: int, data: bytes) -> None:
        """Write; it may stay in memory until `sync`."""

    def sync(self) -> None:
        """Have all that was written on the medium, and forget what memory knows of it."""

    def read(self, offset: int, size: int) -> bytes:
        """Read what is on the medium."""

    def close(self) -> None:
        """Let go of it."""


@dataclass(frozen=True)
class Slot:
    """A slot; `selection` is its software set and mode in sw-descriptions, if it has them."""

    name: str
    path: Path
    selection: str = ""

    def open(self) -> SlotDevice:
        """Open it for writing.

        Raises:
            OSError: It is not there, or not ours to write.
        """
        return FileDevice(self.path)


class FileDevice:
    """A block device, or a file whose size says how large the slot is."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._size = os.lseek(self._descriptor, 0, os.SEEK_END)

    def size(self) -> int:
        """As `SlotDevice`."""
        return self._size

    def write(self, offset: int, data: bytes) -> None:
        """As `SlotDevice`."""
        view = memoryview(data)
        while view:
            written = os.pwrite(self._descriptor, view, offset)
            view, offset = view[written:], offset + written

    def sync(self) -> None:
        """As `SlotDevice`: clean pages are dropped, so that reading reaches the medium."""
        os.fsync(self._descriptor)
        os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def read(self, offset: int, size: int) -> bytes:
        """As `SlotDevice`."""
        return os.pread(self._descriptor, size, offset)

    def close(self) -> None:
        """As `SlotDevice`."""
        os.close(self._descriptor)


def write_image(device: SlotDevice, blocks: Iterable[bytes], cancelled: threading.Event) -> bytes:
    """Write an image and read it back.

    Args:
        device: The slot.
        blocks: Of the image; an error that they raise leaves the slot half written.
        cancelled: Stops it.

    Returns:
        The SHA-256 of the image.

    Raises:
        ImageError: The image does not fit, or the slot does not hold what was written.
        SlotCancelledError: `cancelled` was set.
    """
    digest, size, synced = hashlib.sha256(), 0, 0
    for block in blocks:
        if cancelled.is_set():
            raise SlotCancelledError
        if size + len(block) > device.size():
            message = f"the image is larger than the slot, which takes {device.size()} bytes"
            raise ImageError(Erc.IMAGE_TOO_LARGE, message)
        device.write(size, block)
        digest.update(block)
        size += len(block)
        if size - synced >= _SYNC_BYTES:
            device.sync()
            synced = size
    device.sync()
    _check(device, size, digest.digest(), cancelled)
    return digest.digest()


class SlotCancelledError(Exception):
    """Writing was asked to stop; the slot holds no whole image."""


def _check(device: SlotDevice, size: int, expected: bytes, cancelled: threading.Event) -> None:
    if size == 0:
        raise ImageError(Erc.IMAGE_TOO_LARGE, "the image is empty")
    digest, at = hashlib.sha256(), 0
    while at < size:
        if cancelled.is_set():
            raise SlotCancelledError
        block = device.read(at, min(_BLOCK_BYTES, size - at))
        if not block:
            break
        digest.update(block)
        at += len(block)
    if not hmac.compare_digest(digest.digest(), expected):
        raise ImageError(Erc.IMAGE_READ_BACK, "the slot does not hold what was written into it")
