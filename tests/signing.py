"""Root keys, signing keys and keyrings for tests, made once."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from unittest import mock

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256

from odu_cli.keys.changes import first, next_kid, revoked, rotated
from odu_cli.keys.roots import Roots
from odu_cli.keys.signing_keys import SigningKey
from shared.contract.rootkeys import RootKey, RootKeyStore, parse_root_key_package, validate
from shared.contract.signature import verify_update_manifest
from shared.domain.errors import DependencyFailed
from shared.domain.updates.keyring import Keyring

OPERATOR = "operator@desk"


WHEN = datetime(2024, 5, 1, tzinfo=UTC).timestamp()
"""When the packages are published: the clocks of tests stand a little later."""


@contextmanager
def at_that_time() -> Iterator[None]:
    """Packages made within are of `WHEN`."""
    with mock.patch("odu_cli.keys.roots.time.time", return_value=WHEN):
        yield


@functools.cache
def roots() -> Roots:
    """Two root keys."""
    return Roots.generate(("ROOT.1", "ROOT.2"))


@functools.cache
def private_key(number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


class KeySigner:
    """Implements `ports.Signer` with keys made on demand; names are `key-1`, `key-2`, ..."""

    async def sign(self, key: str, digest: bytes) -> bytes:
        await asyncio.sleep(0)
        number = key.removeprefix("key-")
        if not number.isdigit():
            raise DependencyFailed(f"no key {key}", retryable=False)
        return private_key(int(number)).sign(digest, padding.PKCS1v15(), Prehashed(SHA256()))


def signing_key(kid: str, number: int) -> SigningKey:
    return SigningKey(kid, f"key-{number}", private_key(number).public_key())


@functools.cache
def a_keyring() -> Keyring:
    with at_that_time():
        return first(roots(), signing_key("SIGN.1", 1), OPERATOR)


def after_rotation(keyring: Keyring) -> Keyring:
    """The keyring with a new key in use."""
    kid = next_kid(keyring)
    return rotated(keyring, roots(), signing_key(kid, keyring.edition + 1), OPERATOR)


def after_revocation(keyring: Keyring) -> Keyring:
    """The keyring with the key that was in use revoked and replaced."""
    successor = signing_key(next_kid(keyring), keyring.edition + 1)
    with at_that_time():
        return revoked(keyring, roots(), keyring.kid, successor, OPERATOR)


def built_in_roots(of: Roots | None = None) -> dict[str, RootKey]:
    """The root keys as an agent is built with them."""
    numbers = {kid: key.public_key().public_numbers() for kid, key in (of or roots()).keys.items()}
    return {
        kid: RootKey(kid, number.n.to_bytes(number.n.bit_length() // 8 + 1, "big"), number.e)
        for kid, number in numbers.items()
    }


def device_store(keyring: Keyring) -> RootKeyStore:
    """What a device trusts that has taken over the keyring's root key package."""
    package = parse_root_key_package(keyring.root_key_package.encode())
    validate(package, built_in_roots())
    return RootKeyStore(built_in_roots(), package)


def verify(manifest: str, signature: str, keyring: Keyring) -> None:
    """Raise as a device with this keyring's root key package does."""
    verify_update_manifest(manifest, signature, device_store(keyring))
