"""Limits of IoT Hub, as its documentation states them ("IoT Hub quotas and throttling").

Sizes are bytes, rates are per second, times are seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Sku = Literal["F1", "S1", "S2", "S3"]

TAGS_SIZE = 8 * 1024
PROPERTIES_SIZE = 32 * 1024
STRING_SIZE = 4 * 1024
KEY_SIZE = 1024
DEPTH = 10
INTEGER_MIN = -4503599627370496
INTEGER_MAX = 4503599627370495

BULK_DEVICES = 100
QUERY_LENGTH = 8192
QUERY_PAGE = 1000
QUERY_GROUPS = 10_000
DEVICE_LIST = 1000
MODULES_PER_DEVICE = 50

TELEMETRY_SIZE = 256 * 1024
METHOD_PAYLOAD_SIZE = 128 * 1024
METHOD_TIMEOUT_MAX = 300
METHOD_TIMEOUT_DEFAULT = 30

REQUEST_BODY_SIZE = 8 * 1024 * 1024
"""Largest body of an HTTP request: one bulk operation of 100 devices with full twins fits."""
CONNECT_PACKET_SIZE = 8 * 1024
"""Largest first MQTT packet, before the client is known."""
PACKET_SIZE = TELEMETRY_SIZE + 16 * 1024
KEEP_ALIVE_MAX = 1767
"""IoT Hub closes a connection after 1.5 times the negotiated keep-alive, at most 29.45 minutes."""
HANDSHAKE_TIME = 10.0
"""Time for everything before the first authenticated byte: proxy request, TLS, MQTT CONNECT."""
CONNECTIONS = 20_000
OUTGOING_PACKETS = 256
"""Packets that may wait for a slow device; one more closes its connection."""

JOB_HISTORY = 30 * 24 * 3600
EVENT_RETENTION_TIME = 7 * 24 * 3600
EVENT_RETENTION_COUNT = 1_000_000
"""Events kept in one partition of the log."""
EVENT_PAGE = 1000
EVENT_WAIT_MAX = 60.0
OUTBOX_COUNT = 100_000


class Meter(StrEnum):
    """What the hub meters; the values read well in messages."""

    REGISTRY = "identity registry operations"
    CONNECTIONS = "new connections"
    TELEMETRY = "device-to-cloud sends"
    QUERIES = "queries"
    TWIN_READS = "twin reads"
    TWIN_UPDATES = "twin updates"
    METHODS = "direct methods"
    JOBS = "job operations"
    JOB_DEVICES = "job device operations"
    CONFIGURATIONS = "configuration operations"


@dataclass(frozen=True, slots=True)
class _Rate:
    """Rate of one meter: the larger of a hub-wide floor and a rate for each unit."""

    unit: float
    floor: float = 0.0

    def of(self, units: int) -> float:
        return max(self.floor, self.unit * units)


_BASIC: dict[Meter, _Rate] = {
    Meter.REGISTRY: _Rate(100 / 60),
    Meter.CONNECTIONS: _Rate(12, 100),
    Meter.TELEMETRY: _Rate(12, 100),
    Meter.QUERIES: _Rate(20 / 60),
    Meter.TWIN_READS: _Rate(0, 100),
    Meter.TWIN_UPDATES: _Rate(0, 50),
    Meter.METHODS: _Rate(40),
    Meter.JOBS: _Rate(100 / 60),
    Meter.JOB_DEVICES: _Rate(0, 10),
    Meter.CONFIGURATIONS: _Rate(20 / 60),
}
_STANDARD = _BASIC | {
    Meter.CONNECTIONS: _Rate(120),
    Meter.TELEMETRY: _Rate(120),
    Meter.TWIN_READS: _Rate(10, 100),
    Meter.TWIN_UPDATES: _Rate(5, 50),
    Meter.METHODS: _Rate(120),
    Meter.JOB_DEVICES: _Rate(1, 10),
}
_LARGE: dict[Meter, _Rate] = {
    Meter.REGISTRY: _Rate(5000 / 60),
    Meter.CONNECTIONS: _Rate(6000),
    Meter.TELEMETRY: _Rate(6000),
    Meter.QUERIES: _Rate(1000 / 60),
    Meter.TWIN_READS: _Rate(500),
    Meter.TWIN_UPDATES: _Rate(250),
    Meter.METHODS: _Rate(6000),
    Meter.JOBS: _Rate(5000 / 60),
    Meter.JOB_DEVICES: _Rate(50),
    Meter.CONFIGURATIONS: _Rate(20 / 60),
}
_RATES: dict[Sku, dict[Meter, _Rate]] = {
    "F1": _BASIC,
    "S1": _BASIC,
    "S2": _STANDARD,
    "S3": _LARGE,
}
_CONCURRENT_JOBS: dict[Sku, int] = {"F1": 1, "S1": 1, "S2": 5, "S3": 10}


def rate(sku: Sku, units: int, meter: Meter) -> float:
    """Return what a hub of this size allows of `meter` each second."""
    return _RATES[sku][meter].of(units)


def concurrent_jobs(sku: Sku) -> int:
    """Return how many scheduled jobs run at once."""
    return _CONCURRENT_JOBS[sku]


def configurations(sku: Sku) -> int:
    """Return how many automatic device configurations a hub holds."""
    return 10 if sku == "F1" else 100
