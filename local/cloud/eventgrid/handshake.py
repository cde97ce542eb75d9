"""Proof that an endpoint wants the events of a subscription, asked for before any is delivered.

https://learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema and
https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md#4-abuse-protection
"""

from __future__ import annotations

import asyncio
import hmac
import time
import uuid
from typing import TYPE_CHECKING

import aiohttp
import msgspec

from local.cloud.eventgrid.events import utc_text

if TYPE_CHECKING:
    from local.cloud.eventgrid.subscriptions import Subscription

ORIGIN = "eventgrid.azure.net"
TIMEOUT_SECONDS = 30.0
MAX_ANSWER_BYTES = 64 * 1024


class HandshakeError(Exception):
    """The endpoint cannot be reached or does not agree; the message says why, without its key."""


async def validate_endpoint(
    session: aiohttp.ClientSession, name: str, subscription: Subscription
) -> None:
    """Return if the endpoint agrees to be the subscription's webhook.

    Raises:
        HandshakeError: it does not.
    """
    exchange = _exchange_code if subscription.schema == "EventGridSchema" else _ask_permission
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            await exchange(session, name, subscription)
    except TimeoutError as error:
        raise HandshakeError(f"no answer within {TIMEOUT_SECONDS:.0f} s") from error
    except aiohttp.ClientError as error:
        raise HandshakeError(f"cannot be reached: {type(error).__name__}") from error


async def _exchange_code(
    session: aiohttp.ClientSession, name: str, subscription: Subscription
) -> None:
    code = str(uuid.uuid4())
    event = {
        "id": str(uuid.uuid4()),
        "topic": f"/topics/{subscription.topic}",
        "subject": "",
        "data": {"validationCode": code},
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime": utc_text(time.time()),
        "metadataVersion": "1",
        "dataVersion": "2",
    }
    headers = {
        "aeg-event-type": "SubscriptionValidation",
        "aeg-subscription-name": name.upper(),
        "aeg-delivery-count": "0",
        "aeg-data-version": "2",
        "aeg-metadata-version": "1",
    }
    async with session.post(
        subscription.endpoint, json=[event], headers=headers, allow_redirects=False
    ) as response:
        if response.status != 200:
            raise HandshakeError(f"answered {response.status} to the validation event")
        answer = b""
        async for chunk in response.content.iter_any():
            answer += chunk
            if len(answer) > MAX_ANSWER_BYTES:
                raise HandshakeError("answered more than a validation code")
    if not hmac.compare_digest(_validation_response(answer).encode(), code.encode()):
        raise HandshakeError("did not return the validation code as validationResponse")


def _validation_response(answer: bytes) -> str:
    try:
        return msgspec.json.decode(answer, type=_ValidationAnswer).validation_response
    except ValueError as error:
        raise HandshakeError("did not answer the validation event with JSON") from error


class _ValidationAnswer(msgspec.Struct, rename="camel"):
    validation_response: str = ""


async def _ask_permission(
    session: aiohttp.ClientSession, _name: str, subscription: Subscription
) -> None:
    async with session.options(
        subscription.endpoint, headers={"WebHook-Request-Origin": ORIGIN}, allow_redirects=False
    ) as response:
        allowed = response.headers.get("WebHook-Allowed-Origin")
        if response.status != 200 or allowed not in (ORIGIN, "*"):
            raise HandshakeError(
                f"answered {response.status} with WebHook-Allowed-Origin {allowed!r}"
                f" to the question of {ORIGIN}"
            )
