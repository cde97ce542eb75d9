"""Tokens that do not hold: 401 for each."""

from __future__ import annotations

import base64
import hmac
import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import serialization

from local.cloud.identity.keys import roll, signing_keys
from local.cloud.identity.tokens import LOCAL_TENANT, mint
from tests.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.conftest import Api


# Tokens.


def b64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def forged(stack: Any, algorithm: str, sign: Callable[[bytes], bytes]) -> str:
    """A token with the right claims and key id, but another signature."""
    header, claims, _ = stack.token().split(".")
    fields = json.loads(base64.urlsafe_b64decode(header + "=="))
    first = b64url(json.dumps({**fields, "alg": algorithm}).encode())
    return f"{first}.{claims}.{b64url(sign(f'{first}.{claims}'.encode()))}"


def minted(stack: Any, folder: Path | None = None, **changes: Any) -> str:
    given = {
        "issuer": stack.token_issuer,
        "audience": stack.token_audience,
        "tenant": stack.token_tenant,
        "roles": ["DeviceUpdateAdministrator"],
        "subject": "somebody",
        **changes,
    }
    return mint(folder or Path(stack.state) / "identity", **given)


BAD_TOKENS: dict[str, Callable[[Any, Path], str | None]] = {
    "none at all": lambda stack, folder: None,
    "no token": lambda stack, folder: "abc",
    "expired": lambda stack, folder: minted(stack, now=time.time() - 7200),
    "not yet valid": lambda stack, folder: minted(stack, now=time.time() + 7200),
    "other audience": lambda stack, folder: minted(stack, audience="https://graph.example/"),
    "other tenant": lambda stack, folder: minted(stack, tenant=LOCAL_TENANT[::-1]),
    "other issuer": lambda stack, folder: minted(stack, issuer="https://localhost/other/v2.0"),
    "other key": minted,
    "alg none": lambda stack, folder: forged(stack, "none", lambda data: b""),
    "alg none, signed": lambda stack, folder: forged(stack, "none", lambda data: b"x" * 256),
    "HS256 with the public key": lambda stack, folder: forged(
        stack, "HS256", lambda data: hmac.digest(public_pem(stack), data, "sha256")
    ),
    "RS256 with nonsense": lambda stack, folder: forged(stack, "RS256", lambda data: b"x" * 256),
}


def public_pem(stack: Any) -> bytes:
    key = signing_keys(Path(stack.state) / "identity")[0].private_key.public_key()
    return key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@pytest.mark.parametrize("kind", BAD_TOKENS)
async def test_request_is_answered_401_when_the_token_does_not_hold(
    api: Api, tmp_path: Path, kind: str
) -> None:
    answer = await api.send("GET", "updates", token=BAD_TOKENS[kind](api.stack, tmp_path))

    assert answer.status == 401
    assert answer.error["code"] == "Unauthorized"
    assert answer.error["target"] == "Authorization"
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert "Retry-After" not in answer.headers


async def test_token_of_a_new_key_holds_and_that_of_the_one_before_too(api: Api) -> None:
    before = api.stack.token()
    roll(Path(api.stack.state) / "identity")
    after = api.stack.token()

    async def holds() -> None:
        for token in (before, after):
            assert (await api.send("GET", "updates", token=token)).status == 200

    await eventually(holds)
