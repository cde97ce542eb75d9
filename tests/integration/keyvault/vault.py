"""A loopback server that speaks as much of Key Vault's REST API as the SDK's key clients use."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from aiohttp import web
from azure.core.credentials import AccessToken
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

if TYPE_CHECKING:
    import ssl

TOKEN = "canary-token"
SCOPE = "https://vault.azure.net/.default"
_CHALLENGE = (
    'Bearer authorization="https://login.windows.net/tenant-1", resource="https://vault.azure.net"'
)


@dataclass(frozen=True, slots=True)
class Fault:
    """An error answer to the next signing."""

    status: int
    code: str
    inner: str | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Vault:
    """Keys by name and version; every version is made in it and never leaves it."""

    url: str = ""
    keys: dict[tuple[str, str], rsa.RSAPrivateKey] = field(default_factory=dict)
    may_read_keys: bool = True
    faults: list[Fault] = field(default_factory=list)
    bodies: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Path and body of every authorized request that had a body."""
    challenges: int = 0

    def make(self, name: str, bits: int = 2048) -> str:
        version = f"{len(self.keys) + 1:032x}"
        self.keys[name, version] = rsa.generate_private_key(65537, bits)
        return version

    async def answer(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            assert not await request.read(), "nothing may be told before the token is shown"
            self.challenges += 1
            return web.Response(status=401, headers={"WWW-Authenticate": _CHALLENGE})
        assert request.query["api-version"]
        body = await request.json() if request.can_read_body else {}
        if body:
            self.bodies.append((request.path, body))
        return self._operation(request.method, request.path.strip("/").split("/"), body)

    def _operation(self, method: str, path: list[str], body: dict[str, Any]) -> web.Response:
        match method, path:
            case "POST", ["keys", name, "create"]:
                return self._key(name, self.make(name, body["key_size"]))
            case "GET", ["keys", name, version] if (name, version) in self.keys:
                if not self.may_read_keys:
                    return _error(Fault(403, "Forbidden", "ForbiddenByRbac"))
                return self._key(name, version)
            case "POST", ["keys", name, version, "sign"] if (name, version) in self.keys:
                if self.faults:
                    return _error(self.faults.pop(0))
                return self._sign(name, version, body)
        return _error(Fault(404, "KeyNotFound"))

    def _key(self, name: str, version: str) -> web.Response:
        numbers = self.keys[name, version].public_key().public_numbers()
        key = {
            "kid": f"{self.url}/keys/{name}/{version}",
            "kty": "RSA",
            "key_ops": ["sign", "verify"],
            "n": _encoded(numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")),
            "e": _encoded(b"\1\0\1"),
        }
        return web.json_response({"key": key, "attributes": {"enabled": True}})

    def _sign(self, name: str, version: str, body: dict[str, Any]) -> web.Response:
        assert body["alg"] == "RS256"
        digest = base64.urlsafe_b64decode(body["value"] + "==")
        signature = self.keys[name, version].sign(digest, padding.PKCS1v15(), Prehashed(SHA256()))
        kid = f"{self.url}/keys/{name}/{version}"
        return web.json_response({"kid": kid, "value": _encoded(signature)})


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _error(fault: Fault) -> web.Response:
    error: dict[str, Any] = {"code": fault.code, "message": f"refused: {fault.code}"}
    if fault.inner:
        error["innererror"] = {"code": fault.inner}
    return web.Response(
        status=fault.status,
        text=json.dumps({"error": error}),
        content_type="application/json",
        headers=fault.headers,
    )


@asynccontextmanager
async def serving(context: ssl.SSLContext) -> AsyncIterator[Vault]:
    vault = Vault()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", vault.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    vault.url = f"https://localhost:{runner.addresses[0][1]}"
    try:
        yield vault
    finally:
        await runner.cleanup()


class Identity:
    """An identity as the asynchronous clients take it; remembers what it was asked for."""

    def __init__(self) -> None:
        self.scopes: list[str] = []

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        self.scopes += scopes
        return AccessToken(TOKEN, 4102444800)

    async def close(self) -> None:
        pass

    async def __aenter__(self) -> Identity:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


class BlockingIdentity:
    """The same for the synchronous clients."""

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        return AccessToken(TOKEN, 4102444800)
