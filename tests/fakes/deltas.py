"""A maker of deltas in memory."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from bisect import bisect
from typing import TYPE_CHECKING

from shared.ports import MadeDelta

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path


class MemoryDeltaMaker:
    """Implements `ports.DeltaMaker`: a delta is what follows the beginning that both have."""

    async def make(
        self,
        source: Path,
        target: Path,
        delta: Path,
        *,
        most_bytes: int,
        on_progress: Callable[[int], Awaitable[None]] | None = None,
    ) -> MadeDelta:
        if on_progress is not None:
            await on_progress(len(await asyncio.to_thread(target.read_bytes)) // 2)
        return await asyncio.to_thread(_make, source, target, delta, most_bytes)


def _make(source: Path, target: Path, delta: Path, most_bytes: int) -> MadeDelta:
    content = delta_of(source.read_bytes(), target.read_bytes())
    if len(content) > most_bytes:
        return MadeDelta(len(content), None)
    delta.write_bytes(content)
    digest = hashlib.sha256(content).digest()
    return MadeDelta(len(content), base64.b64encode(digest).decode())


def delta_of(old: bytes, new: bytes) -> bytes:
    """What the maker makes."""
    sizes = range(min(len(old), len(new)) + 1)
    differs = bisect(sizes, False, key=lambda size: old[:size] != new[:size])
    return b"delta" + new[differs - 1 :]
