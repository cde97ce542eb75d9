"""A .swu file: a cpio archive of a sw-description, its signature, and images.

It is gone through in one pass. Nothing of an image is handed on before the signature of the
sw-description was checked; the hash of an image is known at its end, so whoever writes it must not
use it before `content` has come to its end without an error.
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..contract.codes import Erc
from . import ImageError
from . import signature as signatures
from .compression import unpacked
from .cpio import CpioReader
from .description import MAXIMUM_BYTES, Description, Hardware, parse_description

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from .cpio import Member
    from .signature import Trust

_DESCRIPTION, _SIGNATURE = "sw-description", "sw-description.sig"


@dataclass(frozen=True)
class SwuFile:
    """A .swu file as one device reads it.

    Attributes:
        path: Where it is.
        trust: Who must have signed it.
        hardware: Of the device; None if that is not to be compared.
        selection: Software set and mode of the slot to write, or empty.
    """

    path: Path
    trust: Trust
    hardware: Hardware | None = None
    selection: str = ""

    def check(self) -> None:
        """Go through all of it and write nothing.

        Raises:
            ImageError: It is damaged, not signed, or not for this device.
        """
        for _ in self._packed(unpack=False):
            pass

    def content(self) -> Iterator[bytes]:
        """The unpacked content of the image, in blocks.

        Raises:
            ImageError: As `check`; also at the end, when the image has not its hash.
        """
        return self._packed(unpack=True)

    def _packed(self, *, unpack: bool) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            members = CpioReader(file).members()
            description = self._description(members)
            is_found = False
            for member, blocks in members:
                if member.name != description.image.file_name:
                    raise _refused(f"{member.name} is not in the sw-description")
                is_found = True
                hashed = _checked(blocks, description, member)
                yield from unpacked(hashed, description.image.compression if unpack else "")
                for _ in hashed:
                    pass
            if not is_found:
                raise _refused(f"{description.image.file_name!r:.80} is missing")

    def _description(self, members: Iterator[tuple[Member, Iterator[bytes]]]) -> Description:
        text = _small(members, _DESCRIPTION, MAXIMUM_BYTES)
        if self.trust.method != "none":
            self.trust.check(text, _small(members, _SIGNATURE, signatures.MAXIMUM_BYTES))
        return parse_description(text, self.hardware, self.selection)


def _small(
    members: Iterator[tuple[Member, Iterator[bytes]]], name: str, maximum_bytes: int
) -> bytes:
    member, blocks = next(members, (None, iter(())))
    if member is None or member.name != name:
        code = Erc.IMAGE_SIGNATURE if name == _SIGNATURE else Erc.IMAGE_ARCHIVE
        raise ImageError(code, f"the archive has no {name} where it must stand")
    if member.size > maximum_bytes:
        raise _refused(f"{name} is larger than {maximum_bytes} bytes")
    return b"".join(blocks)


def _checked(blocks: Iterator[bytes], description: Description, member: Member) -> Iterator[bytes]:
    digest = hashlib.sha256()
    for block in blocks:
        digest.update(block)
        yield block
    if not hmac.compare_digest(digest.digest(), description.image.sha256):
        message = f"{member.name} does not have the hash of the sw-description"
        raise ImageError(Erc.IMAGE_HASH, message)


def _refused(reason: str) -> ImageError:
    return ImageError(Erc.IMAGE_ARCHIVE, f"the archive cannot be used: {reason}")
