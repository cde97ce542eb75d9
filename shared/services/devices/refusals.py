"""Counts events that are refused for good, where operators can read it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.domain.errors import DeviceUpdateError
from shared.domain.refused_events import Refusal
from shared.ports import Clock, RefusalCounts
from shared.services.retrying import retry_on_conflict

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Refusals:
    """Counts refused events. A count that cannot be stored now goes with the next one."""

    store: RefusalCounts
    clock: Clock
    _waiting: Counter[Refusal] = field(default_factory=Counter, init=False)

    async def count(self, refused: Mapping[Refusal, int]) -> None:
        """Count refused events; never fails, for a refusal must not bring the event back."""
        self._waiting.update(refused)
        counts, self._waiting = self._waiting, Counter()
        if not counts:
            return
        try:
            await retry_on_conflict(lambda: self.store.add(counts, self.clock.now()))
        except DeviceUpdateError as error:
            self._waiting.update(counts)
            log.warning("refused events are not counted yet: %s", error.message)
