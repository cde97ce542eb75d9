"""The names of everything that telemetry tells: spans, metrics and their attributes.

Services and adapters tell by these names; alerts and workbook in `infra/` ask by them, and a test
holds that they are the same. A span of a trigger or a REST operation is named as its function.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypedDict

SCOPE = "open-device-update"
"""Name of the instrumentation scope, and of the service where no other is set."""
ATTRIBUTE_PREFIX = "odu."
SUCCEEDED, FAILED, REFUSED = "succeeded", "failed", "refused"
"""Values of the fact `result`."""
_SAMPLED = 1
"""The flag of a trace context; others may stand beside it."""


class Span(StrEnum):
    """Spans within the work of a trigger."""

    ASK_DEVICE = "ask_device"
    DEVICE_RUNS_UPDATE = "device_runs_update"
    """From when a device was asked to its report that it has ended: its end is the report."""
    DELTA = "delta.make"
    FETCH = "import.fetch"
    SCAN = "import.scan"
    PUBLISH = "import.publish"


SpanKind = Literal["internal", "server", "client", "producer", "consumer"]
MetricKind = Literal["counter", "histogram", "gauge"]


@dataclass(frozen=True, slots=True)
class _Meaning:
    kind: MetricKind
    unit: str
    text: str


class Metric(StrEnum):
    """Metrics. Counters are told as what was added since the last time."""

    EVENT_LAG = "odu.event.lag"
    QUEUE_AGE = "odu.queue.age"
    QUEUE_LENGTH = "odu.queue.length"
    QUEUE_POISON = "odu.queue.poison"
    DEVICE_ASKS = "odu.device.asks"
    DEVICE_RESULTS = "odu.device.results"
    SCAN_DURATION = "odu.scan.duration"
    FAILURES = "odu.failures"
    STORAGE_REQUESTS = "odu.storage.requests"


MEANINGS: dict[Metric, _Meaning] = {
    Metric.EVENT_LAG: _Meaning("histogram", "s", "From a twin change to its counters"),
    Metric.QUEUE_AGE: _Meaning("gauge", "s", "Age of the oldest message of a queue"),
    Metric.QUEUE_LENGTH: _Meaning("gauge", "{message}", "Messages of a queue"),
    Metric.QUEUE_POISON: _Meaning("gauge", "{message}", "Messages that failed for good"),
    Metric.DEVICE_ASKS: _Meaning("counter", "{ask}", "Twins patched: a rate of it is asks/s"),
    Metric.DEVICE_RESULTS: _Meaning("counter", "{device}", "Devices that ended a deployment"),
    Metric.SCAN_DURATION: _Meaning("histogram", "s", "Time that an engine took for a file"),
    Metric.FAILURES: _Meaning("counter", "{failure}", "What failed, by function and error code"),
    Metric.STORAGE_REQUESTS: _Meaning("counter", "{request}", "Requests to storage, by function"),
}


class Facts(TypedDict, total=False):
    """What spans, metrics and log lines say of what they are about: ids and codes, never secrets.

    As attributes their names begin with `ATTRIBUTE_PREFIX`.
    """

    instance: str
    function: str
    request_id: str
    operation: str
    update: str
    group: str
    deployment: str
    workflow: str
    device: str
    bucket: int
    queue: str
    collection: str
    code: str
    result: str
    engine: str
    service: str
    method: str
    route: str
    status: int


def attributes(facts: Facts) -> dict[str, str | int]:
    """Facts under their names on the wire; what is empty is left out."""
    return {
        ATTRIBUTE_PREFIX + name: value  # type: ignore[misc]
        for name, value in facts.items()
        if value not in ("", None)
    }


def is_sampled(traceparent: str) -> bool:
    """Whether a W3C trace context is of a trace that is recorded."""
    try:
        return bool(int(traceparent[-2:], 16) & _SAMPLED)
    except ValueError:
        return False


def trace_id_of(traceparent: str) -> str:
    """The trace that a W3C trace context belongs to; empty if there is none."""
    parts = traceparent.split("-")
    return parts[1] if len(parts) > 1 else ""
