"""The management side over HTTP: subscriptions, dead letters and faults, behind the admin key."""

from __future__ import annotations

import hmac
import time
from typing import TYPE_CHECKING, Any

import msgspec
from aiohttp import web

from local.cloud.eventgrid.dead_letter import describe_dead_letter
from local.cloud.eventgrid.handshake import HandshakeError, validate_endpoint
from local.cloud.eventgrid.subscriptions import InvalidSubscriptionError, parse_subscription

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    import aiohttp

    from local.cloud.eventgrid.dead_letter_table import DeadLetterTable
    from local.cloud.eventgrid.delivery import Dispatcher
    from local.cloud.eventgrid.publish import Publisher
    from local.cloud.eventgrid.retry import RetryPolicy
    from local.cloud.eventgrid.store import Store
    from local.cloud.eventgrid.subscriptions import Subscription

KEY_HEADER = "aeg-admin-key"
PAGE = 100


class FaultsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `PUT /admin/faults` asks for; a fault that is not named is off."""

    duplicate: bool = False
    shuffle: bool = False


class ReplayRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Whose dead letters to deliver anew; those of all subscriptions if None."""

    subscription: str | None = None


class Admin:
    """Request handlers of the management side."""

    def __init__(
        self,
        *,
        store: Store,
        letters: DeadLetterTable,
        policy: RetryPolicy,
        publisher: Publisher,
        dispatcher: Dispatcher,
        session: aiohttp.ClientSession,
        can_dead_letter: bool,
    ) -> None:
        self._store = store
        self._letters = letters
        self._policy = policy
        self._publisher = publisher
        self._dispatcher = dispatcher
        self._session = session
        self._can_dead_letter = can_dead_letter

    def application(self, key: str) -> web.Application:
        """Return the web application, to be mounted at `/admin`."""
        app = web.Application(middlewares=[_require_key(key)])
        app.router.add_get("/subscriptions", self._list)
        app.router.add_put("/subscriptions/{name}", self._put)
        app.router.add_delete("/subscriptions/{name}", self._delete)
        app.router.add_put("/faults", self._put_faults)
        app.router.add_get("/events", self._list_events)
        app.router.add_get("/dead-letters", self._list_dead_letters)
        app.router.add_post("/dead-letters/replay", self._replay)
        return app

    def _view(self, name: str, subscription: Subscription) -> dict[str, Any]:
        counters = self._store.counters(name)
        return {
            "name": name,
            **subscription.public(),
            "delivered": counters.delivered,
            "failed": counters.failed,
            "pending": counters.pending,
            "deadLettered": counters.dead_lettered,
            "dropped": counters.dropped,
        }

    async def _list(self, _request: web.Request) -> web.Response:
        subscriptions = self._store.subscriptions().items()
        return web.json_response({"value": [self._view(*each) for each in subscriptions]})

    async def _put(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        try:
            subscription = parse_subscription(name, await request.read())
            self._check_dead_letter_container(subscription)
            await validate_endpoint(self._session, name, subscription)
        except InvalidSubscriptionError as error:
            return _problem("InvalidRequest", str(error))
        except HandshakeError as error:
            reason = f"The endpoint of subscription {name} {error}."
            return _problem("EndpointValidationFailed", reason)
        is_new = self._store.put_subscription(name, subscription)
        self._dispatcher.wake(name)
        return web.json_response(self._view(name, subscription), status=201 if is_new else 200)

    def _check_dead_letter_container(self, subscription: Subscription) -> None:
        if subscription.dead_letter_container is not None and not self._can_dead_letter:
            raise InvalidSubscriptionError("deadLetterContainer: there is no storage for it")

    async def _delete(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self._dispatcher.stop(name)
        return web.Response(status=200 if self._store.delete_subscription(name) else 204)

    async def _put_faults(self, request: web.Request) -> web.Response:
        try:
            wanted = msgspec.json.decode(await request.read(), type=FaultsRequest)
        except ValueError as error:
            return _problem("InvalidRequest", str(error))
        faults = self._publisher.faults
        faults.duplicate, faults.shuffle = wanted.duplicate, wanted.shuffle
        return web.json_response(msgspec.to_builtins(wanted))

    async def _list_events(self, request: web.Request) -> web.Response:
        """List what customers were told; `next` is where to go on, now or later."""
        after = request.query.get("after", "0")
        if not after.isdecimal():
            return _problem("InvalidRequest", "after: a number")
        events = self._store.kept_events(int(after), PAGE)
        following = events[-1][0] if events else int(after)
        value = [msgspec.json.decode(body) for _, body in events]
        return web.json_response({"value": value, "next": following})

    async def _list_dead_letters(self, request: web.Request) -> web.Response:
        after = request.query.get("after", "0")
        if not after.isdecimal():
            return _problem("InvalidRequest", "after: a number")
        letters = self._letters.page(request.query.get("subscription"), int(after), PAGE)
        answer: dict[str, Any] = {"value": [describe_dead_letter(letter) for letter in letters]}
        if len(letters) == PAGE:
            answer["next"] = letters[-1].id
        return web.json_response(answer)

    async def _replay(self, request: web.Request) -> web.Response:
        try:
            wanted = msgspec.json.decode(await request.read() or b"{}", type=ReplayRequest)
        except ValueError as error:
            return _problem("InvalidRequest", str(error))
        now = time.time()
        replayed = 0
        for name, subscription in self._store.subscriptions().items():
            if wanted.subscription in (None, name):
                expires_at = self._policy.expires_at(subscription, now)
                replayed += self._letters.replay(name, now=now, expires_at=expires_at)
                self._dispatcher.wake(name)
        return web.json_response({"replayed": replayed})


def _require_key(key: str) -> Callable[..., Awaitable[web.StreamResponse]]:
    expected = key.encode()

    @web.middleware
    async def check(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        given = request.headers.get(KEY_HEADER, "").encode(errors="surrogateescape")
        if not hmac.compare_digest(given, expected):
            return _problem("Unauthorized", f"{KEY_HEADER} is missing or wrong.", status=401)
        return await handler(request)

    return check


def _problem(code: str, message: str, *, status: int = 400) -> web.Response:
    return web.json_response({"error": {"code": code, "message": message}}, status=status)
