"""The walker with a simple engine: it finds the EICAR string, and programs by their first bytes."""

from __future__ import annotations

import bz2
import gzip
import lzma
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from shared.adapters.scanning.walker import Findings
from tests.unit.scanning.archives import EICAR, EVIL, a_cpio, a_deb, a_tar, a_zip, an_ar, zstd

if TYPE_CHECKING:
    from collections.abc import Callable

from tests.builders.walker import HARMLESS, NOISE, encrypted_zip, place


@pytest.mark.parametrize(
    ("data", "member_path"),
    [
        (EICAR, "f"),
        (NOISE + EVIL + NOISE, "f"),
        (a_zip({"a": HARMLESS, "b": EVIL}), "f!b"),
        (a_zip({"a": EVIL}, zipfile.ZIP_BZIP2), "f!a"),
        (gzip.compress(EVIL), "f!data"),
        (gzip.compress(HARMLESS) + gzip.compress(EVIL), "f!data"),
        (bz2.compress(EVIL), "f!data"),
        (bz2.compress(HARMLESS) + bz2.compress(EVIL), "f!data"),
        (lzma.compress(EVIL), "f!data"),
        (lzma.compress(HARMLESS) + b"\0" * 4 + lzma.compress(EVIL), "f!bytes from {}!data"),
        (zstd(EVIL), "f!data"),
        (zstd(HARMLESS) + b"\x50\x2a\x4d\x18\x03\0\0\0abc" + zstd(EVIL), "f!data"),
        (gzip.compress(a_tar({"x/evil": EVIL})), "f!data!x/evil"),
        (lzma.compress(a_tar({"x/evil": EVIL})), "f!data!x/evil"),
        (a_zip({"t": a_deb(gzip.compress(a_tar({"usr/evil": EVIL})), "data.tar.gz")}),
         "f!t!data.tar.gz!data!usr/evil"),
        (a_deb(lzma.compress(a_tar({"evil": EVIL})), "data.tar.xz"), "f!data.tar.xz!data!evil"),
        (a_deb(zstd(a_tar({"evil": EVIL})), "data.tar.zst"), "f!data.tar.zst!data!evil"),
        (a_deb(a_tar({"t.zip": a_zip({"evil": EVIL})})), "f!data.tar!t.zip!evil"),
        (a_cpio({"sw-description": HARMLESS, "i.gz": gzip.compress(EVIL)}), "f!i.gz!data"),
        (a_cpio({"i": lzma.compress(EVIL)}, "070701"), "f!i!data"),
        (a_zip({"1": a_zip({"2": a_zip({"3": EVIL})})}), "f!1!2!3"),
    ],
)  # fmt: skip
def test_walker_finds_malware_wherever_it_is_packed(
    walk: Callable[..., Findings], data: bytes, member_path: str
) -> None:
    findings = walk(data)

    assert findings.names == ("EICAR",)
    assert findings.member_path is not None
    stripped = "".join(char for char in findings.member_path if char not in "0123456789")
    assert findings.member_path == member_path or stripped == member_path.replace("{}", "")


@pytest.mark.parametrize(
    "data",
    [
        a_tar({"a": HARMLESS, "d/b": b"\x7fELF-evil"}),
        a_tar({"a": HARMLESS, "d" * 150 + "/b": b"\x7fELF-evil"}, tarfile.PAX_FORMAT),
        a_tar({"a": HARMLESS, "d" * 150 + "/b": b"\x7fELF-evil"}, tarfile.GNU_FORMAT),
        a_tar({"a": HARMLESS, "d/b": b"\x7fELF-evil"}, tarfile.USTAR_FORMAT),
        an_ar({"a": b"odd", "d/b": b"\x7fELF-evil"}),
        a_cpio({"a": HARMLESS, "d/b": b"\x7fELF-evil"}),
        a_zip({"a": HARMLESS, "d/b": b"\x7fELF-evil"}, zipfile.ZIP_STORED),
    ],
)
def test_walker_shows_the_engine_each_member_from_its_first_byte(
    walk: Callable[..., Findings], data: bytes
) -> None:
    assert str(place(walk(data))).endswith("/b")


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (gzip.compress(HARMLESS) + NOISE + gzip.compress(EVIL)[:-8], None),
        (gzip.compress(HARMLESS) + b"\0" * 99 + b"\x7fELF-evil", "f!bytes from "),
        (bz2.compress(HARMLESS) + b"\x7fELF-evil", "f!bytes from "),
        (lzma.compress(HARMLESS) + b"\x7fELF-evil", "f!bytes from "),
        (zstd(HARMLESS) + b"\x7fELF-evil", "f!bytes from "),
        (a_tar({"a": HARMLESS}) + b"\x7fELF-evil", "f!bytes from "),
        (an_ar({"a": HARMLESS}) + b"\x7fELF-evil", "f!bytes from "),
        (a_cpio({"a": HARMLESS}) + b"\x7fELF-evil", "f!bytes from "),
        (a_cpio({"a": HARMLESS}) + a_cpio({"b": gzip.compress(EVIL)}), "!b!data"),
        (a_zip({"a": HARMLESS}) + b"\x7fELF-evil", "f!bytes from "),
        (a_zip({"a": HARMLESS}) + gzip.compress(EVIL), "!data"),
        (gzip.compress(HARMLESS) + a_zip({"evil": EVIL}), "!evil"),
        (b"plain text" + a_zip({"evil": EVIL}), "f!evil"),
        (b"plain text" + a_zip({"evil": EVIL}, comment=b"c" * 500), "f!evil"),
    ],
)
def test_walker_looks_at_what_stands_before_and_behind_a_container(
    walk: Callable[..., Findings], data: bytes, part: str | None
) -> None:
    findings = walk(data)

    if part is None:
        assert findings.names == ()
        assert findings.members == 3
    else:
        assert findings.names
        assert part in str(findings.member_path)


def test_walker_looks_between_zip_members(walk: Callable[..., Findings]) -> None:
    first = a_zip({"a": HARMLESS})
    hidden = gzip.compress(EVIL)
    directory = first.index(b"PK\1\2")
    shifted = first[:directory] + hidden + first[directory:]
    end = shifted.rindex(b"PK\5\6")
    offset = struct.pack("<L", directory + len(hidden))
    patched = shifted[: end + 16] + offset + shifted[end + 20 :]

    assert place(walk(patched)) == f"f!bytes from {directory}!data"


def test_walker_finds_nothing_in_a_clean_update(walk: Callable[..., Findings]) -> None:
    update = a_cpio(
        {
            "sw-description": HARMLESS,
            "rootfs.tar.gz": gzip.compress(a_tar({"bin/sh": NOISE, "etc/motd": HARMLESS})),
            "app.zip": a_zip({"readme": HARMLESS, "empty/": b"", "nothing": b""}),
        }
    )

    findings = walk(update)

    assert (findings.names, findings.unscannable) == ((), None)
    assert findings.members == 10
    assert findings.bytes > len(update)


def test_walker_reads_zip_written_to_a_pipe_and_zip64(
    walk: Callable[..., Findings], tmp_path: Path
) -> None:
    class Pipe:
        def __init__(self) -> None:
            self.written = b""

        def write(self, data: bytes) -> int:
            self.written += data
            return len(data)

        def flush(self) -> None:
            pass

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[call-overload]
        for name in ("a", "b"):
            with archive.open(name, "w", force_zip64=True) as member:
                member.write(HARMLESS)

    findings = walk(pipe.written)

    assert (findings.unscannable, findings.members) == (None, 3)


def test_walker_reads_zip64_directories(
    walk: Callable[..., Findings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 10)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 1)
    archive = a_zip({"a": HARMLESS, "evil": EVIL})
    assert b"PK\6\6" in archive

    assert place(walk(archive)) == "f!evil"
    assert place(walk(b"in front" + archive)) == "f!evil"
    assert walk(archive.replace(b"PK\6\6", b"PK\6\5")).unscannable is not None


def test_walker_reads_sparse_tar_members(walk: Callable[..., Findings]) -> None:
    info = tarfile.TarInfo("disk.img")
    info.type, info.size = tarfile.GNUTYPE_SPARSE, 9
    header = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    header[482] = 1
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    more_map = bytes(504) + b"\1" + bytes(7) + bytes(512)

    findings = walk(bytes(header) + more_map + b"\x7fELF-evil" + bytes(503 + 1024))

    assert place(findings) == "f!disk.img"


def test_walker_takes_the_size_of_a_pax_header_over_the_stated_one(
    walk: Callable[..., Findings],
) -> None:
    info = tarfile.TarInfo("a")
    record = b"10 size=9\n"
    pax = tarfile.TarInfo("pax")
    pax.type, pax.size = tarfile.XHDTYPE, len(record)
    body = b"\x7fELF-evil".ljust(512, b"\0")
    headers = pax.tobuf(tarfile.USTAR_FORMAT) + record.ljust(512, b"\0")

    findings = walk(headers + info.tobuf(tarfile.USTAR_FORMAT) + body + bytes(1024))

    assert place(findings) == "f!a"


def test_related_file_is_unpacked_like_any_other_but_a_delta_need_not_be(
    walk: Callable[..., Findings],
) -> None:
    source = zstandard.ZstdCompressionDict(NOISE, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    delta = zstandard.ZstdCompressor(dict_data=source).compress(NOISE + HARMLESS)

    assert walk(delta).unscannable
    assert walk(delta, may_be_delta=True).unscannable is None
    assert walk(a_zip({"delta": delta}), may_be_delta=True).unscannable
    for packed in (EICAR, a_zip({"a": EICAR}), gzip.compress(EICAR), zstandard.compress(EICAR)):
        assert walk(packed, may_be_delta=True).names == ("EICAR",)


def differing_zip() -> bytes:
    data = a_zip({"name-a": HARMLESS})
    return data.replace(b"name-a", b"name-b", 1)


def overlapping_zip() -> bytes:
    data = a_zip({"a": HARMLESS, "b": HARMLESS}, zipfile.ZIP_STORED)
    # The second member of the directory becomes another view of the first.
    first, second = data.index(b"PK\1\2"), data.rindex(b"PK\1\2")
    entry = data[first:second]
    end = data.rindex(b"PK\5\6")
    return data[:second] + entry + data[end:]


def unknown_method_zip() -> bytes:
    data = bytearray(a_zip({"a": HARMLESS}))
    for header, method in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
        data[data.index(header) + method] = 97
    return bytes(data)


def nested(levels: int, core: bytes = HARMLESS) -> bytes:
    for _ in range(levels):
        core = a_zip({"n": core})
    return core


def tar_with(**header: Any) -> bytes:
    info = tarfile.TarInfo("a")
    for field, value in header.items():
        setattr(info, field, value)
    return info.tobuf(tarfile.GNU_FORMAT) + bytes(2048)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (encrypted_zip(), "encrypted"),
        (differing_zip(), "two headers differ"),
        (overlapping_zip(), "overlap"),
        (unknown_method_zip(), "unknown zip method 97"),
        (a_zip({"a": HARMLESS}, zipfile.ZIP_LZMA), "unknown zip method 14"),
        (a_zip({"a": HARMLESS})[:-30], "no zip directory"),
        (b"PK\3\4" + NOISE, "no zip directory"),
        (nested(20), "nested deeper than 8"),
        (gzip.compress(NOISE)[:-100], "cut short"),
        (gzip.compress(NOISE)[:100] + NOISE, "cannot be unpacked"),
        (bz2.compress(NOISE)[:100] + NOISE, "cannot be unpacked"),
        (lzma.compress(NOISE)[:100] + NOISE, "cannot be unpacked"),
        (zstd(NOISE)[:-100], "cut short"),
        (a_tar({"a": NOISE})[:2000], "cut short"),
        (tar_with(size=1 << 40), "cut short"),
        (tar_with(type=tarfile.XHDTYPE, size=1 << 40), "header that is too large"),
        (tar_with(type=tarfile.XHDTYPE, size=512), "pax header"),
        (
            tar_with(type=tarfile.XGLTYPE, size=10)[:512] + b"10 size=9\n" + bytes(1526),
            "pax header",
        ),
        (tar_with(type=tarfile.GNUTYPE_SPARSE, size=1024)[:700], "cut short"),
        (a_zip({"a": HARMLESS}).replace(b"PK\1\2", b"PK\1\3"), "damaged zip directory"),
        (b"PK\5\6" + b"\xff" * 16 + b"\0\0", "damaged zip directory"),
        (tar_with(type=tarfile.SYMTYPE, size=512), "link or directory with content"),
        (an_ar({"a": NOISE})[:100], "cut short"),
        (a_cpio({"a": NOISE})[:1000], "cut short"),
        (a_cpio({"a": HARMLESS}).replace(b"TRAILER!!!", b"REILART!!!"), "cpio header"),
    ],
)
def test_walker_says_unscannable_when_it_cannot_look_inside(
    walk: Callable[..., Findings], data: bytes, reason: str
) -> None:
    findings = walk(data)

    assert findings.names == ()
    assert findings.unscannable is not None
    assert reason in findings.unscannable[1]
