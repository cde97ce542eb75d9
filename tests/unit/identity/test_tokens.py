from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import jwt
import pytest

from local.cloud.identity.keys import KEPT_KEYS, IdentityError, roll, signing_keys
from local.cloud.identity.tokens import LOCAL_TENANT, issuer_of, mint

if TYPE_CHECKING:
    from pathlib import Path

ISSUER = issuer_of("https://localhost:1")


def _mint(state: Path, **more: object) -> str:
    return mint(  # type: ignore[arg-type]
        state,
        **{
            "issuer": ISSUER,
            "audience": "api://odu",
            "tenant": LOCAL_TENANT,
            "roles": ["Content.Reader"],
            "subject": "ada",
            **more,
        },
    )


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("identity")


def test_mint_puts_the_claims_of_an_application_token(state: Path) -> None:
    token = _mint(state, now=1_000_000.9, lifetime_seconds=60)

    claims = jwt.decode(token, options={"verify_signature": False})
    oid = claims.pop("oid")
    assert claims == {
        "iss": f"https://localhost:1/{LOCAL_TENANT}/v2.0",
        "aud": "api://odu",
        "tid": LOCAL_TENANT,
        "sub": "ada",
        "name": "ada",
        "roles": ["Content.Reader"],
        "iat": 1_000_000,
        "nbf": 1_000_000,
        "exp": 1_000_060,
        "ver": "2.0",
    }
    assert len(oid) == 36
    assert jwt.get_unverified_header(token)["alg"] == "RS256"


def test_mint_gives_one_object_id_to_a_subject_and_another_to_the_next(state: Path) -> None:
    def oid(subject: str) -> str:
        token = _mint(state, subject=subject)
        claimed: str = jwt.decode(token, options={"verify_signature": False})["oid"]
        return claimed

    assert oid("ada") == oid("ada") != oid("bob")


def test_mint_signs_with_the_newest_key_unless_told_otherwise(tmp_path: Path) -> None:
    [first] = signing_keys(tmp_path)
    second = roll(tmp_path)

    assert jwt.get_unverified_header(_mint(tmp_path))["kid"] == second.kid
    old = _mint(tmp_path, kid=first.kid)
    assert jwt.get_unverified_header(old)["kid"] == first.kid
    jwt.decode(old, first.private_key.public_key(), ["RS256"], audience="api://odu")
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(old, second.private_key.public_key(), ["RS256"], audience="api://odu")


def test_mint_refuses_a_key_that_does_not_exist(state: Path) -> None:
    with pytest.raises(IdentityError, match="nothing"):
        _mint(state, kid="nothing")


def test_roll_forgets_the_oldest_keys(tmp_path: Path) -> None:
    rolled = [roll(tmp_path).kid for _ in range(KEPT_KEYS + 1)]

    assert [key.kid for key in signing_keys(tmp_path)] == rolled[:0:-1]


def test_signing_keys_are_readable_by_the_owner_alone(tmp_path: Path) -> None:
    signing_keys(tmp_path)

    [path] = tmp_path.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_signing_keys_agree_when_two_create_the_first_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        one, other = pool.map(signing_keys, [tmp_path, tmp_path])

    assert [key.kid for key in one] == [key.kid for key in other]


def test_signing_keys_name_the_damaged_file(tmp_path: Path) -> None:
    (tmp_path / "7.pem").write_text("nonsense")

    with pytest.raises(IdentityError, match=r"7\.pem"):
        signing_keys(tmp_path)
