from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.cloud.eventgrid.events import Event
from local.cloud.eventgrid.subscriptions import (
    TOPICS,
    InvalidSubscriptionError,
    Subscription,
    parse_subscription,
)
from shared.topology import EVENT_SUBSCRIPTIONS

ENDPOINT = "https://localhost:7071/runtime/webhooks/EventGrid?functionName=f&code=s3cret"


def _event(subject: str, event_type: str = "a.type") -> Event:
    return Event("EventGridSchema", {"subject": subject, "eventType": event_type})


def _subscription(**fields: Any) -> Subscription:
    return Subscription(topic="topic", endpoint=ENDPOINT, **fields)


@given(st.text(alphabet="aZ/.", max_size=9), st.integers(0, 9), st.integers(0, 9))
def test_subscription_selects_by_any_start_and_end_whatever_the_case(
    subject: str, start: int, end: int
) -> None:
    subscription = _subscription(
        subject_begins_with=subject[:start].upper(), subject_ends_with=subject[end:].lower()
    )

    assert subscription.selects(_event(subject))


def test_subscription_does_not_select_another_start_end_or_type() -> None:
    subscription = _subscription(
        event_types=("a.type",), subject_begins_with="/in/", subject_ends_with=".json"
    )

    assert subscription.selects(_event("/in/x.json"))
    assert not subscription.selects(_event("/out/x.json"))
    assert not subscription.selects(_event("/in/x.bin"))
    assert not subscription.selects(_event("/in/x.json", "A.TYPE"))


def test_subscription_without_filters_selects_everything() -> None:
    assert _subscription().selects(Event("CloudEventSchemaV1_0", {"type": "any"}))


def test_public_view_does_not_hold_the_key() -> None:
    view = _subscription().public()

    assert view["endpoint"] == "https://localhost:7071/runtime/webhooks/EventGrid"
    assert "s3cret" not in str(view)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://localhost/hook",
        "https:///hook",
        "https://user@localhost/hook",
        "https://localhost/hook#part",
        "https://localhost:99999/hook",
        "hook",
    ],
)
def test_parse_refuses_an_endpoint_that_is_no_plain_https_url(endpoint: str) -> None:
    body = msgspec.json.encode({"topic": "topic", "endpoint": endpoint})

    with pytest.raises(InvalidSubscriptionError):
        parse_subscription("first", body)


@pytest.mark.parametrize("name", ["ab", "a" * 65, "a_b", "a b", ""])
def test_parse_refuses_a_name_that_the_service_refuses(name: str) -> None:
    body = msgspec.json.encode(_subscription())

    with pytest.raises(InvalidSubscriptionError, match="name"):
        parse_subscription(name, body)


def test_every_subscription_of_the_service_can_be_made() -> None:
    for wanted in EVENT_SUBSCRIPTIONS:
        assert wanted.source in TOPICS
        body = msgspec.json.encode({"topic": wanted.source, "endpoint": ENDPOINT})
        assert parse_subscription(wanted.name, body).topic == wanted.source
