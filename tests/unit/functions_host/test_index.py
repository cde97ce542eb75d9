from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from local.cloud.functions_host.errors import StartError
from local.cloud.functions_host.index import (
    EventHubTrigger,
    Function,
    HttpTrigger,
    QueueOutput,
    QueueTrigger,
    RetryPolicy,
    build_index,
)
from local.cloud.functions_host.settings import Settings
from local.cloud.functions_host.worker import IndexedFunction

SETTINGS = Settings(
    {
        "STATE": "state connection",
        "QUEUE": "Work",
        "TWINS": "Endpoint=sb://localhost:8443/;SharedAccessKeyName=service;SharedAccessKey=a2V5",
        "BROKEN": "Endpoint=sb://localhost/;SharedAccessKeyName=service",
    }
)


def trigger(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"{kind}Trigger", "direction": "IN", "name": "p", **fields}


def output(kind: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "direction": "OUT", "name": "out"} | fields


def index(*bindings: dict[str, Any], retry: dict[str, Any] | None = None) -> Function:
    (function,) = build_index([IndexedFunction("f", "id", bindings, retry)], SETTINGS)
    return function


def test_an_http_trigger_gets_the_defaults_of_the_cloud() -> None:
    function = index(trigger("http", route="f"), output("http", name="$return"))

    assert function.trigger == HttpTrigger("p", "f", None, "function")


def test_queues_are_named_through_settings() -> None:
    function = index(
        trigger("queue", queueName="%QUEUE%", connection="STATE"),
        output("queue", queueName="%QUEUE%-done", connection="STATE"),
    )

    assert function.trigger == QueueTrigger("p", "work", "STATE")
    assert function.outputs == (QueueOutput("out", "work-done", "STATE"),)


def test_an_event_hub_trigger_passes_single_events_unless_told_otherwise() -> None:
    one = index(trigger("eventHub", eventHubName="twins", connection="TWINS")).trigger
    many = index(
        trigger("eventHub", eventHubName="twins", connection="TWINS", cardinality="MANY")
    ).trigger

    assert isinstance(one, EventHubTrigger)
    assert isinstance(many, EventHubTrigger)
    assert (one.many, many.many, one.consumer_group) == (False, True, "$Default")
    assert (one.endpoint.host, one.endpoint.port) == ("localhost", 8443)


@pytest.mark.parametrize(
    ("bindings", "message"),
    [
        ([trigger("blob", path="c/{n}", connection="STATE")], "source=EventGrid"),
        (
            [trigger("blob", path="c/{n}/{n}", source="EventGrid", connection="STATE")],
            "blob path",
        ),
        ([trigger("serviceBus")], "no serviceBusTrigger"),
        ([trigger("http", route="f"), output("table")], "no table output"),
        (
            [trigger("http", route="f"), {"type": "blob", "direction": "IN", "name": "b"}],
            "no blob trigger or input",
        ),
        ([trigger("http", route="{a:nothing}")], "constraint nothing"),
        ([trigger("queue", queueName="q", connection="NOT_SET")], "NOT_SET"),
        ([trigger("queue", queueName="%NOT_SET%", connection="STATE")], "NOT_SET"),
        ([trigger("timer", schedule="0 * * * *")], "six fields"),
        ([trigger("eventHub", eventHubName="h", connection="BROKEN")], "SharedAccessKey"),
        ([trigger("http", route="f"), output("http", name="res")], "return value"),
        ([output("http", name="$return")], "no trigger"),
    ],
)
def test_a_function_is_refused_by_name_and_cause(
    bindings: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(StartError, match=f"function f: .*{message}"):
        index(*bindings)


def test_a_retry_policy_waits_as_it_says() -> None:
    fixed = index(
        trigger("timer", schedule="0 0 * * * *"),
        retry={
            "retry_strategy": "fixed_delay",
            "max_retry_count": 3,
            "delay_interval": timedelta(seconds=5),
        },
    ).retry
    growing = RetryPolicy(-1, 1.0, 10.0)

    assert fixed is not None
    assert [fixed.delay(retry) for retry in (1, 2, 3)] == [5.0, 5.0, 5.0]
    assert [growing.delay(retry) for retry in (1, 2, 4, 5, 1000)] == [1.0, 2.0, 8.0, 10.0, 10.0]
