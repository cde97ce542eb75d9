"""Members of zip archives, read as suspiciously as an attacker deserves.

The central directory is what everybody believes; local headers must agree with it, no two members
may share bytes, and bytes that no member claims are members of their own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from shared.adapters.scanning.codecs import (
    Codec,
    Piece,
    bzip2_codec,
    deflate_codec,
    unpack,
    xz_codec,
    zstd_codec,
)
from shared.adapters.scanning.limits import Unscannable, WalkLimits, too_many_members
from shared.adapters.scanning.members import Entry, copied, remainder, shown

_END = b"PK\5\6"
_END_SIZE = 22
_MAX_COMMENT = 65_535
_LOCAL_SIZE = 30
_CENTRAL_SIZE = 46
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_SIZES_FOLLOW = 0x8
_DESCRIPTOR_SIZE = 24
_UNKNOWN_32 = 0xFFFF_FFFF
_CODECS = {8: deflate_codec, 12: bzip2_codec, 93: zstd_codec, 95: xz_codec}


@dataclass(frozen=True, slots=True)
class _Directory:
    """Where the central directory lies; `shift` is the length of what stands before the zip."""

    start: int
    end: int
    entries: int
    shift: int
    end_of_zip: int


@dataclass(frozen=True, slots=True)
class _Member:
    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    unpacked: int
    header: int
    data: int

    @property
    def end(self) -> int:
        return self.data + self.packed


def has_zip_end(file: BinaryIO, size: int) -> bool:
    """Whether a file ends with a zip, whatever it begins with."""
    end = _find_end(file, size)
    if end is None:
        return False
    file.seek(end)
    return size == end + _END_SIZE + int.from_bytes(file.read(_END_SIZE)[-2:], "little")


def zip_reader(file: BinaryIO, size: int, limits: WalkLimits) -> Iterator[Entry]:
    """Read zip and zip64."""
    try:
        directory = _directory(file, size)
        members = list(_central(file, directory, limits))
    except struct.error as error:
        raise Unscannable("has a damaged zip directory") from error
    members.sort(key=lambda member: member.header)
    following = [member.header for member in members[1:]] + [directory.start]
    if any(member.end > limit for member, limit in zip(members, following, strict=True)):
        raise Unscannable("has zip members that overlap")
    claimed = 0
    for member in members:
        yield from remainder(file, claimed, member.header)
        unclaimed: list[int] = []
        yield Entry(shown(member.name), _content(file, member, limits, unclaimed))
        claimed = unclaimed[0] if unclaimed else member.end
        if member.flags & _SIZES_FOLLOW and claimed == member.end:
            claimed = min(claimed + _DESCRIPTOR_SIZE, directory.start)
    yield from remainder(file, claimed, directory.start)
    yield from remainder(file, directory.end_of_zip, size)


def _content(
    file: BinaryIO, member: _Member, limits: WalkLimits, unclaimed: list[int]
) -> Iterator[Piece]:
    """Give a member's bytes; note where its data ended if that is before its stated end."""
    if member.flags & _ENCRYPTED or member.method == 99:
        raise Unscannable("is encrypted")
    if member.method == 0:
        yield from copied(file, member.data, member.end)
        return
    if member.method not in _CODECS:
        raise Unscannable(f"is packed with unknown zip method {member.method}")
    codec: Codec = _CODECS[member.method](limits.decoder_bytes)
    end = yield from unpack(file, member.data, member.end, codec)
    if end < member.end:
        unclaimed.append(end)


def _find_end(file: BinaryIO, size: int) -> int | None:
    start = max(0, size - _END_SIZE - _MAX_COMMENT)
    file.seek(start)
    tail = file.read(size - start)
    at = len(tail)
    while (at := tail.rfind(_END, 0, at)) >= 0:
        if at + _END_SIZE <= len(tail):
            comment = int.from_bytes(tail[at + 20 : at + 22], "little")
            if at + _END_SIZE + comment <= len(tail):
                return start + at
    return None


def _directory(file: BinaryIO, size: int) -> _Directory:
    end = _find_end(file, size)
    if end is None:
        raise Unscannable("has no zip directory")
    file.seek(end)
    disk, first_disk, here, entries, length, offset, comment = struct.unpack(
        "<4x4H2LH", file.read(_END_SIZE)
    )
    directory_end = end
    wide = _zip64(file, end)
    if wide is not None:
        directory_end, entries, length, offset = wide
        here = entries
    start = directory_end - length
    if disk or first_disk or here != entries or start < offset:
        raise Unscannable("has a damaged zip directory")
    return _Directory(
        start=start,
        end=directory_end,
        entries=entries,
        shift=start - offset,
        end_of_zip=end + _END_SIZE + comment,
    )


def _zip64(file: BinaryIO, end: int) -> tuple[int, int, int, int] | None:
    if end < 20:
        return None
    file.seek(end - 20)
    signature, _, offset, _ = struct.unpack("<4sLQL", file.read(20))
    if signature != b"PK\6\7":
        return None
    record_at = end - 20 - 56
    file.seek(max(record_at, 0))
    record = struct.unpack("<4sQ2H2L4Q", file.read(56))
    if record[0] != b"PK\6\6" or record[6] != record[7] or offset > record_at:
        raise Unscannable("has a damaged zip directory")
    return record_at, record[7], record[8], record[9]


def _central(file: BinaryIO, directory: _Directory, limits: WalkLimits) -> Iterator[_Member]:
    if directory.entries > limits.members:
        raise too_many_members(limits)
    at = directory.start
    for _ in range(directory.entries):
        file.seek(at)
        fields = struct.unpack("<4s4x2H4x3L3H8xL", file.read(_CENTRAL_SIZE))
        signature, flags, method, crc, packed, unpacked, name_size, extra_size, note, header = (
            fields
        )
        if signature != b"PK\1\2":
            raise Unscannable("has a damaged zip directory")
        name, extra = file.read(name_size), file.read(extra_size)
        unpacked, packed, header = _widened(extra, unpacked, packed, header)
        member = _Member(
            name=name,
            flags=flags,
            method=method,
            crc=crc,
            packed=packed,
            unpacked=unpacked,
            header=header + directory.shift,
            data=0,
        )
        yield _located(file, member)
        at += _CENTRAL_SIZE + name_size + extra_size + note
    if at != directory.end:
        raise Unscannable("has a damaged zip directory")


def _widened(extra: bytes, *values: int) -> tuple[int, ...]:
    """Replace values that do not fit in 32 bits by those of the zip64 extra field."""
    while len(extra) >= 4 and _UNKNOWN_32 in values:
        tag, length = struct.unpack("<2H", extra[:4])
        if tag == 1:
            wide = iter(struct.unpack(f"<{length // 8}Q", extra[4 : 4 + length // 8 * 8]))
            return tuple(next(wide, value) if value == _UNKNOWN_32 else value for value in values)
        extra = extra[4 + length :]
    return values


def _located(file: BinaryIO, member: _Member) -> _Member:
    """Check the local header against the directory and find the data behind it."""
    file.seek(member.header)
    signature, flags, method, crc, packed, unpacked, name_size, extra_size = struct.unpack(
        "<4s2x2H4x3L2H", file.read(_LOCAL_SIZE)
    )
    name = file.read(name_size)
    same = (signature, flags, method, name) == (
        b"PK\3\4",
        member.flags,
        member.method,
        member.name,
    )
    stated = ((crc, member.crc), (packed, member.packed), (unpacked, member.unpacked))
    if not flags & _SIZES_FOLLOW:
        same = same and all(local in (_UNKNOWN_32, central) for local, central in stated)
    if not same:
        raise Unscannable("has a zip member whose two headers differ")
    data = member.header + _LOCAL_SIZE + name_size + extra_size
    return _Member(
        name=member.name,
        flags=flags,
        method=method,
        crc=member.crc,
        packed=member.packed,
        unpacked=member.unpacked,
        header=member.header,
        data=data,
    )
