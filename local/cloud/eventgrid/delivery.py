"""Delivery to webhooks: one worker a subscription, so that none waits for another's endpoint."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from typing import TYPE_CHECKING, cast

import aiohttp

from local.cloud.eventgrid.events import CLOUD_EVENT, CLOUD_EVENTS
from local.cloud.eventgrid.retry import Outcome, RetryAt
from local.cloud.eventgrid.store import Attempt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from local.cloud.eventgrid.retry import GiveUp, RetryPolicy
    from local.cloud.eventgrid.store import Delivery, Store
    from local.cloud.eventgrid.subscriptions import Subscription

    GiveUpEvent = Callable[[str, Subscription, Delivery, GiveUp], None]

ANSWER_SECONDS = 30.0
"""Time that a subscriber has to answer; never scaled, for it does real work."""

PARALLEL_REQUESTS = 16
"""Requests to one subscriber at the same time."""

MAX_BATCH_BYTES = 1024 * 1024
EXPIRED_AT_ONCE = 100
DRAIN_SECONDS = 3.0

_log = logging.getLogger(__name__)
_random = random.SystemRandom()


class Dispatcher:
    """Runs a worker for every subscription."""

    def __init__(
        self,
        store: Store,
        session: aiohttp.ClientSession,
        policy: RetryPolicy,
        give_up: GiveUpEvent,
    ) -> None:
        self._store = store
        self._session = session
        self._policy = policy
        self._give_up = give_up
        self._group: asyncio.TaskGroup | None = None
        self._workers: dict[str, tuple[Worker, asyncio.Task[None]]] = {}

    async def run(self) -> None:
        """Deliver until cancelled; then give requests in progress a moment to finish."""
        async with asyncio.TaskGroup() as self._group:
            for name in self._store.subscriptions():
                self.wake(name)
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.gather(*(worker.drain() for worker, _ in self._workers.values()))
                for name in list(self._workers):
                    self.stop(name)

    def wake(self, name: str) -> None:
        """Look for due deliveries of a subscription; its worker is started if there is none."""
        if self._group is None:
            return  # run() is about to look for everything
        if name not in self._workers:
            worker = Worker(
                name=name,
                store=self._store,
                session=self._session,
                policy=self._policy,
                give_up=self._give_up,
            )
            self._workers[name] = worker, self._group.create_task(worker.run())
        self._workers[name][0].wake()

    def stop(self, name: str) -> None:
        """Stop the worker of a subscription at once."""
        if name in self._workers:
            self._workers.pop(name)[1].cancel()


class Worker:
    """Delivers the events of one subscription, at least once and in no particular order."""

    def __init__(
        self,
        name: str,
        store: Store,
        session: aiohttp.ClientSession,
        policy: RetryPolicy,
        give_up: GiveUpEvent,
    ) -> None:
        self._name = name
        self._store = store
        self._session = session
        self._policy = policy
        self._give_up = give_up
        self._wake = asyncio.Event()
        self._requests: set[asyncio.Task[None]] = set()
        self._in_flight: set[int] = set()
        self._draining = False
        self._last_outcome = Outcome.of_status(200)

    def wake(self) -> None:
        """Look for due deliveries soon."""
        self._wake.set()

    async def drain(self) -> None:
        """Start no more requests and wait a moment for those in progress."""
        self._draining = True
        if self._requests:
            await asyncio.wait(self._requests, timeout=DRAIN_SECONDS)

    async def run(self) -> None:
        """Deliver until cancelled."""
        async with asyncio.TaskGroup() as group:
            while True:
                self._wake.clear()
                wait = self._start_requests(group)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._wake.wait()

    def _start_requests(self, group: asyncio.TaskGroup) -> float | None:
        """Start what is due; return the seconds until there is more to do, None if not known."""
        subscription = self._store.subscription(self._name)
        now = time.time()
        if subscription is None or self._draining:
            return None
        self._give_up_expired(subscription, now)
        while len(self._requests) < PARALLEL_REQUESTS:
            batch = self._store.next_batch(
                self._name,
                now,
                without=self._in_flight,
                max_events=subscription.max_events_per_batch,
                max_bytes=MAX_BATCH_BYTES,
            )
            if not batch:
                due_at = self._store.next_due_at(self._name, now)
                return None if due_at is None else max(0.0, due_at - time.time())
            self._in_flight.update(delivery.id for delivery in batch)
            self._requests.add(group.create_task(self._deliver(subscription, batch)))
        return None

    def _give_up_expired(self, subscription: Subscription, now: float) -> None:
        while expired := self._store.expired_deliveries(
            self._name, now, without=self._in_flight, limit=EXPIRED_AT_ONCE
        ):
            for delivery in expired:
                self._give_up(self._name, subscription, delivery, self._policy.expired())

    async def _deliver(self, subscription: Subscription, batch: Sequence[Delivery]) -> None:
        try:
            outcome = await self._post(subscription, batch)
            self._log_change(outcome)
            if outcome.succeeded:
                self._store.mark_delivered(self._name, batch)
            else:
                for delivery in batch:
                    self._settle_failure(subscription, delivery, outcome)
        finally:
            self._in_flight.difference_update(delivery.id for delivery in batch)
            self._requests.discard(cast("asyncio.Task[None]", asyncio.current_task()))
            self.wake()

    def _log_change(self, outcome: Outcome) -> None:
        """Log the first of a row of equal outcomes: a dead endpoint must not fill the log."""
        if outcome != self._last_outcome and not outcome.succeeded:
            _log.warning("%s: events are not taken: %s", self._name, outcome)
        elif outcome.succeeded and not self._last_outcome.succeeded:
            _log.info("%s: events are taken again", self._name)
        self._last_outcome = outcome

    async def _post(self, subscription: Subscription, batch: Sequence[Delivery]) -> Outcome:
        try:
            async with self._session.post(
                subscription.endpoint,
                data=_request_body(subscription, batch),
                headers=_request_headers(self._name, subscription, batch),
                timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
                allow_redirects=False,
            ) as response:
                return Outcome.of_status(response.status)
        except TimeoutError:
            return Outcome("TimedOut")
        except aiohttp.ClientConnectorDNSError:
            return Outcome("ResolutionError")
        except aiohttp.ClientError:
            return Outcome("SocketError")

    def _settle_failure(
        self, subscription: Subscription, delivery: Delivery, outcome: Outcome
    ) -> None:
        now = time.time()
        decision = self._policy.after_failure(
            outcome,
            attempts=delivery.attempts + 1,
            max_attempts=subscription.max_delivery_attempts,
            now=now,
            expires_at=delivery.expires_at,
            chance=_random.random(),
        )
        with self._store.transaction():
            attempt = Attempt(now, outcome.name, outcome.status)
            self._store.mark_failed(self._name, delivery, attempt)
            if isinstance(decision, RetryAt):
                self._store.retry(delivery, decision.time)
            else:
                self._give_up(self._name, subscription, delivery, decision)


def _request_body(subscription: Subscription, batch: Sequence[Delivery]) -> bytes:
    if subscription.schema == "CloudEventSchemaV1_0" and subscription.max_events_per_batch == 1:
        return batch[0].body.encode()
    return f"[{','.join(delivery.body for delivery in batch)}]".encode()


def _request_headers(
    name: str, subscription: Subscription, batch: Sequence[Delivery]
) -> dict[str, str]:
    headers = {
        "aeg-event-type": "Notification",
        "aeg-subscription-name": name.upper(),
        "aeg-delivery-count": str(max(delivery.attempts for delivery in batch)),
        "aeg-metadata-version": "1",
    }
    if subscription.schema == "EventGridSchema":
        media_type = "application/json"
        headers["aeg-data-version"] = batch[0].data_version
    else:
        media_type = CLOUD_EVENT if subscription.max_events_per_batch == 1 else CLOUD_EVENTS
    headers["Content-Type"] = f"{media_type}; charset=utf-8"
    return headers
