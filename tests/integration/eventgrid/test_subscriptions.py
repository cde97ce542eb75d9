from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.eventgrid.conftest import Grid, an_event
from tests.integration.eventgrid.webhook import KEY

if TYPE_CHECKING:
    from tests.integration.eventgrid.webhook import Webhook


def _wanted(endpoint: str, **fields: Any) -> dict[str, Any]:
    return {"topic": "topic", "endpoint": endpoint, **fields}


async def test_put_validates_the_endpoint_and_answers_201_then_200(
    grid: Grid, webhook: Webhook
) -> None:
    wanted = _wanted(webhook.endpoint)

    first, _ = await grid.call("PUT", "/subscriptions/first", wanted)
    again, document = await grid.call("PUT", "/subscriptions/first", wanted)

    assert (first, again) == (201, 200)
    assert [request.is_validation for request in webhook.requests] == [True, True]
    assert document["endpoint"] == webhook.endpoint.partition("?")[0]
    assert document["maxDeliveryAttempts"] == 30


async def test_put_asks_for_permission_when_the_schema_is_cloud_events(
    grid: Grid, webhook: Webhook
) -> None:
    await grid.subscribe("first", webhook.endpoint, schema="CloudEventSchemaV1_0")

    [request] = webhook.requests
    assert request.method == "OPTIONS"
    assert request.headers["webhook-request-origin"] == "eventgrid.azure.net"


@pytest.mark.parametrize("schema", ["EventGridSchema", "CloudEventSchemaV1_0"])
async def test_put_is_refused_when_the_endpoint_does_not_agree(
    grid: Grid, webhook: Webhook, schema: str
) -> None:
    webhook.agrees = False

    status, document = await grid.call(
        "PUT", "/subscriptions/first", _wanted(webhook.endpoint, schema=schema)
    )

    assert status == 400
    assert document["error"]["code"] == "EndpointValidationFailed"
    assert (await grid.call("GET", "/subscriptions"))[1] == {"value": []}


async def test_put_is_refused_when_the_endpoint_key_is_wrong(grid: Grid, webhook: Webhook) -> None:
    wanted = _wanted(webhook.endpoint.replace(KEY, "wr0ng"))

    status, document = await grid.call("PUT", "/subscriptions/first", wanted)

    assert status == 400
    assert "answered 401" in document["error"]["message"]


async def test_put_is_refused_when_nothing_listens(grid: Grid) -> None:
    wanted = _wanted("https://localhost:1/hook?code=s3cret")

    status, document = await grid.call("PUT", "/subscriptions/first", wanted)

    assert status == 400
    assert "cannot be reached" in document["error"]["message"]
    assert "s3cret" not in str(document)


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"topic": "elsewhere"}, "$.topic"),
        ({"endpoint": "http://localhost/hook"}, "endpoint: an https URL"),
        ({"maxDeliveryAttempts": 31}, "$.maxDeliveryAttempts"),
        ({"eventTypes": "all"}, "$.eventTypes"),
        ({"eventTypez": []}, "eventTypez"),
    ],
)
async def test_put_names_the_field_that_is_wrong(
    grid: Grid, webhook: Webhook, fields: dict[str, Any], fault: str
) -> None:
    wanted = _wanted(webhook.endpoint) | fields

    status, document = await grid.call("PUT", "/subscriptions/first", wanted)

    assert status == 400
    assert fault in document["error"]["message"]
    assert webhook.requests == []


async def test_management_side_is_closed_without_its_key(grid: Grid) -> None:
    status, _ = await grid.call("GET", "/subscriptions", key="wrong")

    assert status == 401


@pytest.mark.parametrize(
    ("method", "path", "document"),
    [
        ("PUT", "/faults", {"duplicate": "yes"}),
        ("POST", "/dead-letters/replay", {"subscriptions": []}),
        ("GET", "/dead-letters?after=x", None),
    ],
)
async def test_management_side_refuses_what_it_does_not_understand(
    grid: Grid, method: str, path: str, document: Any
) -> None:
    status, answer = await grid.call(method, path, document)

    assert status == 400
    assert answer["error"]["code"] == "InvalidRequest"


async def test_deleted_subscription_gets_nothing_more(grid: Grid, webhook: Webhook) -> None:
    await grid.subscribe("gone", webhook.endpoint)
    await grid.subscribe("kept", webhook.endpoint)

    assert (await grid.call("DELETE", "/subscriptions/gone"))[0] == 200
    assert (await grid.call("DELETE", "/subscriptions/gone"))[0] == 204
    await grid.publish(an_event())

    await webhook.wait_for_notifications(1)
    names = [request.headers["aeg-subscription-name"] for request in webhook.notifications]
    assert names == ["KEPT"]


async def test_only_selected_events_are_delivered(grid: Grid, webhook: Webhook) -> None:
    await grid.subscribe(
        "first",
        webhook.endpoint,
        eventTypes=["a.type", "b.type"],
        subjectBeginsWith="/containers/Imports/",
        subjectEndsWith=".JSON",
    )

    good = {"subject": "/containers/imports/x.json", "eventType": "a.type"}
    await grid.publish(
        an_event(1, **good),
        an_event(2, **{**good, "eventType": "c.type"}),
        an_event(3, **{**good, "subject": "/containers/other/x.json"}),
        an_event(4, **{**good, "subject": "/containers/imports/x.bin"}),
        an_event(5, **{**good, "eventType": "b.type"}),
    )
    await grid.publish(an_event(6, **good), topic="iothub")
    await grid.publish(an_event(7, **good))

    await webhook.wait_for_notifications(3)
    assert {event["id"] for event in webhook.events} == {"event-1", "event-5", "event-7"}
    assert (await grid.subscription("first"))["pending"] == 0


async def test_keys_are_in_no_log(grid: Grid, webhook: Webhook) -> None:
    webhook.answers = [500]
    await grid.subscribe("first", webhook.endpoint)
    await grid.publish(an_event())
    await webhook.wait_for_notifications(2)

    assert "first: events are not taken: GenericError (500)" in grid.server.log
    assert KEY not in grid.server.log
