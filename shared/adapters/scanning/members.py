"""Members of containers, and the containers whose members lie flat: tar, cpio, ar, and streams.

Nothing is ever written under a member's name; names are only reported. Where two readers could
disagree about what a container holds, it is unscannable rather than guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from shared.adapters.scanning.codecs import CHUNK_BYTES, Codec, Piece, unpack
from shared.adapters.scanning.limits import Unscannable, WalkLimits

MAX_HEADER_BYTES = 1 << 20
TAR_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Entry:
    """One member: its name as reported, and its content, to be read before the next member."""

    name: str
    pieces: Iterator[Piece]


Reader = Callable[[BinaryIO, int, WalkLimits], Iterator[Entry]]
"""Gives the members of the container that fills a file of the given size."""


def shown(name: bytes) -> str:
    """Return a member name fit for a report."""
    text = name.decode("utf-8", "backslashreplace")
    return "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)[:200]


def copied(file: BinaryIO, start: int, end: int) -> Iterator[Piece]:
    """Give a range of a file as it is."""
    while start < end:
        file.seek(start)
        data = file.read(min(CHUNK_BYTES, end - start))
        if not data:
            raise Unscannable("is cut short")
        start += len(data)
        yield len(data), data


def stream_reader(codec: Callable[[int], Codec], magics: tuple[bytes, ...]) -> Reader:
    """Make the reader of a compressed stream; streams that follow each other are one member."""

    def read(file: BinaryIO, size: int, limits: WalkLimits) -> Iterator[Entry]:
        end = 0

        def pieces() -> Iterator[Piece]:
            nonlocal end
            position = 0
            while True:
                position = yield from unpack(file, position, size, codec(limits.decoder_bytes))
                if not _at(file, position, 8).startswith(magics):
                    break
            end = position

        yield Entry("data", pieces())
        if end:
            yield from remainder(file, end, size)

    return read


def remainder(file: BinaryIO, start: int, end: int) -> Iterator[Entry]:
    """Give what no member claims as a member of its own, unless it is all zeros."""
    first = start
    while first < end:
        block = _at(file, first, min(CHUNK_BYTES, end - first))
        stripped = block.lstrip(b"\0")
        if stripped or not block:
            first += len(block) - len(stripped)
            break
        first += len(block)
    if first < end:
        yield Entry(f"bytes from {first}", copied(file, first, end))


def is_tar_header(block: bytes) -> bool:
    """Whether 512 bytes are a tar header: its checksum tells."""
    try:
        stated = int(block[148:156].strip(b" \0") or b"x", 8)
    except ValueError:
        return False
    blanked = block[:148] + b" " * 8 + block[156:TAR_BLOCK]
    return len(block) == TAR_BLOCK and stated == sum(blanked)


def tar_reader(file: BinaryIO, size: int, limits: WalkLimits) -> Iterator[Entry]:
    """Read ustar, pax and GNU tar."""
    offset = 0
    name: bytes | None = None
    override: int | None = None
    while is_tar_header(header := _at(file, offset, TAR_BLOCK)):
        kind = header[156:157]
        data = offset + TAR_BLOCK
        length = _tar_number(header[124:136])
        if kind in b"xgLK" and kind:
            extension = _bounded(file, data, length)
            if kind == b"L":
                name = extension.rstrip(b"\0")
            elif kind in b"xg":
                name, override = _pax(extension, kind, name, override)
            offset = data + _padded(length, TAR_BLOCK)
            continue
        length = length if override is None else override
        if kind in b"123456" and kind and length:
            raise Unscannable("holds a link or directory with content")
        if kind == b"S":
            data = _after_sparse_map(file, header, data)
        if data + length > size:
            raise Unscannable("is cut short")
        if length:
            found = name or header[:100].split(b"\0")[0]
            yield Entry(shown(found), copied(file, data, data + length))
        offset = data + _padded(length, TAR_BLOCK)
        name = override = None
    yield from remainder(file, offset, size)


def _tar_number(field: bytes) -> int:
    if field[0] & 0x80:
        return int.from_bytes(bytes([field[0] & 0x7F]) + field[1:])
    try:
        return int(field.strip(b" \0") or b"0", 8)
    except ValueError as error:
        raise Unscannable("has a malformed tar header") from error


def _pax(
    records: bytes, kind: bytes, name: bytes | None, size: int | None
) -> tuple[bytes | None, int | None]:
    while records:
        digits, _, _ = records.partition(b" ")
        length = int(digits) if re.fullmatch(rb"[0-9]{1,7}", digits) else 0
        if not len(digits) < length <= len(records):
            raise Unscannable("has a malformed pax header")
        record, records = records[len(digits) + 1 : length - 1], records[length:]
        key, _, value = record.partition(b"=")
        if key == b"path":
            name = value
        if key == b"size":
            if kind == b"g" or not re.fullmatch(rb"[0-9]{1,18}", value):
                raise Unscannable("has a malformed pax header")
            size = int(value)
    return name, size


def _after_sparse_map(file: BinaryIO, header: bytes, data: int) -> int:
    more = header[482]
    while more:
        block = _at(file, data, TAR_BLOCK)
        if len(block) < TAR_BLOCK:
            raise Unscannable("is cut short")
        more = block[504]
        data += TAR_BLOCK
    return data


def cpio_reader(file: BinaryIO, size: int, limits: WalkLimits) -> Iterator[Entry]:
    """Read cpio `newc` and `crc`, the format of SWU images."""
    offset = 0
    while True:
        header = _at(file, offset, 110)
        if not re.fullmatch(rb"07070[12][0-9A-Fa-f]{104}", header):
            raise Unscannable("has a malformed cpio header")
        length, name_length = int(header[54:62], 16), int(header[94:102], 16)
        name = _bounded(file, offset + 110, name_length).rstrip(b"\0")
        data = _padded(offset + 110 + name_length, 4)
        if data + length > size:
            raise Unscannable("is cut short")
        if name == b"TRAILER!!!":
            break
        if length:
            yield Entry(shown(name), copied(file, data, data + length))
        offset = _padded(data + length, 4)
    yield from remainder(file, data + length, size)


def ar_reader(file: BinaryIO, size: int, limits: WalkLimits) -> Iterator[Entry]:
    """Read ar, the outer format of Debian packages."""
    offset = 8
    while offset < size:
        header = _at(file, offset, 60)
        length_field = header[48:58].strip(b" ")
        if header[58:60] != b"`\n" or not length_field.isdigit():
            break
        data, length = offset + 60, int(length_field)
        if data + length > size:
            raise Unscannable("is cut short")
        if length:
            name = header[:16].rstrip(b" ").rstrip(b"/")
            yield Entry(shown(name), copied(file, data, data + length))
        offset = data + _padded(length, 2)
    yield from remainder(file, offset, size)


def _bounded(file: BinaryIO, start: int, length: int) -> bytes:
    if length > MAX_HEADER_BYTES:
        raise Unscannable("has a header that is too large")
    return _at(file, start, length)


def _at(file: BinaryIO, start: int, length: int) -> bytes:
    file.seek(start)
    return file.read(length)


def _padded(length: int, block: int) -> int:
    return -(-length // block) * block
