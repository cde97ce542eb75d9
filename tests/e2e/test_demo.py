"""`./odu demo` does the main job and leaves nothing running."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING

from local.stack.running import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

MARKER = "ODU_TEST_MARKER"
DEMO_SECONDS = 180


def marked(value: str) -> Iterator[tuple[int, str]]:
    """Processes that were started with the marker in their environment."""
    wanted = f"{MARKER}={value}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                yield int(folder.name), (folder / "cmdline").read_text().replace("\0", " ")
        except OSError:
            continue  # it has ended meanwhile, or belongs to somebody else


async def test_demo_does_the_main_job_and_leaves_no_process(tmp_path: Path) -> None:
    value = uuid.uuid4().hex
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(REPOSITORY / "odu"),
        "demo",
        "--json",
        cwd=tmp_path,
        env={**os.environ, MARKER: value},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DEMO_SECONDS):
            stdout, stderr = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()

    assert process.returncode == 0, stdout.decode() + stderr.decode()
    (line,) = stdout.decode().splitlines()
    outcome = json.loads(line)
    assert outcome["ok"] is True
    assert len(outcome["checks"]) >= 8
    assert [check for check in outcome["checks"] if not check["ok"] or not check["detail"]] == []
    assert list(marked(value)) == []
