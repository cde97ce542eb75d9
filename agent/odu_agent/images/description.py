"""The sw-description of a .swu file: which image is for this device.

In libconfig's format or in JSON, as SWUpdate takes it. The agent writes one image into the slot
that does not run; what an archive asks for beyond that (files, scripts, partitions) is refused, not
left out. Settings for the boot loader are the agent's own matter and are passed over.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..contract.codes import Erc
from ..contract.strictjson import loads_object
from . import ImageError
from .libconfig import parse_libconfig

if TYPE_CHECKING:
    from collections.abc import Mapping

MAXIMUM_BYTES = 256 * 1024
_SHA256 = re.compile(r"[0-9A-Fa-f]{64}")
_COMPRESSIONS = {None: "", False: "", True: "zlib", "zlib": "zlib", "xz": "xz", "zstd": "zstd"}
_FOREIGN = ("files", "scripts", "partitions", "vm", "delta")
_PATTERN = "#RE:"


@dataclass(frozen=True)
class Hardware:
    """A board and its revision, as in SWUpdate's /etc/hwrevision."""

    board: str
    revision: str


@dataclass(frozen=True)
class ImageEntry:
    """The image to write; `sha256` is that of the file as it lies in the archive."""

    file_name: str
    sha256: bytes
    compression: str


@dataclass(frozen=True)
class Description:
    """What a sw-description says to one device and slot."""

    version: str
    image: ImageEntry


def parse_description(data: bytes, hardware: Hardware | None, selection: str = "") -> Description:
    """Read a sw-description.

    Args:
        data: Of the file; its signature must have been checked.
        hardware: Of this device; None if that is not to be compared.
        selection: `<software set>,<running mode>` of the slot to write, or empty.

    Raises:
        ImageError: It cannot be read, is for other hardware, or asks for what is not done here.
    """
    software = _software(data)
    board = _board(software, hardware)
    section = _section(board, selection)
    _check_hardware({**software, **board, **section}, hardware)
    foreign = next((name for name in _FOREIGN if section.get(name)), None)
    if foreign is not None:
        raise _unfit(f"{foreign} can only be installed by SWUpdate itself")
    images = section.get("images")
    if not isinstance(images, list) or len(images) != 1 or not isinstance(images[0], dict):
        raise _unfit("images must hold exactly one entry")
    version = software.get("version", "")
    return Description(version if isinstance(version, str) else "", _image(images[0]))


def _software(data: bytes) -> dict[str, Any]:
    if len(data) > MAXIMUM_BYTES:
        raise _unfit(f"it is longer than {MAXIMUM_BYTES} bytes")
    try:
        text = data.decode()
        parsed = loads_object(text) if text.lstrip().startswith("{") else parse_libconfig(text)
    except ValueError as error:
        raise _unfit(str(error)) from None
    software = parsed.get("software")
    if not isinstance(software, dict):
        raise _unfit("it has no software")
    return software


def _board(software: dict[str, Any], hardware: Hardware | None) -> dict[str, Any]:
    """The part for this board, where there is one."""
    board = software.get(hardware.board) if hardware is not None else None
    return board if isinstance(board, dict) else software


def _section(board: dict[str, Any], selection: str) -> dict[str, Any]:
    """The part for a software set and mode, as SWUpdate looks for it."""
    section: Any = board
    for name in selection.split(",") if selection else ():
        section = section.get(name) if isinstance(section, dict) else None
    if not isinstance(section, dict):
        raise _unfit(f"it has nothing for {selection}")
    return section


def _check_hardware(section: Mapping[str, Any], hardware: Hardware | None) -> None:
    if hardware is None:
        return
    revisions = section.get("hardware-compatibility")
    if not isinstance(revisions, list) or not all(isinstance(text, str) for text in revisions):
        raise ImageError(Erc.IMAGE_HARDWARE, "the image does not say what hardware it is for")
    if not any(_is_revision(text, hardware.revision) for text in revisions):
        names = ", ".join(revisions)[:100]
        message = f"the image is for revision {names}, this is {hardware.revision}"
        raise ImageError(Erc.IMAGE_HARDWARE, message)


def _is_revision(text: str, revision: str) -> bool:
    if not text.startswith(_PATTERN):
        return text == revision
    try:
        return re.fullmatch(text[len(_PATTERN) :], revision) is not None
    except re.error:
        raise _unfit(f"{text!r:.80} is no pattern") from None


def _image(entry: Mapping[str, Any]) -> ImageEntry:
    name, digest, kind = entry.get("filename"), entry.get("sha256"), entry.get("type", "raw")
    compression = entry.get("compressed")
    if not isinstance(name, str) or not name:
        raise _unfit("the image has no filename")
    if not isinstance(digest, str) or not _SHA256.fullmatch(digest):
        raise _unfit(f"{name!r:.80} has no sha256")
    if kind != "raw":
        raise _unfit(f"an image of type {json.dumps(kind):.40} can only be written by SWUpdate")
    if entry.get("encrypted"):
        raise _unfit("the image is encrypted")
    if not isinstance(compression, (str, bool, type(None))) or compression not in _COMPRESSIONS:
        raise _unfit(f"compressed is {json.dumps(compression):.40}, not zlib, xz or zstd")
    return ImageEntry(name, bytes.fromhex(digest), _COMPRESSIONS[compression])


def _unfit(reason: str) -> ImageError:
    return ImageError(Erc.IMAGE_DESCRIPTION, f"the sw-description cannot be used: {reason}")
