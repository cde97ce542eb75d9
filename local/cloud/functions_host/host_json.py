"""The options of host.json that this host honours, with the real host's defaults.

Configuration is case-insensitive and any value can be overridden by an app setting such as
`AzureFunctionsJobHost__extensions__queues__batchSize`, as in the cloud.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from local.cloud.functions_host.errors import StartError

_OVERRIDE_PREFIX = "azurefunctionsjobhost__"
_TIME_SPAN = re.compile(r"(?:(\d+)\.)?(\d{1,2}):(\d{1,2}):(\d{1,2}(?:\.\d{1,7})?)")
_LEVELS = {
    "trace": "DEBUG",
    "debug": "DEBUG",
    "information": "INFO",
    "warning": "WARNING",
    "error": "ERROR",
    "critical": "CRITICAL",
    "none": "CRITICAL",
}


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """How queue triggers take messages; times in seconds."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    visibility_timeout: float = 0.0
    max_polling_interval: float = 2.0
    """The real host waits a minute in the cloud and two seconds, as here, when run locally."""
    encoding: Literal["base64", "none"] = "base64"


@dataclass(frozen=True, slots=True)
class BlobOptions:
    """How blob triggers run."""

    max_degree_of_parallelism: int
    poison_blob_threshold: int = 5


@dataclass(frozen=True, slots=True)
class HostOptions:
    """Everything that host.json says to this host."""

    route_prefix: str
    queues: QueueOptions
    blobs: BlobOptions
    max_event_batch_size: int
    events_from_end: bool
    log_level: str


def parse_time_span(text: str) -> float:
    """Return the seconds of a .NET TimeSpan such as `00:00:00.2` or `1.02:00:00`."""
    match = _TIME_SPAN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a time span (hh:mm:ss)")
    days, hours, minutes, seconds = match.groups()
    if int(hours) > 23 or int(minutes) > 59 or float(seconds) >= 60:
        raise ValueError(f"{text!r} is not a time span (hh:mm:ss)")
    return int(days or 0) * 86_400 + int(hours) * 3_600 + int(minutes) * 60 + float(seconds)


def load_host_options(app: Path, environment: Mapping[str, str]) -> HostOptions:
    """Read host.json of the app and the overriding settings; a bad value is a `StartError`."""
    path = app / "host.json"
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise StartError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise StartError(f"{path}: not JSON: {error}") from error
    return parse_host_options(document, environment)


def parse_host_options(document: Any, environment: Mapping[str, str]) -> HostOptions:
    """Return the options of a host.json document under the overriding settings."""
    if not isinstance(document, dict) or document.get("version") != "2.0":
        raise StartError('host.json: "version" must be "2.0"')
    flat = dict(_flatten(document))
    for name, value in environment.items():
        if name.lower().startswith(_OVERRIDE_PREFIX):
            flat[name.lower()[len(_OVERRIDE_PREFIX) :].replace("__", ":")] = value
    values = _Values(flat)
    return HostOptions(
        route_prefix=values.text("extensions:http:routePrefix", "api").strip("/"),
        queues=_queue_options(values),
        blobs=BlobOptions(
            max_degree_of_parallelism=values.integer(
                "extensions:blobs:maxDegreeOfParallelism", 8 * (os.cpu_count() or 1), 1, 1024
            ),
            poison_blob_threshold=values.integer(
                "extensions:blobs:poisonBlobThreshold", 5, 1, 1000
            ),
        ),
        max_event_batch_size=values.integer(
            "extensions:eventHubs:maxEventBatchSize", 100, 1, 10_000
        ),
        events_from_end=values.choice(
            "extensions:eventHubs:initialOffsetOptions:type", "fromStart", ("fromStart", "fromEnd")
        )
        == "fromEnd",
        log_level=_LEVELS[
            values.choice("logging:logLevel:default", "information", tuple(_LEVELS)).lower()
        ],
    )


def _queue_options(values: _Values) -> QueueOptions:
    batch_size = values.integer("extensions:queues:batchSize", 16, 1, 32)
    encoding = values.choice("extensions:queues:messageEncoding", "base64", ("base64", "none"))
    return QueueOptions(
        batch_size=batch_size,
        new_batch_threshold=values.integer(
            "extensions:queues:newBatchThreshold", batch_size // 2, 0, 1000
        ),
        max_dequeue_count=values.integer("extensions:queues:maxDequeueCount", 5, 1, 1000),
        visibility_timeout=values.seconds("extensions:queues:visibilityTimeout", 0.0),
        max_polling_interval=max(0.1, values.seconds("extensions:queues:maxPollingInterval", 2.0)),
        encoding="none" if encoding == "none" else "base64",
    )


def _flatten(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        for name, value in node.items():
            yield from _flatten(value, f"{path}:{name.lower()}" if path else name.lower())
    else:
        yield path, node


@dataclass(frozen=True, slots=True)
class _Values:
    """Typed access to flattened configuration; keys are lower-case paths joined by colons."""

    flat: Mapping[str, Any]

    def text(self, key: str, default: str) -> str:
        value = self.flat.get(key.lower(), default)
        if not isinstance(value, str):
            raise _bad(key, value, "a string")
        return value

    def choice(self, key: str, default: str, allowed: tuple[str, ...]) -> str:
        text = self.text(key, default)
        for candidate in allowed:
            if candidate.lower() == text.lower():
                return candidate
        raise _bad(key, text, f"one of {', '.join(allowed)}")

    def integer(self, key: str, default: int, low: int, high: int) -> int:
        value = self.flat.get(key.lower(), default)
        try:
            number = int(value)
        except (TypeError, ValueError):
            number = low - 1
        if isinstance(value, bool | float) or not low <= number <= high:
            raise _bad(key, value, f"a whole number from {low} to {high}")
        return number

    def seconds(self, key: str, default: float) -> float:
        value = self.flat.get(key.lower())
        if value is None:
            return default
        try:
            return parse_time_span(value)
        except (TypeError, ValueError) as error:
            raise _bad(key, value, "a time span (hh:mm:ss)") from error


def _bad(key: str, value: object, wanted: str) -> StartError:
    return StartError(f"host.json {key.replace(':', '.')}: {value!r} is not {wanted}")
