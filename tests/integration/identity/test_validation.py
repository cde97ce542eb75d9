"""The service's own checks of tokens, against keys that are served over HTTP and roll over."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from local.cloud.identity.keys import KEPT_KEYS, roll, signing_keys
from local.cloud.identity.tokens import LOCAL_TENANT, mint
from shared.adapters import tokens
from shared.adapters.tokens import TokenValidator
from shared.domain.errors import DependencyFailed, Unauthorized
from shared.settings import TokenSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ISSUER = "https://issuer.example"
AUDIENCE = "https://api.adu.microsoft.com/"


@dataclass(slots=True)
class KeyServer:
    """Serves the public keys of a folder and counts how often they are fetched."""

    folder: Path
    fetches: int = 0
    is_broken: bool = False
    runner: Any = field(default=None)

    async def serve(self, _: web.Request) -> web.Response:
        self.fetches += 1
        if self.is_broken:
            return web.Response(status=500)
        await asyncio.sleep(0)
        return web.json_response({"keys": [key.public_jwk() for key in signing_keys(self.folder)]})

    def validator(self) -> TokenValidator:
        port = self.runner.addresses[0][1]
        settings = TokenSettings(ISSUER, AUDIENCE, LOCAL_TENANT, f"http://127.0.0.1:{port}/keys")
        return TokenValidator(settings)

    def token(self, **changes: Any) -> str:
        given = {
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "tenant": LOCAL_TENANT,
            "roles": ["DeviceUpdateReader"],
            "subject": "ada",
        }
        return "Bearer " + mint(self.folder, **{**given, **changes})


@pytest.fixture
async def keys(tmp_path: Path) -> AsyncIterator[KeyServer]:
    server = KeyServer(tmp_path)
    roll(tmp_path)
    app = web.Application()
    app.router.add_get("/keys", server.serve)
    server.runner = web.AppRunner(app, access_log=None)
    await server.runner.setup()
    await web.TCPSite(server.runner, "127.0.0.1", 0).start()
    yield server
    await server.runner.cleanup()


async def test_keys_are_fetched_once_for_many_tokens(keys: KeyServer) -> None:
    validator = keys.validator()

    found = await asyncio.gather(*(validator.validate(keys.token()) for _ in range(20)))

    assert {one.roles for one in found} == {("DeviceUpdateReader",)}
    assert keys.fetches == 1


async def test_new_key_is_taken_and_a_rolled_over_one_refused(
    keys: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "_SECONDS_BETWEEN_FETCHES", 0.0)
    validator, old = keys.validator(), keys.token()
    await validator.validate(old)

    roll(keys.folder)
    await validator.validate(keys.token())
    await validator.validate(old)
    assert keys.fetches == 2

    for _ in range(KEPT_KEYS):
        roll(keys.folder)
    await validator.validate(keys.token())
    with pytest.raises(Unauthorized, match="unknown key"):
        await validator.validate(old)


async def test_unknown_keys_do_not_have_the_issuer_asked_each_time(
    keys: KeyServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    validator = keys.validator()
    stranger = KeyServer(tmp_path_factory.mktemp("stranger"))
    roll(stranger.folder)

    for _ in range(5):
        with pytest.raises(Unauthorized):
            await validator.validate(stranger.token())

    assert keys.fetches == 1


async def test_issuer_out_of_reach_is_no_fault_of_the_caller(keys: KeyServer) -> None:
    keys.is_broken = True
    validator = keys.validator()

    with pytest.raises(DependencyFailed) as failed:
        await validator.validate(keys.token())

    assert failed.value.retryable
    keys.is_broken = False
    await validator.validate(keys.token())


async def test_token_that_holds_is_believed_until_it_expires_and_no_longer_than_a_minute(
    keys: KeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    validator, short, long = keys.validator(), keys.token(lifetime_seconds=-50), keys.token()
    checks = []
    check = validator._claims

    async def counted(authorization: str | None) -> Any:
        checks.append(authorization)
        return await check(authorization)

    monkeypatch.setattr(validator, "_claims", counted)
    now = time.time()
    for later in (0, 1, 59, 61):
        monkeypatch.setattr(tokens.time, "time", lambda later=later: now + later)
        assert (await validator.validate(long)).roles == ("DeviceUpdateReader",)
        await validator.validate(short)

    assert checks == [long, short, short, long, short]


async def test_refusals_are_not_remembered_as_trust(keys: KeyServer) -> None:
    validator = keys.validator()
    good = keys.token()
    await validator.validate(good)

    for bad in (None, "", good + "x", good.removeprefix("Bearer "), "Basic " + good[7:]):
        for _ in range(2):
            with pytest.raises(Unauthorized):
                await validator.validate(bad)
