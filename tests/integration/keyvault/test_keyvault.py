"""Signing with the unmodified `azure-keyvault-keys` client against a server of Key Vault's API."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

import pytest
from joserfc import jws
from joserfc.jwk import RSAKey
from joserfc.registry import HeaderParameter

from odu_cli.keys import KeysError
from odu_cli.keys.changes import first, rotated
from odu_cli.keys.service import encoded
from odu_cli.keys.signing_keys import KeyVault
from shared.adapters.clock import SystemClock
from shared.adapters.vault import KeyVaultSigner
from shared.domain.errors import DependencyFailed
from shared.domain.updates.keyring import KEYRING, Keyring
from shared.services.updates.signing import Signing
from tests.certificates import Certificates, make_certificates
from tests.fakes.storage import MemoryBlobs
from tests.fakes.updates import MemoryAcceptedPackages, MemoryUpdates
from tests.integration.keyvault.vault import (
    SCOPE,
    TOKEN,
    BlockingIdentity,
    Fault,
    Identity,
    Vault,
    serving,
)
from tests.signing import OPERATOR, roots, verify

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MANIFEST = '{"manifestVersion":"5","name":"Überraschung"}'
DIGEST = hashlib.sha256(b"data").digest()


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("vault"))


@pytest.fixture
async def vault(certificates: Certificates) -> AsyncIterator[Vault]:
    async with serving(certificates.server_context()) as started:
        yield started


@pytest.fixture
def options(certificates: Certificates) -> dict[str, Any]:
    """What a server on loopback needs: no vault's domain, an authority of its own, no waiting."""
    return {
        "connection_verify": str(certificates.authority),
        "verify_challenge_resource": False,
        "retry_total": 1,
        "retry_backoff_factor": 0,
    }


@pytest.fixture
def identity() -> Identity:
    return Identity()


@pytest.fixture
async def signer(
    vault: Vault, identity: Identity, options: dict[str, Any]
) -> AsyncIterator[KeyVaultSigner]:
    made = KeyVaultSigner(vault.url + "/", lambda: identity, **options)
    yield made
    await made.close()


async def made_key(vault: Vault, options: dict[str, Any], kid: str) -> Any:
    store = KeyVault(vault.url, BlockingIdentity, "update-signing", options)
    return await asyncio.to_thread(store.create, kid)


def a_signing(signer: KeyVaultSigner, keyring: Keyring) -> Signing:
    blobs = MemoryBlobs()
    blobs.put("manifests", KEYRING, encoded(keyring))
    return Signing(
        updates=MemoryUpdates(),
        blobs=blobs,
        signer=signer,
        clock=SystemClock(),
        accepted=MemoryAcceptedPackages(),
    )


async def test_manifest_is_signed_by_a_key_made_in_the_vault(
    vault: Vault, signer: KeyVaultSigner, identity: Identity, options: dict[str, Any]
) -> None:
    key = await made_key(vault, options, "SIGN.1")
    keyring = first(roots(), key, OPERATOR)

    signature, record = await a_signing(signer, keyring).sign(MANIFEST, "op")

    verify(MANIFEST, signature, keyring)
    assert record.key == key.name
    assert record.key.startswith("update-signing/")
    assert set(identity.scopes) == {SCOPE}


async def test_manifest_signed_in_the_vault_is_accepted_by_joserfc(
    vault: Vault, signer: KeyVaultSigner, options: dict[str, Any]
) -> None:
    key = await made_key(vault, options, "SIGN.1")
    signature, _ = await a_signing(signer, first(roots(), key, OPERATOR)).sign(MANIFEST, "op")
    registry = jws.JWSRegistry(
        header_registry={"sjwk": HeaderParameter("Signed JSON Web Key", "str")},
        algorithms=["RS256"],
    )
    registry.max_header_length = 8192
    numbers = key.public_key.public_numbers()
    modulus = numbers.n.to_bytes((numbers.n.bit_length() + 7) // 8, "big")
    jwk: dict[str, str | list[str]] = {
        "kty": "RSA",
        "n": base64.urlsafe_b64encode(modulus).rstrip(b"=").decode(),
        "e": "AQAB",
    }

    verified = jws.deserialize_compact(signature, RSAKey.import_key(jwk), registry=registry)

    digest = base64.b64encode(hashlib.sha256(MANIFEST.encode()).digest()).decode()
    assert json.loads(verified.payload) == {"sha256": digest}


async def test_only_the_digest_and_the_algorithm_leave_for_the_vault(
    vault: Vault, signer: KeyVaultSigner
) -> None:
    version = vault.make("k")

    await signer.sign(f"k/{version}", DIGEST)

    ((path, body),) = vault.bodies
    assert path == f"/keys/k/{version}/sign"
    assert body == {"alg": "RS256", "value": base64.urlsafe_b64encode(DIGEST).decode().rstrip("=")}
    assert vault.challenges == 1


async def test_key_is_used_without_the_right_to_read_it(
    vault: Vault, signer: KeyVaultSigner
) -> None:
    version = vault.make("k")
    vault.may_read_keys = False

    assert await signer.sign(f"k/{version}", DIGEST)


async def test_each_edition_is_signed_with_its_own_version_of_the_key(
    vault: Vault, signer: KeyVaultSigner, options: dict[str, Any]
) -> None:
    old = first(roots(), await made_key(vault, options, "SIGN.1"), OPERATOR)
    new = rotated(old, roots(), await made_key(vault, options, "SIGN.2"), OPERATOR)

    signatures = [(await a_signing(signer, item).sign(MANIFEST, "op"))[0] for item in (old, new)]

    assert old.key != new.key
    for signature in signatures:
        verify(MANIFEST, signature, new)
    assert signatures[0] != signatures[1]


@pytest.mark.parametrize(
    ("fault", "says", "is_retryable", "retry_after"),
    [
        (Fault(429, "Throttled", headers={"Retry-After": "0"}), "429", True, 0.0),
        (Fault(503, "ServiceUnavailable"), "503", True, None),
        (Fault(403, "Forbidden", "KeyDisabled"), "disabled", False, None),
        (Fault(403, "Forbidden", "ForbiddenByRbac"), "Key Vault Crypto User", False, None),
        (Fault(400, "BadParameter"), "400", False, None),
    ],
)
async def test_refusal_of_the_vault_is_one_of_the_domain(
    vault: Vault,
    signer: KeyVaultSigner,
    fault: Fault,
    says: str,
    is_retryable: bool,
    retry_after: float | None,
) -> None:
    version = vault.make("k")
    vault.faults = [fault] * 4

    with pytest.raises(DependencyFailed, match=says) as refused:
        await signer.sign(f"k/{version}", DIGEST)

    assert refused.value.retryable is is_retryable
    assert refused.value.retry_after == retry_after
    assert TOKEN not in str(refused.value)


async def test_signing_succeeds_when_the_vault_was_busy_for_a_moment(
    vault: Vault, signer: KeyVaultSigner
) -> None:
    version = vault.make("k")
    vault.faults = [Fault(429, "Throttled", headers={"Retry-After": "0"})]

    assert await signer.sign(f"k/{version}", DIGEST)
    assert not vault.faults


async def test_version_that_does_not_exist_is_named(vault: Vault, signer: KeyVaultSigner) -> None:
    with pytest.raises(DependencyFailed, match=r"k/0123.*no such version") as refused:
        await signer.sign("k/0123", DIGEST)

    assert not refused.value.retryable


@pytest.mark.parametrize("key", ["k", "k/", "/v", "k/v/w", ""])
async def test_key_without_its_version_is_refused_before_anything_is_sent(
    vault: Vault, signer: KeyVaultSigner, key: str
) -> None:
    with pytest.raises(DependencyFailed, match="name/version"):
        await signer.sign(key, DIGEST)

    assert vault.challenges == 0


async def test_vault_out_of_reach_is_worth_another_try(
    identity: Identity, options: dict[str, Any]
) -> None:
    signer = KeyVaultSigner("https://localhost:1", lambda: identity, **options)

    with pytest.raises(DependencyFailed, match="cannot be reached") as refused:
        await signer.sign("k/0123", DIGEST)
    await signer.close()

    assert refused.value.retryable


async def test_token_is_not_shown_to_a_server_that_is_no_vault(
    vault: Vault, identity: Identity, options: dict[str, Any]
) -> None:
    version = vault.make("k")
    strict = {**options, "verify_challenge_resource": True}
    signer = KeyVaultSigner(vault.url, lambda: identity, **strict)

    with pytest.raises(DependencyFailed, match="answers for Key Vault") as refused:
        await signer.sign(f"k/{version}", DIGEST)
    await signer.close()

    assert not refused.value.retryable
    assert identity.scopes == []


async def test_key_cannot_be_made_when_the_vault_refuses(options: dict[str, Any]) -> None:
    store = KeyVault("https://localhost:1", BlockingIdentity, "update-signing", options)

    with pytest.raises(KeysError, match="no key could be made"):
        await asyncio.to_thread(store.create, "SIGN.1")
