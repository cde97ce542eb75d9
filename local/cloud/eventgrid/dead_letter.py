"""What becomes of events that are given up: dropped, or written to blobs as dead letters."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from azure.core.exceptions import AzureError
from azure.storage.blob.aio import BlobServiceClient

from local.cloud.eventgrid.events import utc_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.cloud.eventgrid.dead_letter_table import DeadLetter, DeadLetterTable
    from local.cloud.eventgrid.retry import GiveUp, RetryPolicy
    from local.cloud.eventgrid.store import Delivery, Store
    from local.cloud.eventgrid.subscriptions import Subscription

RETRY_SECONDS = 60
"""Between attempts to write a blob; scaled."""

KEEP_TRYING_SECONDS = 4 * 3600
"""After that the service drops a dead letter that it cannot write; scaled."""

BATCH = 100

_log = logging.getLogger(__name__)


class DeadLetterWriter:
    """Takes events that are given up and writes each to its blob when its time has come."""

    def __init__(self, store: Store, letters: DeadLetterTable, policy: RetryPolicy) -> None:
        self._store = store
        self._letters = letters
        self._policy = policy
        self._wake = asyncio.Event()

    def give_up(
        self, name: str, subscription: Subscription, delivery: Delivery, decision: GiveUp
    ) -> None:
        """Stop the delivery of an event to subscription `name`."""
        container = subscription.dead_letter_container
        if container is None:
            _log.warning("%s: event dropped: %s", name, decision.reason)
            self._store.remove(name, delivery, count_as="dropped")
            return
        _log.warning("%s: event dead-lettered: %s", name, decision.reason)
        now = time.time()
        with self._store.transaction():
            self._letters.add(
                delivery,
                reason=decision.reason,
                container=container,
                blob=_blob_name(name, subscription, now),
                decided_at=now,
                due_at=now + decision.delay,
            )
            self._store.remove(name, delivery, count_as="dead_lettered")
        self._wake.set()

    async def run(self, connection_string: str) -> None:
        """Write until cancelled."""
        async with BlobServiceClient.from_connection_string(
            connection_string, retry_total=0
        ) as storage:
            while True:
                self._wake.clear()
                for letter in self._letters.due(time.time(), BATCH):
                    await self._write(storage, letter)
                due_at = self._letters.next_due_at()
                wait = None if due_at is None else max(0.0, due_at - time.time())
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._wake.wait()

    async def _write(self, storage: BlobServiceClient, letter: DeadLetter) -> None:
        blob = storage.get_blob_client(letter.container, letter.blob)
        try:
            await blob.upload_blob(render_dead_letter(letter), overwrite=True)
        except AzureError as error:
            self._postpone(letter, error)
        else:
            self._letters.mark_written(letter)

    def _postpone(self, letter: DeadLetter, error: AzureError) -> None:
        where = f"{letter.container}/{letter.blob}"
        now = time.time()
        if now > letter.decided_at + KEEP_TRYING_SECONDS * self._policy.time_scale:
            _log.error("%s: dead letter dropped: %s", where, type(error).__name__)
            self._letters.drop(letter)
        else:
            _log.warning("%s: dead letter not written yet: %s", where, type(error).__name__)
            wait = RETRY_SECONDS * self._policy.time_scale
            self._letters.postpone(letter, now + wait)


def render_dead_letter(letter: DeadLetter) -> bytes:
    """Return the blob: an array with the event and, beside its own fields, what became of it."""
    event: dict[str, Any] = msgspec.json.decode(letter.body)
    spell: Callable[[str], str] = str.lower if "specversion" in event else str
    facts = {
        "deadLetterReason": letter.reason,
        "deliveryAttempts": letter.attempts,
        "lastDeliveryOutcome": letter.outcome,
        "lastHttpStatusCode": letter.status,
        "publishTime": utc_text(letter.accepted_at),
        "lastDeliveryAttemptTime": _optional_time(letter.attempted_at),
    }
    known = {spell(name): fact for name, fact in facts.items() if fact is not None}
    return msgspec.json.encode([{**event, **known}])


def describe_dead_letter(letter: DeadLetter) -> dict[str, Any]:
    """Return a dead letter for a listing, without the event's data."""
    return {
        "id": letter.id,
        "subscription": letter.subscription,
        "eventId": msgspec.json.decode(letter.body)["id"],
        "eventType": letter.event_type,
        "deadLetterReason": letter.reason,
        "deliveryAttempts": letter.attempts,
        "lastDeliveryOutcome": letter.outcome,
        "lastHttpStatusCode": letter.status,
        "publishTime": utc_text(letter.accepted_at),
        "lastDeliveryAttemptTime": _optional_time(letter.attempted_at),
        "blob": f"{letter.container}/{letter.blob}",
        "written": letter.written,
    }


def _blob_name(name: str, subscription: Subscription, now: float) -> str:
    """Return the service's form of a blob name: topic, subscription, hour, a unique name."""
    hour = datetime.fromtimestamp(now, UTC)
    folder = f"{subscription.topic.upper()}/{name.upper()}"
    return f"{folder}/{hour.year}/{hour.month}/{hour.day}/{hour.hour}/{uuid.uuid4()}.json"


def _optional_time(seconds: float | None) -> str | None:
    return None if seconds is None else utc_text(seconds)
