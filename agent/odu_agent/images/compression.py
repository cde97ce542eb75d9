"""Unpack an image while it is written: block by block, so that memory stays flat."""

from __future__ import annotations

import lzma
import zlib
from typing import TYPE_CHECKING, Any, Protocol

from ..contract.codes import Erc
from . import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_BLOCK_BYTES = 1024 * 1024
_MOST_MEMORY_BYTES = 128 * 1024 * 1024
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS


class _Unpacker(Protocol):
    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    @property
    def wants_more(self) -> bool: ...

    def feed(self, data: bytes) -> bytes:
        """Unpack at most one block; `data` may be empty to get more of what was fed before."""


def unpacked(blocks: Iterator[bytes], compression: str) -> Iterator[bytes]:
    """The content of compressed blocks (`zlib`, `xz`, `zstd`), or the blocks themselves (empty).

    Raises:
        ImageError: They are damaged, or something follows their end.
    """
    if not compression:
        yield from blocks
        return
    unpacker = _UNPACKERS[compression]()
    for block in blocks:
        if unpacker.eof and block.strip(b"\0"):
            raise _damaged("something follows its end")
        data = block
        while not unpacker.eof:
            try:
                piece = unpacker.feed(data)
            except (zlib.error, lzma.LZMAError, ValueError, EOFError) as error:
                raise _damaged(str(error)) from None
            data = b""
            if piece:
                yield piece
            if unpacker.wants_more and len(piece) < _BLOCK_BYTES:
                break
    if not unpacker.eof:
        raise _damaged("it ends too early")
    if unpacker.unused_data.strip(b"\0"):
        raise _damaged("something follows its end")


class _Zlib:
    def __init__(self) -> None:
        self._unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
        self._rest = b""

    @property
    def eof(self) -> bool:
        return self._unpacker.eof

    @property
    def unused_data(self) -> bytes:
        return self._unpacker.unused_data

    @property
    def wants_more(self) -> bool:
        return not self._unpacker.unconsumed_tail

    def feed(self, data: bytes) -> bytes:
        return self._unpacker.decompress(self._unpacker.unconsumed_tail + data, _BLOCK_BYTES)


class _Xz:
    def __init__(self) -> None:
        self._unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_MOST_MEMORY_BYTES)

    @property
    def eof(self) -> bool:
        return self._unpacker.eof

    @property
    def unused_data(self) -> bytes:
        return self._unpacker.unused_data

    @property
    def wants_more(self) -> bool:
        return self._unpacker.needs_input

    def feed(self, data: bytes) -> bytes:
        return self._unpacker.decompress(data, _BLOCK_BYTES)


class _Zstd:
    """Python 3.14's own module; where that is absent, images must be packed otherwise."""

    def __init__(self) -> None:
        try:
            from compression import zstd  # type: ignore[import-not-found,unused-ignore]
        except ImportError:
            message = "zstd needs Python 3.14; pack the image with zlib or xz"
            raise ImageError(Erc.IMAGE_DESCRIPTION, message) from None
        limit = {zstd.DecompressionParameter.window_log_max: 27}
        self._unpacker: Any = zstd.ZstdDecompressor(options=limit)

    @property
    def eof(self) -> bool:
        return bool(self._unpacker.eof)

    @property
    def unused_data(self) -> bytes:
        return bytes(self._unpacker.unused_data)

    @property
    def wants_more(self) -> bool:
        return bool(self._unpacker.needs_input)

    def feed(self, data: bytes) -> bytes:
        return bytes(self._unpacker.decompress(data, _BLOCK_BYTES))


_UNPACKERS: dict[str, Callable[[], _Unpacker]] = {"zlib": _Zlib, "xz": _Xz, "zstd": _Zstd}


def _damaged(reason: str) -> ImageError:
    return ImageError(Erc.IMAGE_ARCHIVE, f"the image cannot be unpacked: {reason}")
