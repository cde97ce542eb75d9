"""Decompression with bounded output: gzip, bzip2, xz and zstd behind one small interface."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Generator
from typing import BinaryIO, Protocol

from shared.adapters.scanning.limits import NeedsDictionary, Unscannable

CHUNK_BYTES = 1 << 20

Piece = tuple[int, bytes]
"""Bytes read from the container, and what they unpack to."""


class Codec(Protocol):
    """The interface of the standard library's `BZ2Decompressor` and `LZMADecompressor`."""

    @property
    def eof(self) -> bool:
        """Whether the compressed data has ended."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing more can come out before something goes in."""

    @property
    def unused_data(self) -> bytes:
        """What was given beyond the end."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Take input and return at most about `max_length` bytes."""


def gzip_codec(_: int) -> Codec:
    """Decode one gzip member."""
    return _Zlib(31)


def deflate_codec(_: int) -> Codec:
    """Decode raw deflate data, as in zip."""
    return _Zlib(-15)


def bzip2_codec(_: int) -> Codec:
    """Decode one bzip2 stream."""
    return bz2.BZ2Decompressor()


def xz_codec(memory_bytes: int) -> Codec:
    """Decode one xz stream in at most so much memory."""
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=memory_bytes)


def zstd_codec(window_bytes: int) -> Codec:
    """Decode one zstd frame whose window is at most so large."""
    return _Zstd(window_bytes)


def unpack(file: BinaryIO, start: int, end: int, codec: Codec) -> Generator[Piece, None, int]:
    """Decode from `start`; the generator returns where the compressed data ended.

    Raises:
        Unscannable: The data is damaged, cut short, or needs too much memory.
    """
    position = start
    while not codec.eof:
        data = b""
        if codec.needs_input:
            file.seek(position)
            data = file.read(min(CHUNK_BYTES, end - position))
            if not data:
                raise Unscannable("is cut short")
            position += len(data)
        try:
            produced = codec.decompress(data, CHUNK_BYTES)
        except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
            raise Unscannable(f"cannot be unpacked ({error})") from error
        yield len(data), produced
    return position - len(codec.unused_data)


class _Zlib:
    def __init__(self, window_bits: int) -> None:
        self._inner = zlib.decompressobj(window_bits)
        self._more_to_come = False

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not (self._more_to_come or self._inner.unconsumed_tail)

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        produced = self._inner.decompress(self._inner.unconsumed_tail + data, max_length)
        self._more_to_come = len(produced) >= max_length
        return produced


class _Zstd:
    """Zstd through a decoder without an output bound, so it gets its input by the spoonful.

    A block of 4 bytes may unpack to 128 KiB: 512 bytes of input make at most 16 MiB.
    """

    _SPOON_BYTES = 512

    def __init__(self, window_bytes: int) -> None:
        try:
            import zstandard
        except ImportError as error:
            raise Unscannable("is packed with zstd, which is not installed") from error
        self._error = zstandard.ZstdError
        self._inner = zstandard.ZstdDecompressor(max_window_size=window_bytes).decompressobj()
        self._waiting = memoryview(b"")

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def needs_input(self) -> bool:
        return not self._waiting

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data + bytes(self._waiting)

    def decompress(self, data: bytes, max_length: int) -> bytes:
        if data:
            self._waiting = memoryview(data)
        spoon = bytes(self._waiting[: self._SPOON_BYTES])
        self._waiting = self._waiting[self._SPOON_BYTES :]
        try:
            return self._inner.decompress(spoon)
        except self._error as error:
            # a device may have the memory that we do not take
            kind = Unscannable if "memory" in str(error) else NeedsDictionary
            raise kind(f"cannot be unpacked ({error})") from error
