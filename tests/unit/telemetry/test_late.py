"""Telemetry that starts after the first work."""

from __future__ import annotations

import threading
from typing import Any

from shared.adapters.telemetry.late import LateTelemetry
from shared.ports.telemetry import NO_TELEMETRY, NoTelemetry, Telemetry
from shared.signals import Metric

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Recorder(NoTelemetry):
    """Notes what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def span(self, name: str, *given: Any, **more: Any) -> Any:
        self.told.append(name)
        return super().span(name, *given, **more)

    def record(self, metric: Metric, value: float = 1, **facts: Any) -> None:
        self.told.append(metric)


def test_first_work_starts_it_and_only_later_work_is_told() -> None:
    recorder, begun = Recorder(), threading.Event()
    starts: list[int] = []

    def start() -> Telemetry:
        starts.append(1)
        begun.set()
        return recorder

    late = LateTelemetry(start, after=0.0)
    assert not starts

    with late.span("first"):
        with late.span("within"):
            late.record(Metric.FAILURES)
        late.join(60)
        assert not starts
    assert begun.wait(60)
    late.join(60)
    with late.span("second"):
        late.record(Metric.FAILURES)

    assert recorder.told == ["second", Metric.FAILURES]
    assert starts == [1]


def test_trace_of_the_first_work_is_carried_on() -> None:
    late = LateTelemetry(lambda: NO_TELEMETRY, after=3600.0)

    with late.span("first", parent=PARENT), late.span("within"):
        inside = late.traceparent

    assert inside == PARENT
    assert late.traceparent == ""


def test_service_goes_on_when_telemetry_cannot_be_started() -> None:
    def start() -> Telemetry:
        raise OSError("no such collector")

    late = LateTelemetry(start, after=0.0)
    with late.span("first"):
        pass
    late.join(60)

    with late.span("second", parent=PARENT):
        late.record(Metric.FAILURES)
        assert late.traceparent == PARENT
