"""Registers the service's Event Grid subscriptions at the stand-in, as a deployment does."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from local.stack.errors import StackError
from shared.topology import EVENT_SUBSCRIPTIONS, EventSubscription

if TYPE_CHECKING:
    from pathlib import Path

    from local.stack.credentials import Credentials

MAXIMUM_DELIVERY_ATTEMPTS = 30
EVENT_TIME_TO_LIVE_MINUTES = 1440
_TIMEOUT_SECONDS = 30
_MAXIMUM_ANSWER_BYTES = 4096


def register(event_grid: str, host: str, credentials: Credentials, ca: Path) -> None:
    """Create or replace every subscription; the host must already answer the validation call.

    Args:
        event_grid: base URL of the Event Grid stand-in.
        host: base URL of the Functions host.
        credentials: the stack's keys.
        ca: certificate of the stack's authority.

    Raises:
        StackError: a subscription is refused.
    """
    context = ssl.create_default_context(cafile=str(ca))
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
    )
    for subscription in EVENT_SUBSCRIPTIONS:
        body = subscription_body(subscription, webhook(host, subscription, credentials))
        request = urllib.request.Request(  # noqa: S310 (an https URL of this stack)
            f"{event_grid}/admin/subscriptions/{subscription.name}",
            data=json.dumps(body).encode(),
            headers={
                "aeg-admin-key": credentials.event_grid_admin,
                "content-type": "application/json",
            },
            method="PUT",
        )
        try:
            opener.open(request, timeout=_TIMEOUT_SECONDS).close()
        except urllib.error.HTTPError as error:
            with error:
                answer = error.read(_MAXIMUM_ANSWER_BYTES).decode(errors="replace")
            raise StackError(
                f"event subscription {subscription.name} was refused: {error.code} {answer}"
            ) from error
        except OSError as error:
            raise StackError(f"event subscription {subscription.name}: {error}") from error


def webhook(host: str, subscription: EventSubscription, credentials: Credentials) -> str:
    """Return the URL of the host's webhook that runs the subscription's function."""
    if subscription.kind == "blob":
        name, path, key = "Host.Functions." + subscription.function, "blobs", credentials.host_blobs
    else:
        name, path, key = subscription.function, "EventGrid", credentials.host_event_grid
    query = urlencode({"functionName": name, "code": key})
    return f"{host}/runtime/webhooks/{path}?{query}"


def subscription_body(subscription: EventSubscription, endpoint: str) -> dict[str, object]:
    """Return what the stand-in is asked for; only the service's own topic speaks CloudEvents."""
    cloud_events = subscription.source == "topic"
    return {
        "topic": subscription.source,
        "endpoint": endpoint,
        "eventTypes": list(subscription.event_types),
        "subjectBeginsWith": subscription.subject_begins_with,
        "subjectEndsWith": subscription.subject_ends_with,
        "schema": "CloudEventSchemaV1_0" if cloud_events else "EventGridSchema",
        "deadLetterContainer": "deadletter",
        "maxDeliveryAttempts": MAXIMUM_DELIVERY_ATTEMPTS,
        "eventTimeToLiveMinutes": EVENT_TIME_TO_LIVE_MINUTES,
    }
