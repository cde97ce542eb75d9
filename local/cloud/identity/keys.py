"""The issuer's signing keys: numbered PEM files in the state folder, of which the newest signs."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

if TYPE_CHECKING:
    from pathlib import Path

KEY_BITS = 2048
KEPT_KEYS = 3
"""The signing key and those before it that are still published, so that their tokens stay valid."""


class IdentityError(Exception):
    """The state folder holds no usable key, or not the one asked for."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An RSA key and the id under which its public half is published."""

    kid: str
    private_key: rsa.RSAPrivateKey

    def public_jwk(self) -> dict[str, str]:
        """Return the public half as a JSON Web Key (RFC 7517)."""
        return {**_jwk(self.private_key), "use": "sig", "alg": "RS256", "kid": self.kid}


def signing_keys(state: Path) -> list[SigningKey]:
    """Return the keys of a state folder, the newest first; create the first one if there is none.

    Raises:
        IdentityError: a key file is damaged.
    """
    paths = _key_paths(state)
    if not paths:
        _create_key(state, 1)
        paths = _key_paths(state)
    return [_load(path) for path in reversed(paths)]


def roll(state: Path) -> SigningKey:
    """Add and return a key that signs from now on; forget the oldest ones beyond `KEPT_KEYS`."""
    paths = _key_paths(state)
    _create_key(state, int(paths[-1].stem) + 1 if paths else 1)
    for path in _key_paths(state)[:-KEPT_KEYS]:
        path.unlink(missing_ok=True)
    return signing_keys(state)[0]


def _key_paths(state: Path) -> list[Path]:
    paths = [path for path in state.glob("*.pem") if path.stem.isdecimal()]
    return sorted(paths, key=lambda path: int(path.stem))


def _create_key(state: Path, number: int) -> None:
    """Write a key file whole or not at all; when another process wins the number, keep its key."""
    state.mkdir(mode=0o700, parents=True, exist_ok=True)
    pem = rsa.generate_private_key(public_exponent=65537, key_size=KEY_BITS).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    with tempfile.NamedTemporaryFile(dir=state, prefix=".new-") as file:  # created with mode 0600
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
        try:
            os.link(file.name, state / f"{number}.pem")
        except FileExistsError:
            return


def _load(path: Path) -> SigningKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError) as error:
        raise IdentityError(f"signing key {path.name} cannot be read: {error}") from error
    if not isinstance(key, rsa.RSAPrivateKey):
        raise IdentityError(f"signing key {path.name} is no RSA key")
    return SigningKey(_thumbprint(key), key)


def _jwk(key: rsa.RSAPrivateKey) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    return {"e": _base64url_uint(numbers.e), "kty": "RSA", "n": _base64url_uint(numbers.n)}


def _thumbprint(key: rsa.RSAPrivateKey) -> str:
    """Return the JWK thumbprint of RFC 7638."""
    canonical = json.dumps(_jwk(key), separators=(",", ":"), sort_keys=True).encode()
    return _base64url(hashlib.sha256(canonical).digest())


def _base64url_uint(number: int) -> str:
    return _base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
