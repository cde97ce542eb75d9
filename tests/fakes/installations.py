"""What became of updates on devices, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from shared.domain.fleet.device_history import Installation
from tests.fakes.rows import row_key


class MemoryInstallations:
    """Rows by instance, bucket, device and position."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, int, str, str], Installation] = {}

    async def of_device(
        self, instance: str, bucket: int, device: str, *, after: str = "", size: int
    ) -> Sequence[Installation]:
        await asyncio.sleep(0)
        wanted = (instance, bucket, device)
        rows = [row for row in self.rows.items() if row[0][:3] == wanted and row[0][3] > after]
        return [item for _, item in sorted(rows, key=row_key)][:size]

    async def drop(self, instance: str, bucket: int, before: str, *, size: int) -> int:
        await asyncio.sleep(0)
        old = [
            place
            for place, item in self.rows.items()
            if place[:2] == (instance, bucket) and "" < item.started_at[: len(before)] < before
        ][:size]
        for place in old:
            del self.rows[place]
        return len(old)
