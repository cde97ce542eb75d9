"""Deltas as the service makes them, applied as the agent does."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from odu_agent.delta.zstd import MAXIMUM_WINDOW_BYTES, apply_delta, read_frame_header

from shared.adapters.deltas.maker import ZstdDeltaMaker
from shared.domain.errors import DependencyFailed
from tests.processes import ROOT

OLD = random.Random(1).randbytes(1_000_000)
NEW = OLD[:300_000] + b"a change" + OLD[300_000:]


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Source and target, and where the delta goes."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_bytes(OLD)
    new.write_bytes(NEW)
    return old, new, tmp_path / "delta"


async def test_delta_is_what_the_agent_applies(files: tuple[Path, Path, Path]) -> None:
    old, new, delta = files

    made = await ZstdDeltaMaker().make(old, new, delta, most_bytes=len(NEW) // 2)

    content = delta.read_bytes()
    assert made.size_bytes == len(content) < 10_000
    assert made.sha256 == base64.b64encode(hashlib.sha256(content).digest()).decode()
    header = read_frame_header(content[:18])
    assert header.content_bytes == len(NEW)
    assert header.window_bytes <= MAXIMUM_WINDOW_BYTES
    target = delta.with_name("made")
    apply_delta(old, delta, target, len(NEW), threading.Event())
    assert target.read_bytes() == NEW


async def test_delta_that_is_too_large_is_not_written(files: tuple[Path, Path, Path]) -> None:
    old, new, delta = files
    new.write_bytes(random.Random(2).randbytes(1_000_000))

    made = await ZstdDeltaMaker().make(old, new, delta, most_bytes=600_000)

    assert made.size_bytes > 999_999
    assert made.sha256 is None
    assert not delta.exists()


async def test_delta_that_takes_too_long_is_given_up(files: tuple[Path, Path, Path]) -> None:
    with pytest.raises(DependencyFailed, match=r"more than 0\.01 s") as failed:
        await ZstdDeltaMaker(seconds=0.01).make(*files, most_bytes=600_000)

    assert not failed.value.retryable


def test_process_takes_no_more_memory_than_it_may(files: tuple[Path, Path, Path]) -> None:
    code = "import sys; from shared.adapters.deltas import worker; worker.EXTRA_BYTES = 1 << 20; "
    code += "worker.main(*sys.argv[1:])"

    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, files), "600000"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )

    assert "more memory than it may have" in done.stdout


async def test_progress_within_a_file_is_told(
    files: tuple[Path, Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new, delta = files
    size = 8_000_000
    old.write_bytes(random.Random(3).randbytes(size))
    new.write_bytes(random.Random(4).randbytes(size))
    code = "import sys; from shared.adapters.deltas import worker; worker._TELL_SECONDS = 0.02; "
    code += "worker.main(*sys.argv[1:])"

    async def started(*arguments: Path | str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", code, *map(str, arguments)),
            stdout=asyncio.subprocess.PIPE,
            cwd=ROOT,
        )

    monkeypatch.setattr("shared.adapters.deltas.maker._started", started)
    told: list[int] = []

    async def tell(done: int) -> None:
        told.append(done)

    made = await ZstdDeltaMaker().make(old, new, delta, most_bytes=size, on_progress=tell)

    assert made.sha256 is None, "such files have nothing in common"
    assert told == sorted(set(told))
    assert len(told) > 1
    assert 0 < told[0] < size <= told[-1] + size // 2
    assert told[-1] <= size + 65536


async def test_process_that_ends_early_may_be_asked_again(files: tuple[Path, Path, Path]) -> None:
    old, new, delta = files
    old.unlink()

    with pytest.raises(DependencyFailed, match="ended early") as failed:
        await ZstdDeltaMaker().make(old, new, delta, most_bytes=600_000)

    assert failed.value.retryable
