"""A subscriber inside the test: answers as told and remembers what it got."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable

KEY = "k3y-0f-the-webhook"


@dataclass(frozen=True, slots=True)
class Received:
    """One request."""

    method: str
    headers: dict[str, str]
    document: Any

    @property
    def is_validation(self) -> bool:
        return self.headers.get("aeg-event-type") == "SubscriptionValidation"


@dataclass(slots=True)
class Webhook:
    """`answers` are the statuses of the next notifications, then all get 200."""

    endpoint: str = ""
    answers: list[int] = field(default_factory=list)
    agrees: bool = True
    requests: list[Received] = field(default_factory=list)
    held: asyncio.Event | None = None
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    @property
    def notifications(self) -> list[Received]:
        return [r for r in self.requests if r.method == "POST" and not r.is_validation]

    @property
    def events(self) -> list[dict[str, Any]]:
        """All events of all notifications, whatever was answered."""
        return [
            event
            for request in self.notifications
            for event in (
                request.document if isinstance(request.document, list) else [request.document]
            )
        ]

    async def wait_until(self, condition: Callable[[], bool], seconds: float = 10) -> None:
        """Wait for requests that make a condition true."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(condition)

    async def wait_for_notifications(self, number: int) -> None:
        await self.wait_until(lambda: len(self.notifications) >= number)

    async def handle(self, request: web.Request) -> web.Response:
        if request.query.get("code") != KEY:
            return web.Response(status=401)
        headers = {name.lower(): value for name, value in request.headers.items()}
        document = await request.json() if request.body_exists else None
        received = Received(request.method, headers, document)
        self.requests.append(received)
        async with self._changed:
            self._changed.notify_all()
        if request.method == "OPTIONS":
            origin = headers["webhook-request-origin"] if self.agrees else "other.example"
            return web.Response(headers={"WebHook-Allowed-Origin": origin})
        if received.is_validation:
            code = document[0]["data"]["validationCode"] if self.agrees else "wrong"
            return web.json_response({"validationResponse": code})
        if self.held is not None:
            await self.held.wait()
        return web.Response(status=self.answers.pop(0) if self.answers else 200)


@asynccontextmanager
async def start_webhook(context: ssl.SSLContext) -> AsyncIterator[Webhook]:
    """Serve a webhook within the block."""
    webhook = Webhook()
    app = web.Application()
    app.router.add_route("*", "/hook", webhook.handle)
    runner = web.AppRunner(app, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    webhook.endpoint = f"https://localhost:{runner.addresses[0][1]}/hook?code={KEY}"
    try:
        yield webhook
    finally:
        await runner.cleanup()
