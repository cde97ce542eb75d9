"""Measures how far behind the hub the service is; writes it down at most once a minute."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime

from shared.domain.errors import DeviceUpdateError
from shared.domain.event_lag import EventLag
from shared.ports import NO_TELEMETRY, Clock, EventLags, Telemetry
from shared.signals import Metric

_SECONDS_BETWEEN_WRITES = 60.0

log = logging.getLogger(__name__)


@dataclass(slots=True)
class LagMeter:
    """The lag of twin changes in this process, by instance."""

    store: EventLags
    clock: Clock
    telemetry: Telemetry = NO_TELEMETRY
    _longest: dict[str, float] = field(default_factory=dict, init=False)
    _written: dict[str, datetime] = field(default_factory=dict, init=False)

    async def folded(self, instance: str, changed_at: str) -> None:
        """Note that a change of that time has been folded; never fails."""
        if not changed_at:
            return
        now = datetime.fromisoformat(self.clock.now())
        lag = max(0.0, (now - datetime.fromisoformat(changed_at)).total_seconds())
        self.telemetry.record(Metric.EVENT_LAG, lag, instance=instance)
        self._longest[instance] = max(lag, self._longest.get(instance, 0.0))
        last = self._written.get(instance)
        if last is not None and (now - last).total_seconds() < _SECONDS_BETWEEN_WRITES:
            return
        self._written[instance] = now
        found = EventLag(now.isoformat(timespec="microseconds"), self._longest.pop(instance))
        try:
            await self.store.save(instance, found)
        except DeviceUpdateError as error:
            log.warning("the lag of events is not written down: %s", error.message)
