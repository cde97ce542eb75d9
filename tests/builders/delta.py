"""Builders and looks that tests of delta share."""

from __future__ import annotations

import subprocess
from pathlib import Path


def make_delta(folder: Path, old: bytes, new: bytes, *options: str) -> bytes:
    """As `zstd -19 --long=27 --patch-from` makes it."""
    (folder / "old").write_bytes(old)
    (folder / "new").write_bytes(new)
    command = ["zstd", "-q", "-f", "-3", "--long=27", *options]
    command += [f"--patch-from={folder / 'old'}", str(folder / "new"), "-o", str(folder / "delta")]
    subprocess.run(command, check=True, capture_output=True)
    return (folder / "delta").read_bytes()
