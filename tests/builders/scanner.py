"""Builders and looks that tests of scanner share."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shared.adapters.scanning.scanner import WorkerScanner
from shared.ports import Sample

if TYPE_CHECKING:
    from shared.domain.scanning.scan import Verdict


CLEAN = b"#!/bin/sh\necho hello\n"


OWN_RULES = 'rule Own { strings: $a = "echo hello" condition: $a }'


async def verdict_on(
    scanner: WorkerScanner, folder: Path, data: bytes, seconds: float = 60, **more: Any
) -> Verdict:
    path = folder / "update.bin"
    await asyncio.to_thread(path.write_bytes, data)
    sha256 = base64.b64encode(hashlib.sha256(data).digest()).decode()
    stated = {"sha256": sha256, "size_bytes": len(data), "name": path.name, **more}
    return await scanner.scan(Sample(path=path, **stated), deadline_seconds=seconds)
