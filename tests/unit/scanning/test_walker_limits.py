"""Limits of the walker: members, bytes, memory and time."""

from __future__ import annotations

import bz2
import gzip
import lzma
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.adapters.scanning.limits import Budget, OutOfTime, WalkLimits
from shared.adapters.scanning.walker import Findings, Walker
from tests.unit.scanning.archives import EICAR, EVIL, a_cpio, a_deb, a_tar, a_zip, zstd

if TYPE_CHECKING:
    from collections.abc import Callable

from tests.builders.walker import HARMLESS, NOISE, Engine, encrypted_zip, place

MIB = 1 << 20


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
