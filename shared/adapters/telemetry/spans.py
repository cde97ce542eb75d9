"""Implements the port of telemetry over OpenTelemetry's SDK."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Unpack, cast

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared import signals
from shared.adapters.telemetry.sampling import IS_CHANGE
from shared.domain.errors import code_of
from shared.signals import MEANINGS, Facts, Metric, attributes
from shared.version import VERSION

if TYPE_CHECKING:
    from opentelemetry.metrics import Counter, Histogram, Meter, MeterProvider
    from opentelemetry.metrics import _Gauge as Gauge
    from opentelemetry.trace import TracerProvider

_KINDS: dict[signals.SpanKind, SpanKind] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
_ERROR = "error.type"
"""OpenTelemetry's own name for the code of an error. Its text is not told: it may quote anything.
"""
_NANOSECONDS = 1_000_000_000
_traces = TraceContextTextMapPropagator()


class OpenTelemetry:
    """Implements `ports.Telemetry`."""

    is_on = True

    def __init__(self, tracers: TracerProvider, meters: MeterProvider) -> None:
        self._tracer = tracers.get_tracer(signals.SCOPE, VERSION)
        meter = meters.get_meter(signals.SCOPE, VERSION)
        self._instruments = {metric: _made(meter, metric) for metric in Metric}

    @contextmanager
    def span(
        self,
        name: str,
        kind: signals.SpanKind = "internal",
        *,
        parent: str = "",
        began: str = "",
        is_change: bool = False,
        **facts: Unpack[Facts],
    ) -> Iterator[_Told]:
        """See the port."""
        context, links = _place(parent)
        span = self._tracer.start_span(
            name,
            context,
            _KINDS[kind],
            attributes={**attributes(facts), **({IS_CHANGE: True} if is_change else {})},
            links=links,
            start_time=_nanoseconds(began),
        )
        with trace.use_span(
            span, end_on_exit=True, record_exception=False, set_status_on_exception=False
        ):
            try:
                yield _Told(span)
            except BaseException as error:
                span.set_attribute(_ERROR, code_of(error))
                span.set_status(Status(StatusCode.ERROR))
                raise

    @property
    def traceparent(self) -> str:
        """See the port."""
        carrier: dict[str, str] = {}
        _traces.inject(carrier)
        return carrier.get("traceparent", "")

    def record(self, metric: Metric, value: float = 1, **facts: Unpack[Facts]) -> None:
        """See the port."""
        instrument, told = self._instruments[metric], attributes(facts)
        kind = MEANINGS[metric].kind
        if kind == "counter":
            cast("Counter", instrument).add(value, told)
        elif kind == "histogram":
            cast("Histogram", instrument).record(value, told)
        else:
            cast("Gauge", instrument).set(value, told)


class _Told:
    """Implements `ports.Told`."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def add(self, **facts: Unpack[Facts]) -> None:
        """See the port."""
        self._span.set_attributes(attributes(facts))
        if (code := facts.get("code")) and facts.get("result") == signals.FAILED:
            self._span.set_attribute(_ERROR, code)
            self._span.set_status(Status(StatusCode.ERROR))


def _place(parent: str) -> tuple[Context | None, list[Link]]:
    """Where a span goes: within the open one, unless its parent is in another trace."""
    opened = trace.get_current_span().get_span_context()
    if not parent:
        return None, []
    context = _traces.extract({"traceparent": parent}, Context())
    given = trace.get_current_span(context).get_span_context()
    if not given.is_valid or (opened.is_valid and opened.trace_id == given.trace_id):
        return None, []
    return context, [Link(opened)] if opened.is_valid else []


def _made(meter: Meter, metric: Metric) -> Counter | Histogram | Gauge:
    meaning = MEANINGS[metric]
    if meaning.kind == "counter":
        return meter.create_counter(metric, meaning.unit, meaning.text)
    if meaning.kind == "histogram":
        return meter.create_histogram(metric, meaning.unit, meaning.text)
    return meter.create_gauge(metric, meaning.unit, meaning.text)


def _nanoseconds(at: str) -> int | None:
    return int(datetime.fromisoformat(at).timestamp() * _NANOSECONDS) if at else None
