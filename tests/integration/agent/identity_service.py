"""A stand-in for the IoT Identity Service: its identity and key services on unix sockets."""

from __future__ import annotations

import base64
import hashlib
import hmac
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

HANDLE = "handle-of-the-key"


@dataclass(slots=True)
class IdentityService:
    """What it gives its caller, and who asked."""

    identity_socket: Path
    key_socket: Path
    spec: dict[str, Any]
    key: bytes
    status: int = 200
    requests: list[str] = field(default_factory=list)

    async def identity(self, request: web.Request) -> web.Response:
        self.requests.append(request.path_qs)
        if self.status != 200:
            return web.json_response({"message": "forbidden"}, status=self.status)
        return web.json_response({"type": "aziot", "spec": self.spec})

    async def sign(self, request: web.Request) -> web.Response:
        body = await request.json()
        assert body["algorithm"] == "HMAC-SHA256"
        assert body["keyHandle"] == HANDLE
        message = base64.b64decode(body["parameters"]["message"])
        signature = hmac.digest(self.key, message, hashlib.sha256)
        return web.json_response({"signature": base64.b64encode(signature).decode()})


@asynccontextmanager
async def identity_service(
    folder: Path, spec: dict[str, Any], key: bytes
) -> AsyncIterator[IdentityService]:
    service = IdentityService(folder / "identityd.sock", folder / "keyd.sock", spec, key)
    runners = []
    for path, method, route, handler in (
        (service.identity_socket, "GET", "/identities/identity", service.identity),
        (service.key_socket, "POST", "/sign", service.sign),
    ):
        app = web.Application()
        app.router.add_route(method, route, handler)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.UnixSite(runner, str(path)).start()
        runners.append(runner)
    try:
        yield service
    finally:
        for runner in runners:
            await runner.cleanup()
