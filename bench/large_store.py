"""A storage for a million device rows: Azurite in memory, that takes many rows at once.

Written through the SDK a million take a quarter of an hour, most of it for two indexes that are
kept in order row by row. The rows are the same as the service writes.
"""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

_HOOK = Path(__file__).with_name("large_store.cjs")
_STILL = {f"AzureWebJobs.{timer}.Disabled": "true" for timer in ("recount", "sweep")}
"""Azurite looks at every row for each range: what is done by the minute would keep it busy."""
_MEBIBYTES = 12 * 1024
"""What Node.js may take: a row takes three KiB."""


def settings(folder: Path) -> dict[str, str]:
    """Variables with which a stack runs such a storage, and nothing that reads it of its own;
    `folder` holds what starts it.
    """
    node = os.environ.get("ODU_NODE") or shutil.which("node") or "node"
    argv = (node, f"--max-old-space-size={_MEBIBYTES}", "--require", str(_HOOK))
    program = folder / "node"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(argv)} "$@"\n')
    program.chmod(0o755)
    return {"ODU_NODE": str(program), **_STILL}
