"""A stand-in for the service that answers what a test tells it to, over TLS."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType

INSTANCE = "blue"
PREFIX = f"/deviceUpdate/{INSTANCE}/"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request is answered with; bytes are sent as they are."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Received:
    """A request that came; `path` is below the instance, the query without api-version."""

    method: str
    path: str
    query: Mapping[str, str]
    body: Any
    token: str


def an_error(code: str, message: str, **more: Any) -> dict[str, Any]:
    """The body of an answer that is an error."""
    return {"error": {"code": code, "message": message, **more}}


class Service:
    """Answers in order what was queued for a request, the last answer again and again."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.endpoint = ""
        self.requests: list[Received] = []
        self.asked = asyncio.Event()
        self._context = context
        self._answers: dict[tuple[str, str], deque[Answer]] = {}
        self._hooks: dict[tuple[str, str], Callable[[], Awaitable[None]]] = {}
        self._folders: dict[tuple[str, str], tuple[Answer, Callable[[], Awaitable[None]]]] = {}
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.serve)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._context).start()
        self.endpoint = f"https://localhost:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def on(self, method: str, path: str, *answers: Answer) -> None:
        """Queue answers."""
        self._answers.setdefault((method, path), deque()).extend(answers)

    def on_any(
        self, method: str, folder: str, answer: Answer, hook: Callable[[], Awaitable[None]]
    ) -> None:
        """Answer every request below a folder, doing something before."""
        self._folders[method, f"{folder}/"] = (answer, hook)

    def before(self, method: str, path: str, hook: Callable[[], Awaitable[None]]) -> None:
        """Do something before a request is answered."""
        self._hooks[method, path] = hook

    def asked_for(self, method: str, path: str) -> list[Received]:
        return [one for one in self.requests if (one.method, one.path) == (method, path)]

    async def serve(self, request: web.Request) -> web.Response:
        path = request.path.removeprefix(PREFIX)
        query = {name: value for name, value in request.query.items() if name != "api-version"}
        text = await request.text()
        body = json.loads(text) if text else None
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.requests.append(Received(request.method, path, query, body, token))
        self.asked.set()
        hook = self._hooks.get((request.method, path))
        for (method, folder), (answer, of_folder) in self._folders.items():
            if method == request.method and path.startswith(folder):
                hook = of_folder
                self.on(method, path, answer)
        if hook is not None:
            await hook()
        queue = self._answers.get((request.method, path))
        if not queue:
            return web.json_response(an_error("Untold", f"{request.method} {path}"), status=500)
        answer = queue[0] if len(queue) == 1 else queue.popleft()
        if isinstance(answer.body, bytes):
            return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
        content = b"" if answer.body is None else json.dumps(answer.body).encode()
        return web.Response(
            status=answer.status,
            body=content,
            headers=answer.headers,
            content_type="application/json",
        )
