"""Spans over OpenTelemetry's real SDK, kept in memory."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.adapters.telemetry.sampling import ChangesAndShare
from shared.adapters.telemetry.spans import OpenTelemetry
from shared.domain.errors import NotFound
from shared.signals import MEANINGS, Metric, is_sampled, trace_id_of

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"
NOT_RECORDED = f"00-{TRACE}-b7ad6b7169203331-00"


class Kept:
    """Telemetry, and what it has told."""

    def __init__(self, share: float = 1.0) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        tracers = TracerProvider(ChangesAndShare(share))
        tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.telemetry = OpenTelemetry(tracers, MeterProvider([self.reader]))

    @property
    def spans(self) -> dict[str, ReadableSpan]:
        return {span.name: span for span in self.exporter.get_finished_spans()}

    def metrics(self) -> dict[str, list[object]]:
        data = self.reader.get_metrics_data()
        assert data is not None
        return {
            metric.name: [point.attributes for point in metric.data.data_points]
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


def trace_of(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


def test_span_goes_below_the_one_that_its_trigger_came_with() -> None:
    kept = Kept()

    with kept.telemetry.span("outer", "consumer", parent=PARENT, instance="one", code=""):
        carried = kept.telemetry.traceparent
        with kept.telemetry.span("inner"):
            pass

    outer, inner = kept.spans["outer"], kept.spans["inner"]
    assert {trace_of(outer), trace_of(inner), trace_id_of(carried)} == {TRACE}
    assert inner.parent == outer.context
    assert outer.attributes is not None
    assert outer.attributes["odu.instance"] == "one"
    assert "odu.code" not in outer.attributes
    assert kept.telemetry.traceparent == ""


def test_span_of_another_trace_is_linked_to_the_work_that_tells_it() -> None:
    kept = Kept()

    with (
        kept.telemetry.span("events") as _,
        kept.telemetry.span("run", parent=PARENT, began="2026-01-01T00:00:00+00:00"),
    ):
        pass

    run, events = kept.spans["run"], kept.spans["events"]
    assert trace_of(run) == TRACE
    assert [link.context for link in run.links] == [events.context]
    assert run.start_time == 1_767_225_600_000_000_000


@pytest.mark.parametrize("parent", ["", "rubbish", "00-0-0-01", PARENT[:-1]])
def test_what_is_no_trace_context_begins_a_new_trace(parent: str) -> None:
    kept = Kept()

    with kept.telemetry.span("outer", parent=parent):
        pass

    assert kept.spans["outer"].parent is None


def test_error_is_told_by_its_code_and_never_by_its_text() -> None:
    kept = Kept()

    with (
        pytest.raises(NotFound),
        kept.telemetry.span("outer"),
    ):
        raise NotFound("sig=s3cr3t is not there.")

    span = kept.spans["outer"]
    assert not span.status.is_ok
    assert span.attributes is not None
    assert span.attributes["error.type"] == "NotFound"
    assert "s3cr3t" not in span.to_json()


def test_changes_are_recorded_whatever_the_share_and_the_rest_by_it() -> None:
    kept = Kept(share=1e-9)

    for number in range(20):
        with kept.telemetry.span(f"read {number}"):
            assert not is_sampled(kept.telemetry.traceparent)
            with kept.telemetry.span("within a read"):
                pass
        with kept.telemetry.span(f"change {number}", is_change=True):
            assert is_sampled(kept.telemetry.traceparent)
            with kept.telemetry.span("within a change"):
                pass
    with kept.telemetry.span("not recorded elsewhere", parent=NOT_RECORDED, is_change=True):
        pass

    assert set(kept.spans) == {*(f"change {number}" for number in range(20)), "within a change"}


def test_span_of_a_share_says_for_how_many_it_stands() -> None:
    kept = Kept(share=0.5)

    for _ in range(64):
        with kept.telemetry.span("read"):
            pass

    attributes = kept.spans["read"].attributes
    assert attributes is not None
    assert attributes["_MS.sampleRate"] == 50.0


@pytest.mark.parametrize("metric", list(Metric))
def test_every_metric_is_told_under_its_name(metric: Metric) -> None:
    kept = Kept()

    kept.telemetry.record(metric, 3, instance="one")

    assert kept.metrics() == {metric: [{"odu.instance": "one"}]}
    assert MEANINGS[metric].kind in ("counter", "histogram", "gauge")
