"""Where telemetry goes: to a collector by OTLP, to Azure Monitor, or to the console.

Times between two sendings and the like are set by the SDK's own environment variables
(`OTEL_BSP_SCHEDULE_DELAY`, `OTEL_METRIC_EXPORT_INTERVAL`, `OTEL_EXPORTER_OTLP_HEADERS`).
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from shared import signals
from shared.adapters.telemetry.log_handler import send_logs
from shared.adapters.telemetry.sampling import ChangesAndShare
from shared.adapters.telemetry.spans import OpenTelemetry
from shared.settings import AZURE_MONITOR, OTLP, TelemetrySettings
from shared.version import VERSION

if TYPE_CHECKING:
    from opentelemetry.sdk._logs.export import LogRecordExporter
    from opentelemetry.sdk.metrics.export import MetricExporter, MetricsData
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter


@dataclass(frozen=True, slots=True)
class _Exporters:
    """What sends each of the three; the console has the log lines already."""

    spans: SpanExporter
    metrics: MetricExporter
    logs: LogRecordExporter | None


def start(settings: TelemetrySettings) -> OpenTelemetry:
    """Begin to send telemetry to where the settings say; from then on, log lines too."""
    exporters = _exporters(settings)
    resource = Resource.create({SERVICE_NAME: signals.SCOPE, SERVICE_VERSION: VERSION})
    tracers = TracerProvider(ChangesAndShare(settings.sampling), resource)
    tracers.add_span_processor(BatchSpanProcessor(exporters.spans))
    meters = MeterProvider([PeriodicExportingMetricReader(exporters.metrics)], resource)
    if exporters.logs is not None:
        loggers = LoggerProvider(resource)
        loggers.add_log_record_processor(BatchLogRecordProcessor(exporters.logs))
        send_logs(loggers)
    return OpenTelemetry(tracers, meters)


def _exporters(settings: TelemetrySettings) -> _Exporters:
    if settings.kind == AZURE_MONITOR:
        return _azure_monitor(settings.connection_string or "")
    if settings.kind == OTLP:
        return _otlp(settings.endpoint)
    return _console()


def _azure_monitor(connection_string: str) -> _Exporters:
    """They sign in as `APPLICATIONINSIGHTS_AUTHENTICATION_STRING` says, which they read."""
    from azure.monitor.opentelemetry.exporter import (
        AzureMonitorLogExporter,
        AzureMonitorMetricExporter,
        AzureMonitorTraceExporter,
    )

    return _Exporters(
        AzureMonitorTraceExporter(connection_string=connection_string),
        AzureMonitorMetricExporter(connection_string=connection_string),
        AzureMonitorLogExporter(connection_string=connection_string),
    )


def _otlp(endpoint: str) -> _Exporters:
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    base = endpoint.rstrip("/")
    return _Exporters(
        OTLPSpanExporter(f"{base}/v1/traces"),
        OTLPMetricExporter(f"{base}/v1/metrics"),
        OTLPLogExporter(f"{base}/v1/logs"),
    )


def _console() -> _Exporters:
    from opentelemetry.sdk.metrics.export import ConsoleMetricExporter
    from opentelemetry.sdk.trace.export import ConsoleSpanExporter

    def line(told: ReadableSpan | MetricsData) -> str:
        return told.to_json(indent=None) + os.linesep

    return _Exporters(
        ConsoleSpanExporter(out=sys.stderr, formatter=line),
        ConsoleMetricExporter(sys.stderr, line),
        None,
    )
