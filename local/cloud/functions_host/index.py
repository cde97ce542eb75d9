"""From the worker's index to typed triggers and outputs.

This is where an app that the host cannot run faithfully is refused, with the function and the
cause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from local.cloud.functions_host.blob_path import BlobPattern, parse_blob_pattern
from local.cloud.functions_host.errors import StartError
from local.cloud.functions_host.event_hub_endpoint import Endpoint, parse_endpoint
from local.cloud.functions_host.routing import parse_template
from local.cloud.functions_host.schedule import Schedule, parse_schedule
from local.cloud.functions_host.settings import DEFAULT_CONNECTION, Settings
from local.cloud.functions_host.worker import IndexedFunction

RETURN = "$return"
"""The name that a binding of the return value has."""


@dataclass(frozen=True, slots=True)
class HttpTrigger:
    """A route; `methods` of None accepts every method."""

    parameter: str
    route: str
    methods: frozenset[str] | None
    auth_level: str


@dataclass(frozen=True, slots=True)
class QueueTrigger:
    """A storage queue to take messages from."""

    parameter: str
    queue: str
    connection: str


@dataclass(frozen=True, slots=True)
class BlobTrigger:
    """The pattern of the blobs whose creation, told by Event Grid, runs the function."""

    parameter: str
    pattern: BlobPattern
    connection: str


@dataclass(frozen=True, slots=True)
class TimerTrigger:
    """An NCRONTAB schedule of six fields."""

    parameter: str
    schedule: Schedule
    run_on_startup: bool
    use_monitor: bool


@dataclass(frozen=True, slots=True)
class EventHubTrigger:
    """An event hub to read; `many` passes whole batches to the function."""

    parameter: str
    event_hub: str
    endpoint: Endpoint
    consumer_group: str
    many: bool


@dataclass(frozen=True, slots=True)
class EventGridTrigger:
    """Events that arrive at the Event Grid webhook."""

    parameter: str


Trigger = (
    HttpTrigger | QueueTrigger | BlobTrigger | TimerTrigger | EventHubTrigger | EventGridTrigger
)


@dataclass(frozen=True, slots=True)
class QueueOutput:
    """A queue that an output parameter, or the return value, is sent to."""

    name: str
    queue: str
    connection: str


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """The `@app.retry` policy; `max_retries` of -1 never gives up; times in seconds."""

    max_retries: int
    shortest: float
    longest: float

    def delay(self, retry: int) -> float:
        """Return how long to wait before a retry, counted from 1."""
        if self.shortest >= self.longest:
            return self.longest
        return min(self.longest, max(self.shortest, 0.1) * 2.0 ** min(retry - 1, 40))


@dataclass(frozen=True, slots=True)
class Function:
    """One function of the app, ready to be listened for and run."""

    name: str
    function_id: str
    trigger: Trigger
    outputs: tuple[QueueOutput, ...] = ()
    retry: RetryPolicy | None = None


def build_index(indexed: Iterable[IndexedFunction], settings: Settings) -> tuple[Function, ...]:
    """Return the functions of the app, or raise a `StartError` that names the one at fault."""
    functions = []
    for item in indexed:
        try:
            functions.append(_function(item, settings))
        except StartError as error:
            raise StartError(f"function {item.name}: {error}") from error
    return tuple(functions)


def _function(item: IndexedFunction, settings: Settings) -> Function:
    trigger: Trigger | None = None
    outputs: list[QueueOutput] = []
    for binding in item.bindings:
        kind = binding["type"]
        if kind in _TRIGGERS:
            trigger = _TRIGGERS[kind](binding, settings)
        elif binding["direction"] != "OUT":
            raise StartError(f"this host has no {kind} trigger or input binding")
        elif kind == "queue":
            outputs.append(_queue_output(binding, settings))
        elif kind != "http":
            raise StartError(f"this host has no {kind} output binding")
        elif binding["name"] != RETURN:
            raise StartError("this host takes an HTTP answer from the return value only")
    if trigger is None:
        raise StartError("it has no trigger")
    return Function(
        name=item.name,
        function_id=item.function_id,
        trigger=trigger,
        outputs=tuple(outputs),
        retry=_retry(item.retry),
    )


def _http(binding: Mapping[str, Any], settings: Settings) -> HttpTrigger:
    methods = binding.get("methods")
    route = settings.expand(binding.get("route", ""))
    parse_template(route)
    return HttpTrigger(
        parameter=binding["name"],
        route=route,
        methods=frozenset(method.upper() for method in methods) if methods else None,
        auth_level=binding.get("authLevel", "FUNCTION").lower(),
    )


def _queue(binding: Mapping[str, Any], settings: Settings) -> QueueTrigger:
    return QueueTrigger(
        binding["name"],
        settings.expand(binding["queueName"]).lower(),
        _connection(binding, settings),
    )


def _queue_output(binding: Mapping[str, Any], settings: Settings) -> QueueOutput:
    return QueueOutput(
        binding["name"],
        settings.expand(binding["queueName"]).lower(),
        _connection(binding, settings),
    )


def _blob(binding: Mapping[str, Any], settings: Settings) -> BlobTrigger:
    if binding.get("source") != "EventGrid":
        raise StartError(
            "a blob trigger needs source=EventGrid; this host does not poll containers, "
            "as the Flex Consumption plan does not"
        )
    return BlobTrigger(
        binding["name"],
        parse_blob_pattern(settings.expand(binding["path"])),
        _connection(binding, settings),
    )


def _timer(binding: Mapping[str, Any], settings: Settings) -> TimerTrigger:
    return TimerTrigger(
        parameter=binding["name"],
        schedule=parse_schedule(settings.expand(binding["schedule"])),
        run_on_startup=bool(binding.get("runOnStartup", False)),
        use_monitor=binding.get("useMonitor", True) is not False,
    )


def _event_hub(binding: Mapping[str, Any], settings: Settings) -> EventHubTrigger:
    return EventHubTrigger(
        parameter=binding["name"],
        event_hub=settings.expand(binding["eventHubName"]),
        endpoint=parse_endpoint(settings.connection(_connection(binding, settings))),
        consumer_group=settings.expand(binding.get("consumerGroup", "$Default")),
        many=binding.get("cardinality", "ONE").upper() == "MANY",
    )


def _event_grid(binding: Mapping[str, Any], settings: Settings) -> EventGridTrigger:
    return EventGridTrigger(binding["name"])


_TRIGGERS: dict[str, Callable[[Mapping[str, Any], Settings], Trigger]] = {
    "httpTrigger": _http,
    "queueTrigger": _queue,
    "blobTrigger": _blob,
    "timerTrigger": _timer,
    "eventHubTrigger": _event_hub,
    "eventGridTrigger": _event_grid,
}


def _connection(binding: Mapping[str, Any], settings: Settings) -> str:
    """Return the binding's connection name, once it is known to lead to a connection string."""
    name: str = settings.expand(binding.get("connection") or DEFAULT_CONNECTION)
    settings.connection(name)
    return name


def _retry(options: Mapping[str, Any] | None) -> RetryPolicy | None:
    if options is None:
        return None
    if options["retry_strategy"] == "fixed_delay":
        delay = options["delay_interval"].total_seconds()
        return RetryPolicy(options["max_retry_count"], delay, delay)
    return RetryPolicy(
        options["max_retry_count"],
        options["minimum_interval"].total_seconds(),
        options["maximum_interval"].total_seconds(),
    )
