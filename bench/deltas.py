"""Deltas as the service makes them: size, time and memory, beside the program `zstd`.

Three pairs: an image of real shared objects with scattered changes and insertions, a Debian package
of two versions (unpacked; passed over where apt knows but one), and two that have nothing in
common, for which no delta is made. The ceiling is `zstd -19 --long=27 --patch-from` on the same
files.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.harness import Options, Result
from shared.domain.updates.delta import MOST_SHARE

_MIB = 1 << 20
_LIBRARIES = Path("/usr/lib/x86_64-linux-gnu"), Path("/usr/lib")
_OBJECTS_BYTES, _TEXT_BYTES, _NOISE_BYTES = 22 * _MIB, 4 * _MIB, 6 * _MIB
_PACKAGE = "libssl3"
_SMALL_PARENT = """\
import resource, subprocess, sys
said = subprocess.run(sys.argv[1:], check=True, stdout=subprocess.PIPE).stdout.decode()
print(said.strip(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, sep="\\n", end="")
"""
"""What a process takes counts from what its parent had: this one has little."""


async def run(options: Options) -> Sequence[Result]:
    """Measure in seconds and bytes."""
    return await asyncio.to_thread(lambda: list(_run(options)))


def _run(options: Options) -> Iterator[Result]:
    with tempfile.TemporaryDirectory(prefix="odu-bench-") as name:
        for pair in _pairs(Path(name), options):
            options.say(f"{pair.name}: {pair.size / _MIB:.1f} MiB")
            yield from _measured(pair)


@dataclass(frozen=True, slots=True)
class _Pair:
    name: str
    old: Path
    new: Path

    @property
    def size(self) -> int:
        return self.new.stat().st_size


@dataclass(frozen=True, slots=True)
class _Spent:
    """What a program took: seconds, MiB of memory at most, and what it said."""

    seconds: float
    mib: int
    said: str


def _measured(pair: _Pair) -> Iterator[Result]:
    delta, other, made = (pair.new.with_name(name) for name in ("delta", "other", "made"))
    most = int(pair.size * MOST_SHARE)
    worker = "shared.adapters.deltas.worker"
    ours = _spent(sys.executable, "-m", worker, pair.old, pair.new, delta, most)
    said = json.loads(ours.said)
    pack = ("zstd", "-q", "-f", "-19", "--long=27", f"--patch-from={pair.old}", pair.new)
    theirs = _spent(*pack, "-o", other)
    notes: dict[str, Any] = {
        "MiB": round(pair.size / _MIB, 1),
        "saved": round(1 - said["sizeBytes"] / pair.size, 4),
        "MiB of memory to make": ours.mib,
    }
    if "sha256" in said:
        unpack = ("zstd", "-q", "-d", "-f", "--long=27", f"--patch-from={pair.old}", delta)
        applied = _spent(*unpack, "-o", made)
        assert made.read_bytes() == pair.new.read_bytes()
        notes |= {"seconds to apply": round(applied.seconds, 2), "MiB to apply": applied.mib}
    else:
        notes["none is made"] = True
    yield _result(f"delta of {pair.name}, time", ours.seconds, "s", theirs.seconds, notes)
    yield _result(
        f"delta of {pair.name}, size",
        said["sizeBytes"] / 1000,
        "kB",
        other.stat().st_size / 1000,
        {},
    )


def _result(name: str, figure: float, unit: str, ceiling: float, notes: dict[str, Any]) -> Result:
    return Result(
        name=name,
        figure=figure,
        unit=unit,
        ceiling=ceiling,
        ratio=figure / ceiling,
        better="lower",
        notes=notes,
    )


def _spent(*command: object) -> _Spent:
    began = time.monotonic()
    small = (sys.executable, "-S", "-c", _SMALL_PARENT)
    done = subprocess.run([*small, *map(str, command)], check=True, capture_output=True, text=True)
    said, _, used = done.stdout.rpartition("\n")
    return _Spent(time.monotonic() - began, int(used) // 1024, said)


def _pairs(folder: Path, options: Options) -> Iterator[_Pair]:
    yield _written(folder, "an image", *_images(quick=options.quick))
    package = _packages(folder)
    if package is None:
        options.say(f"apt knows no two versions of {_PACKAGE}")
    else:
        yield _written(folder, *package)
    noise = random.Random(3)
    yield _written(folder, "noise", noise.randbytes(4 * _MIB), noise.randbytes(4 * _MIB))


def _written(folder: Path, name: str, old: bytes, new: bytes) -> _Pair:
    pair = _Pair(name, folder / "old", folder / "new")
    pair.old.write_bytes(old)
    pair.new.write_bytes(new)
    return pair


def _images(*, quick: bool) -> tuple[bytes, bytes]:
    """Eight objects, text and noise; two objects are rebuilt, everything after 24 places moves."""
    chance = random.Random(1)
    scale = 8 if quick else 1
    objects = [bytearray(each) for each in _objects(_OBJECTS_BYTES // scale)]
    text = bytearray(_text(_TEXT_BYTES // scale))
    noise = bytearray(chance.randbytes(_NOISE_BYTES // scale))
    old = b"".join([*objects, text, noise])
    for each in objects[:2]:
        for place in range(0, len(each) - 4, 1500):
            each[place : place + 4] = chance.randbytes(4)
    for _ in range(24):
        each = chance.choice(objects)
        place = chance.randrange(len(each))
        each[place:place] = chance.randbytes(chance.randint(1, 200))
    for _ in range(200):
        place = chance.randrange(len(text) - 20)
        text[place : place + 20] = chance.randbytes(10).hex().encode()
    noise[: 262_144 // scale] = chance.randbytes(262_144 // scale)
    return old, b"".join([*objects, text, noise])


def _objects(size: int) -> list[bytes]:
    """The largest shared objects of this machine, eight of them, each cut to its share."""
    share = size // 8
    found = {path for folder in _LIBRARIES for path in folder.glob("*.so*") if path.is_file()}
    large = sorted({path.resolve() for path in found if path.stat().st_size >= share})
    return [path.read_bytes()[:share] for path in large[:8]]


def _text(size: int) -> bytes:
    texts = sorted(Path("/usr/share").glob("**/*.txt")) + sorted(
        Path(__file__).parents[1].glob("**/*.py")
    )
    content = b""
    for path in texts:
        content += path.read_bytes()
        if len(content) >= size:
            break
    return content[:size]


def _packages(folder: Path) -> tuple[str, bytes, bytes] | None:
    """The unpacked content of a package's two newest versions, oldest first."""
    known = subprocess.run(
        ["apt-cache", "madison", _PACKAGE], capture_output=True, text=True, check=False
    ).stdout
    versions = list(dict.fromkeys(re.findall(r"\| +(\S+) \|", known)))[:2]
    if len(versions) < 2:
        return None
    contents = []
    for version in reversed(versions):
        place = folder / "package"
        place.mkdir()
        wanted = f"{_PACKAGE}={version}"
        subprocess.run(
            ["apt-get", "download", "-q", wanted], cwd=place, check=True, capture_output=True
        )
        (deb,) = place.iterdir()
        unpacked = subprocess.run(
            ["dpkg-deb", "--fsys-tarfile", deb], check=True, capture_output=True
        )
        contents.append(unpacked.stdout)
        deb.unlink()
        place.rmdir()
    return f"{_PACKAGE} {versions[1]} to {versions[0]}", contents[0], contents[1]
