from __future__ import annotations

from typing import TYPE_CHECKING, Any

import aiohttp
import jwt
import pytest

from local.cloud.identity.tokens import LOCAL_TENANT, issuer_of, mint
from tests.certificates import Certificates, make_certificates
from tests.processes import Server, start_server

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ADMIN_KEY = "admin-key-of-the-issuer"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("identity") / "keys"


@pytest.fixture(scope="module")
async def issuer(certificates: Certificates, state: Path) -> AsyncIterator[Server]:
    arguments = ("--state", state, *certificates.serving_arguments)
    async with start_server(
        "local.cloud.identity", *arguments, env={"IDENTITY_ADMIN_KEY": ADMIN_KEY}
    ) as server:
        yield server


@pytest.fixture(scope="module")
async def session(certificates: Certificates) -> AsyncIterator[aiohttp.ClientSession]:
    connector = aiohttp.TCPConnector(ssl=certificates.client_context())
    async with aiohttp.ClientSession(connector=connector) as session:
        yield session


async def _get(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with session.get(url) as response:
        assert response.status == 200
        document: dict[str, Any] = await response.json()
        return document


async def _roll(session: aiohttp.ClientSession, issuer: Server, key: str) -> int:
    headers = {"identity-admin-key": key}
    async with session.post(f"{issuer.url}/admin/roll", headers=headers) as response:
        return response.status


def _verified(token: str, keys: dict[str, Any], issuer_name: str) -> dict[str, Any]:
    key = jwt.PyJWKSet.from_dict(keys)[jwt.get_unverified_header(token)["kid"]]
    claims: dict[str, Any] = jwt.decode(
        token, key, ["RS256"], audience="api://odu", issuer=issuer_name
    )
    return claims


async def test_published_keys_verify_minted_tokens_over_a_roll(
    issuer: Server, session: aiohttp.ClientSession, state: Path
) -> None:
    configuration = await _get(
        session, f"{issuer.url}/{LOCAL_TENANT}/v2.0/.well-known/openid-configuration"
    )
    issuer_name = configuration["issuer"]
    assert issuer_name == issuer_of(issuer.url)

    def token() -> str:
        return mint(
            state,
            issuer=issuer_name,
            audience="api://odu",
            tenant=LOCAL_TENANT,
            roles=["Updates.Reader"],
            subject="ada",
        )

    before = token()
    assert await _roll(session, issuer, ADMIN_KEY) == 200
    after = token()
    keys = await _get(session, configuration["jwks_uri"])

    assert jwt.get_unverified_header(before)["kid"] != jwt.get_unverified_header(after)["kid"]
    for each in (before, after):
        assert _verified(each, keys, issuer_name)["roles"] == ["Updates.Reader"]


async def test_discovery_names_one_issuer_when_called_by_address(
    issuer: Server, session: aiohttp.ClientSession
) -> None:
    path = f"{LOCAL_TENANT}/v2.0/.well-known/openid-configuration"

    by_address = await _get(session, f"https://127.0.0.1:{issuer.port}/{path}")

    assert by_address["issuer"] == issuer_of(issuer.url)


async def test_published_keys_hold_no_private_part(
    issuer: Server, session: aiohttp.ClientSession
) -> None:
    published = await _get(session, f"{issuer.url}/{LOCAL_TENANT}/discovery/v2.0/keys")

    for key in published["keys"]:
        assert set(key) == {"kty", "use", "alg", "kid", "n", "e", "issuer"}


async def test_unknown_tenant_is_refused(issuer: Server, session: aiohttp.ClientSession) -> None:
    async with session.get(f"{issuer.url}/common/discovery/v2.0/keys") as response:
        assert response.status == 400
        assert (await response.json())["error"] == "invalid_tenant"


@pytest.mark.parametrize("key", ["", "wrong", "é"])
async def test_roll_is_refused_without_the_admin_key(
    issuer: Server, session: aiohttp.ClientSession, key: str
) -> None:
    assert await _roll(session, issuer, key) == 401


async def test_issuer_keeps_its_keys_over_a_restart(
    certificates: Certificates, session: aiohttp.ClientSession, tmp_path: Path
) -> None:
    published = []
    for _ in range(2):
        async with start_server(
            "local.cloud.identity",
            "--state",
            tmp_path,
            *certificates.serving_arguments,
            env={"IDENTITY_ADMIN_KEY": ADMIN_KEY},
        ) as server:
            keys = await _get(session, f"{server.url}/{LOCAL_TENANT}/discovery/v2.0/keys")
            published.append([key["kid"] for key in keys["keys"]])

    assert published[0] == published[1] != []
