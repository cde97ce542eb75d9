"""A real receiver of OpenTelemetry's protocol (OTLP over HTTP, protobuf) that keeps all it gets."""

from __future__ import annotations

import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

_MAX_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class GotSpan:
    """A span as it came; ids are hexadecimal, `parent` is empty at the root of a trace."""

    trace: str
    identity: str
    parent: str
    name: str
    began: int
    ended: int
    facts: dict[str, Any]
    links: tuple[str, ...]
    """Traces that it is linked to."""
    is_error: bool


@dataclass(frozen=True, slots=True)
class GotLog:
    """A log line as it came."""

    text: str
    trace: str
    facts: dict[str, Any]


@dataclass(slots=True)
class Receiver:
    """What has come so far; `raw` is every body, decompressed."""

    url: str = ""
    spans: list[GotSpan] = field(default_factory=list)
    logs: list[GotLog] = field(default_factory=list)
    points: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Attributes of the points of each metric."""
    raw: list[bytes] = field(default_factory=list)

    def trace(self, identity: str) -> list[GotSpan]:
        """The spans of a trace, by their beginning."""
        return sorted(
            (span for span in self.spans if span.trace == identity), key=lambda span: span.began
        )

    def is_whole(self, identity: str) -> bool:
        """Whether every span of a trace but one hangs below another that has come."""
        spans = self.trace(identity)
        known = {span.identity for span in spans}
        return len(known) == len(spans) and [
            span.parent for span in spans if span.parent not in known
        ] == [""]


def drawn(spans: list[GotSpan], parent: str = "", depth: int = 0) -> str:
    """A trace as an indented text, with the milliseconds of each span."""
    begin = min(span.began for span in spans)
    return "".join(
        f"{'  ' * depth}{span.name}  {(span.began - begin) / 1e6:.0f} ms +"
        f"{(span.ended - span.began) / 1e6:.0f} ms\n{drawn(spans, span.identity, depth + 1)}"
        for span in spans
        if span.parent == parent
    )


@asynccontextmanager
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver on a free port of loopback."""
    got = Receiver()
    app = web.Application(client_max_size=_MAX_BYTES)

    async def body_of(request: web.Request) -> bytes:
        body = await request.read()  # aiohttp decompresses it, but for what it does not know
        if request.headers.get("Content-Encoding") == "gzip" and body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        got.raw.append(body)
        return body

    async def traces(request: web.Request) -> web.Response:
        told = ExportTraceServiceRequest.FromString(await body_of(request))
        got.spans += [
            _span(span)
            for resource in told.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
        return _answer(ExportTraceServiceResponse())

    async def metrics(request: web.Request) -> web.Response:
        told = ExportMetricsServiceRequest.FromString(await body_of(request))
        for resource in told.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    data = getattr(metric, metric.WhichOneof("data"))
                    points = got.points.setdefault(metric.name, [])
                    points += [_facts(point.attributes) for point in data.data_points]
        return _answer(ExportMetricsServiceResponse())

    async def logs(request: web.Request) -> web.Response:
        told = ExportLogsServiceRequest.FromString(await body_of(request))
        got.logs += [
            GotLog(line.body.string_value, line.trace_id.hex(), _facts(line.attributes))
            for resource in told.resource_logs
            for scope in resource.scope_logs
            for line in scope.log_records
        ]
        return _answer(ExportLogsServiceResponse())

    app.add_routes(
        [
            web.post("/v1/traces", traces),
            web.post("/v1/metrics", metrics),
            web.post("/v1/logs", logs),
        ]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        got.url = f"http://127.0.0.1:{port}"
        yield got
    finally:
        await runner.cleanup()


def _answer(message: Any) -> web.Response:
    return web.Response(body=message.SerializeToString(), content_type="application/x-protobuf")


def _span(span: Any) -> GotSpan:
    return GotSpan(
        trace=span.trace_id.hex(),
        identity=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        name=span.name,
        began=span.start_time_unix_nano,
        ended=span.end_time_unix_nano,
        facts=_facts(span.attributes),
        links=tuple(link.trace_id.hex() for link in span.links),
        is_error=span.status.code == span.status.STATUS_CODE_ERROR,
    )


def _facts(attributes: Any) -> dict[str, Any]:
    return {
        item.key: getattr(item.value, item.value.WhichOneof("value"))
        for item in attributes
        if item.value.WhichOneof("value")
    }
