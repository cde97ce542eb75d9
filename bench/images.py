"""An image into a slot, and a delta applied, by the device agent.

The ceilings are the standard programs at the same work: `dd` writes the slot and syncs it, then
`sha256sum` reads it back from the medium; `cp` copies the file that the delta makes, syncs nothing
either, and `sha256sum` reads the copy.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.harness import Measure, Options, Result, compared, in_turns

_MIB = 1 << 20
_SIZE, _QUICK_SIZE = 256 * _MIB, 32 * _MIB
_DELTA_SIZE = 32 * _MIB
_ROUNDS = 3
_AGENT = Path(__file__).parents[1] / "agent"


async def run(options: Options) -> Sequence[Result]:
    """Measure in MiB per second."""
    if str(_AGENT) not in sys.path:
        # A package of its own, which the service does not install.
        sys.path.insert(0, str(_AGENT))
    with tempfile.TemporaryDirectory(prefix="odu-bench-") as name:
        image = await asyncio.to_thread(_image, Path(name), options)
        slots = await in_turns(
            _ROUNDS,
            {
                "figure": _rate(image.size, image.by_agent),
                "ceiling": _rate(image.size, image.by_dd),
            },
            options.say,
        )
        delta = await asyncio.to_thread(_delta, Path(name))
        deltas = await in_turns(
            _ROUNDS,
            {"figure": _rate(_DELTA_SIZE, delta.apply), "ceiling": _rate(_DELTA_SIZE, delta.copy)},
            options.say,
        )
        saved = 1 - delta.packed.stat().st_size / _DELTA_SIZE
    notes = {"MiB": image.size // _MIB}
    return [
        compared("image into a slot", "MiB/s", *slots.values(), notes=notes),
        compared("delta applied", "MiB/s", *deltas.values(), notes={"saved": round(saved, 4)}),
    ]


@dataclass(frozen=True, slots=True)
class _Image:
    file: Path
    slot: Path
    size: int

    def by_agent(self) -> None:
        from odu_agent.images.slots import FileDevice, write_image

        device = FileDevice(self.slot)
        try:
            write_image(device, _blocks(self.file), threading.Event())
        finally:
            device.close()

    def by_dd(self) -> None:
        write = ["dd", f"if={self.file}", f"of={self.slot}", "bs=1M", "conv=notrunc,fsync"]
        subprocess.run(write, check=True, capture_output=True)
        forget = ["dd", f"of={self.slot}", "oflag=nocache", "conv=notrunc,fdatasync", "count=0"]
        subprocess.run(forget, check=True, capture_output=True)
        subprocess.run(["sha256sum", self.slot], check=True, capture_output=True)


@dataclass(frozen=True, slots=True)
class _Delta:
    old: Path
    new: Path
    packed: Path
    made: Path
    digest: str

    def apply(self) -> None:
        from odu_agent.delta.zstd import apply_delta
        from odu_agent.hashes import matches

        apply_delta(self.old, self.packed, self.made, _DELTA_SIZE, threading.Event())
        assert matches(self.made, ("sha256", self.digest))

    def copy(self) -> None:
        subprocess.run(["cp", self.new, self.made], check=True)
        subprocess.run(["sha256sum", self.made], check=True, capture_output=True)


def _image(folder: Path, options: Options) -> _Image:
    size = _QUICK_SIZE if options.quick else _SIZE
    image = _Image(folder / "image", folder / "slot", size)
    options.say(f"making an image of {size // _MIB} MiB")
    with image.file.open("wb") as file:
        for _ in range(size // _MIB):
            file.write(os.urandom(_MIB))
    with image.slot.open("wb") as file:
        file.truncate(size)
    # The first write allocates the slot's blocks, which a partition has already.
    image.by_dd()
    return image


def _delta(folder: Path) -> _Delta:
    """Two files of which one has 2,000 changes and insertions more than the other."""
    source = random.Random(1)
    old = source.randbytes(_DELTA_SIZE)
    pieces, at = [], 0
    for place in sorted(source.sample(range(_DELTA_SIZE), 2000)):
        pieces += [old[at:place], source.randbytes(4)]
        at = place + 2
    new = b"".join([*pieces, old[at:]])[:_DELTA_SIZE]
    delta = _Delta(
        old=folder / "old",
        new=folder / "new",
        packed=folder / "packed",
        made=folder / "made",
        digest=base64.b64encode(hashlib.sha256(new).digest()).decode(),
    )
    delta.old.write_bytes(old)
    delta.new.write_bytes(new)
    command = ["zstd", "-q", "-19", "--long=27", f"--patch-from={delta.old}", str(delta.new)]
    subprocess.run([*command, "-o", delta.packed], check=True, capture_output=True)
    return delta


def _rate(size: int, work: Callable[[], None]) -> Measure:
    async def measure() -> float:
        began = time.perf_counter()
        await asyncio.to_thread(work)
        return size / _MIB / (time.perf_counter() - began)

    return measure


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_MIB):
            yield block
