"""What the devices of a roll-out have come to know, and when."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field


@dataclass(slots=True)
class Told:
    """When devices knew of the roll-out and when they had ended, in seconds since its start."""

    count: int
    knew: list[float] = field(default_factory=list)
    ended: list[float] = field(default_factory=list)
    started: float = 0.0
    all_ended: asyncio.Event = field(default_factory=asyncio.Event)

    def know(self) -> None:
        """One more device knows."""
        self.knew.append(time.perf_counter() - self.started)

    def end(self) -> None:
        """One more device has reported its end."""
        self.ended.append(time.perf_counter() - self.started)
        if len(self.ended) == self.count:
            self.all_ended.set()
