"""Telemetry that starts once the first work is done: its imports must not delay a cold start.

Until then a trace is only carried on: what the first work puts into queues belongs to the trace
that the work itself belongs to.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Unpack

from shared.ports.telemetry import NO_TELEMETRY, Telemetry, Told
from shared.signals import Facts, Metric, SpanKind

SECONDS_AFTER_FIRST = 1.0
"""So that the host has taken the answer before imports hold the interpreter."""

log = logging.getLogger(__name__)
_carried: ContextVar[str] = ContextVar("carried", default="")
_is_within: ContextVar[bool] = ContextVar("is_within", default=False)


class LateTelemetry:
    """Implements `ports.Telemetry`; `start` is called once, in a thread, after the first span."""

    is_on = True

    def __init__(self, start: Callable[[], Telemetry], after: float = SECONDS_AFTER_FIRST) -> None:
        self._start = start
        self._after = after
        self._real: Telemetry | None = None
        self._timer: threading.Timer | None = None

    @contextmanager
    def span(
        self,
        name: str,
        kind: SpanKind = "internal",
        *,
        parent: str = "",
        began: str = "",
        is_change: bool = False,
        **facts: Unpack[Facts],
    ) -> Iterator[Told]:
        """See the port."""
        if self._real is not None:
            with self._real.span(
                name, kind, parent=parent, began=began, is_change=is_change, **facts
            ) as told:
                yield told
            return
        is_outermost = not _is_within.get()
        carried, within = _carried.set(parent or _carried.get()), _is_within.set(True)
        try:
            yield NO_TELEMETRY
        finally:
            _carried.reset(carried)
            _is_within.reset(within)
            if is_outermost and self._timer is None:
                self._timer = threading.Timer(self._after, self._begin)
                self._timer.daemon = True
                self._timer.start()

    @property
    def traceparent(self) -> str:
        """See the port."""
        carried = _carried.get()
        return carried or (self._real.traceparent if self._real is not None else "")

    def record(self, metric: Metric, value: float = 1, **facts: Unpack[Facts]) -> None:
        """See the port."""
        if self._real is not None:
            self._real.record(metric, value, **facts)

    def join(self, seconds: float) -> None:
        """Wait until it has started, for so long at most."""
        if self._timer is not None:
            self._timer.join(seconds)

    def _begin(self) -> None:
        try:
            self._real = self._start()
        except Exception:
            log.exception("telemetry could not be started: the service goes on without")
