"""The walker with a simple engine: it finds the EICAR string, and programs by their first bytes."""

from __future__ import annotations

import bz2
import gzip
import lzma
import random
import struct
import tarfile
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.scanning.limits import Budget, OutOfTime, WalkLimits
from shared.adapters.scanning.walker import Findings, Walker
from tests.unit.scanning.archives import EICAR, EVIL, a_cpio, a_deb, a_tar, a_zip, an_ar, zstd

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
HARMLESS = b"#!/bin/sh\necho hello\n" * 10
NOISE = random.Random(7).randbytes(64 * 1024)


class Engine:
    """Remembers what it was shown, so that tests can tell that nothing was left out."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []

    def __call__(self, data: bytes | Path, seconds: float) -> tuple[str, ...]:
        content = data.read_bytes() if isinstance(data, Path) else data
        self.seen.append(content)
        starts = content.startswith(b"\x7fELF-evil")
        return (("EICAR",) if EICAR in content else ()) + (("ELF",) if starts else ())


@pytest.fixture
def walk(tmp_path: Path) -> Callable[..., Findings]:
    def run(data: bytes, name: str = "f", *, may_be_delta: bool = False, **limits: Any) -> Findings:
        path = tmp_path / "file"
        path.write_bytes(data)
        budget = Budget(WalkLimits(**limits), len(data), lambda: 0.0, 1.0)
        found = Walker(Engine(), budget, tmp_path).walk(path, name, may_be_delta=may_be_delta)
        assert [each.name for each in tmp_path.iterdir()] == ["file"]
        return found

    return run


def place(findings: Findings) -> str | None:
    assert findings.unscannable is None
    return findings.member_path


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


def encrypted_zip() -> bytes:
    data = bytearray(a_zip({"secret": HARMLESS}))
    for header, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(header) + flags] |= 1
    return bytes(data)


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


def test_walker_goes_on_behind_an_unscannable_member(walk: Callable[..., Findings]) -> None:
    findings = walk(a_tar({"locked.zip": encrypted_zip(), "evil": EICAR}))

    assert findings.member_path == "f!evil"


def test_walker_stops_at_the_member_limit(walk: Callable[..., Findings]) -> None:
    many = a_tar({str(n): b"x" for n in range(12)})

    assert walk(many, members=12).unscannable is None
    assert walk(many, members=11).unscannable == (
        "f",
        "holds too many members; the limit scan_max_members is 11",
    )


@pytest.mark.parametrize("build", [a_zip, a_tar, a_cpio])
def test_walker_refuses_12001_members(
    walk: Callable[..., Findings], build: Callable[[dict[str, bytes]], bytes]
) -> None:
    findings = walk(build({str(n): b"x" for n in range(12_001)}))

    assert findings.unscannable == (
        "f",
        "holds too many members; the limit scan_max_members is 12000",
    )


def test_walker_counts_members_over_the_whole_tree(walk: Callable[..., Findings]) -> None:
    inner = a_tar({str(n): b"x" for n in range(6)})

    assert walk(a_tar({"a": inner, "b": inner}), members=13).unscannable is not None
    assert walk(a_tar({"a": inner, "b": inner}), members=14).unscannable is None


@pytest.mark.parametrize(
    "pack",
    [
        gzip.compress,
        bz2.compress,
        lzma.compress,
        zstd,
        lambda zeros: a_zip({"zeros": zeros}),
        lambda zeros: a_deb(gzip.compress(zeros)),
    ],
)
def test_walker_stops_a_bomb_in_bounded_memory(
    walk: Callable[..., Findings], pack: Callable[[bytes], bytes]
) -> None:
    bomb = pack(bytes(64 * MIB))

    tracemalloc.start()
    findings = walk(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert findings.unscannable is not None
    assert "unpacks to" in findings.unscannable[1]
    assert peak < 48 * MIB


def test_walker_allows_images_of_zeros_when_the_ratio_is_raised(
    walk: Callable[..., Findings],
) -> None:
    image = gzip.compress(bytes(24 * MIB))

    refused = walk(image).unscannable
    assert refused is not None
    assert refused[1].endswith("; the limit scan_max_ratio is 200")
    assert walk(image, ratio=2000).unscannable is None


def test_walker_limits_the_whole_tree_and_each_member(walk: Callable[..., Findings]) -> None:
    archive = a_tar({"a": NOISE, "b": NOISE})
    over = walk(archive, tree_factor=0, tree_base_bytes=len(NOISE) + 1)

    assert over.unscannable == ("f", f"unpacks to more than {len(NOISE) + 1} bytes in all")
    assert walk(archive, member_bytes=100).unscannable == (
        "f!a",
        "unpacks to more than 100 bytes",
    )


def test_walker_limits_the_memory_of_decoders(walk: Callable[..., Findings]) -> None:
    hungry = lzma.compress(HARMLESS, preset=9)
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    frame = packer.compress(NOISE * 40) + packer.flush()

    assert walk(hungry, decoder_bytes=8 * MIB).unscannable is not None
    assert walk(hungry).unscannable is None
    assert walk(frame, decoder_bytes=8 * MIB).unscannable is not None
    assert walk(frame).unscannable is None


def test_walker_spools_large_members_to_unnamed_files(walk: Callable[..., Findings]) -> None:
    big = NOISE * 3 + EVIL
    archive = gzip.compress(a_tar({"big": big, "small": HARMLESS}))

    assert place(walk(archive, memory_bytes=100_000)) == "f!data!big"
    hidden = gzip.compress(a_tar({"big": gzip.compress(big), "small": HARMLESS}))
    assert place(walk(hidden, memory_bytes=1000)) == "f!data!big!data"


def test_walker_gives_up_when_time_is_out(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(a_zip({str(n): HARMLESS for n in range(10)}))
    now = iter(range(100))
    budget = Budget(WalkLimits(), 1000, lambda: next(now), 8)

    with pytest.raises(OutOfTime):
        Walker(Engine(), budget).walk(path, "f")


def test_walker_reports_hostile_names_harmlessly(
    walk: Callable[..., Findings], tmp_path: Path
) -> None:
    for name in ("../../etc/cron.d/x", "/abs", "a\n\x1b[31m\u202eb"):
        findings = walk(a_tar({name: b"\x7fELF-evil"}))

        assert findings.member_path is not None
        assert findings.member_path.isprintable()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file"]


@settings(deadline=None)
@given(
    st.binary(max_size=300), st.sampled_from([b"", b"PK\3\4", b"070701", b"!<arch>\n", b"\x1f\x8b"])
)
def test_walker_survives_any_bytes(
    tmp_path_factory: pytest.TempPathFactory, tail: bytes, head: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    path.write_bytes(head + tail)
    budget = Budget(WalkLimits(), 1000, lambda: 0, 1)

    findings = Walker(Engine(), budget).walk(path, "f")

    assert findings.members >= 1


@settings(deadline=None)
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=4))
def test_walker_survives_any_damage_to_an_archive(
    tmp_path_factory: pytest.TempPathFactory, at: int, damage: bytes
) -> None:
    archive = a_zip({"t": a_tar({"c": a_cpio({"d": a_deb(gzip.compress(HARMLESS))})})})
    at %= len(archive)
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(archive[:at] + damage + archive[at + len(damage) :])
    budget = Budget(replace(WalkLimits(), members=100), 10_000, lambda: 0, 1)

    findings = Walker(Engine(), budget).walk(path, "f")

    assert findings.members >= 1
