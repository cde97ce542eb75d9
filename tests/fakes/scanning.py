"""A scanner in memory."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from dataclasses import replace

from shared.domain.scanning.scan import Knowledge, Verdict
from shared.ports import (
    Sample,
)

CLEAN = Verdict("clean", "memory", "1", "1")


class MemoryScanner:
    """Gives the verdict prepared for a content; clean if there is none."""

    engine = "memory"
    reads_files = True

    def __init__(self) -> None:
        self.verdicts: dict[bytes, Verdict] = {}
        self.rules_version = "1"
        self.scans = 0

    async def knowledge(self) -> Knowledge:
        return Knowledge(self.engine, "1", self.rules_version)

    async def scan(self, sample: Sample, *, deadline_seconds: float) -> Verdict:
        await asyncio.sleep(0)
        assert sample.path is not None
        self.scans += 1
        content = await asyncio.to_thread(sample.path.read_bytes)
        digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
        assert (digest, len(content)) == (sample.sha256, sample.size_bytes)
        assert deadline_seconds > 0
        verdict = self.verdicts.get(content, CLEAN)
        return replace(verdict, rules_version=self.rules_version)
