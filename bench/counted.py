"""A receiver of the service's telemetry that adds up what a benchmark counts."""

from __future__ import annotations

import asyncio
import gzip
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from shared.signals import ATTRIBUTE_PREFIX, Metric

_FUNCTION = ATTRIBUTE_PREFIX + "function"
_SERVICE = ATTRIBUTE_PREFIX + "service"
_METHOD = ATTRIBUTE_PREFIX + "method"
_CUMULATIVE = 2
"""`AGGREGATION_TEMPORALITY_CUMULATIVE` of OpenTelemetry's protocol."""


@dataclass(slots=True)
class Counted:
    """What has been told so far."""

    url: str = ""
    storage: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Requests to storage, by service, function and method."""
    spans: Counter[str] = field(default_factory=Counter)
    """Spans by name."""
    seconds: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    """How long they took, in all."""
    _reports: int = 0
    _told: asyncio.Condition = field(default_factory=asyncio.Condition)

    def copy(self) -> Counted:
        """As it stands now."""
        return Counted(
            storage=self.storage.copy(),
            spans=self.spans.copy(),
            seconds=defaultdict(float, self.seconds),
        )

    async def up_to_now(self) -> Counted:
        """As it stands once everything is told that has happened before: counters are told every
        two seconds, spans sooner.
        """
        wanted = self._reports + 2
        async with self._told:
            await self._told.wait_for(lambda: self._reports >= wanted)
        return self.copy()

    async def take_metrics(self, body: bytes) -> None:
        """Take over the counters of an export: what was added, or the sums since the start."""
        from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2 as wire

        told = wire.ExportMetricsServiceRequest.FromString(body)
        for resource in told.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    if metric.name == Metric.STORAGE_REQUESTS:
                        is_sum = metric.sum.aggregation_temporality == _CUMULATIVE
                        for point in metric.sum.data_points:
                            facts = {item.key: item.value.string_value for item in point.attributes}
                            place = (
                                facts.get(_SERVICE, ""),
                                facts.get(_FUNCTION, ""),
                                facts.get(_METHOD, ""),
                            )
                            before = 0 if is_sum else self.storage[place]
                            self.storage[place] = before + int(point.as_double or point.as_int)
        async with self._told:
            self._reports += 1
            self._told.notify_all()

    def take_spans(self, body: bytes) -> None:
        """Count the spans of an export."""
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as wire

        told = wire.ExportTraceServiceRequest.FromString(body)
        for resource in told.resource_spans:
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans[span.name] += 1
                    taken = span.end_time_unix_nano - span.start_time_unix_nano
                    self.seconds[span.name] += taken / 1e9


@asynccontextmanager
async def counted() -> AsyncIterator[Counted]:
    """A receiver on a free port of loopback: OTLP over HTTP, protobuf."""
    got = Counted()

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        if body[:2] == b"\x1f\x8b":
            body = gzip.decompress(body)
        if request.path.endswith("metrics"):
            await got.take_metrics(body)
        elif request.path.endswith("traces"):
            got.take_spans(body)
        return web.Response(content_type="application/x-protobuf")

    app = web.Application(client_max_size=64 << 20)
    app.router.add_post("/v1/{kind}", take)
    runner: Any = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        got.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield got
    finally:
        await runner.cleanup()
