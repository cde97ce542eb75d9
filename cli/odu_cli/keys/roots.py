"""Root keys: made once, kept offline, and used only to vouch for signing keys and to sign packages.

A folder holds one PEM file a key (PKCS 8); its id is the file's name without `.pem`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from odu_cli.keys import KeysError
from shared.contract.encoding import b64url
from shared.contract.rootkeys import (
    compose_root_key_package,
    modulus_bytes,
    package_signing_bytes,
    root_key_member,
)
from shared.contract.signature import compose, signing_key_input

ROOT_KEY_BITS = 3072


@dataclass(frozen=True, slots=True)
class Roots:
    """Root keys by id, in the order in which a package lists them."""

    keys: Mapping[str, rsa.RSAPrivateKey]

    @classmethod
    def generate(cls, kids: Iterable[str]) -> Roots:
        """New keys."""
        return cls({kid: rsa.generate_private_key(65537, ROOT_KEY_BITS) for kid in kids})

    @classmethod
    def load(cls, folder: Path) -> Roots:
        """The keys of a folder.

        Raises:
            KeysError: There are none, or a file is no RSA key.
        """
        keys = {}
        for path in sorted(folder.glob("*.pem")):
            try:
                key = serialization.load_pem_private_key(path.read_bytes(), None)
            except (ValueError, TypeError) as error:
                raise KeysError(f"{path} cannot be read: {error}") from error
            if not isinstance(key, rsa.RSAPrivateKey):
                raise KeysError(f"{path} is not an RSA key")
            keys[path.stem] = key
        if not keys:
            raise KeysError(f"there is no root key (*.pem) in {folder}")
        return cls(keys)

    def save(self, folder: Path) -> None:
        """Write the keys, readable by their owner only."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for kid, key in self.keys.items():
            write_key(folder / f"{kid}.pem", key)

    def vouch(self, public_key: rsa.RSAPublicKey, kid: str) -> str:
        """A signing key as a JWS under the first root key: its SJWK."""
        root_kid, root = next(iter(self.keys.items()))
        signed = signing_key_input(public_key, kid, root_kid)
        return compose(signed, _sign(root, signed))

    def package(
        self,
        version: int,
        disabled_signing_keys: Iterable[str] = (),
        expires: int | None = None,
    ) -> str:
        """A root key package; signing keys are disabled by their hash.

        `expires` is in Unix seconds; None for never.
        """
        protected: dict[str, Any] = {
            "isTest": False,
            "version": version,
            "published": int(time.time()),
            "disabledRootKeys": [],
            "disabledSigningKeys": [
                {"alg": "SHA256", "hash": value} for value in disabled_signing_keys
            ],
            **({"expires": expires} if expires is not None else {}),
            "rootKeys": {kid: root_key_member(key.public_key()) for kid, key in self.keys.items()},
        }
        signed = package_signing_bytes(protected)
        signatures = [_sign(key, signed) for key in self.keys.values()]
        return compose_root_key_package(protected, signatures).decode()

    def built_in(self) -> dict[str, dict[str, Any]]:
        """The public keys as agents are built with them: the modulus has a leading zero byte."""
        return {
            kid: {"kty": "RSA", "n": b64url(b"\0" + modulus_bytes(key.public_key())), "e": 65537}
            for kid, key in self.keys.items()
        }


def write_key(path: Path, key: rsa.RSAPrivateKey) -> None:
    """Write a new private key, readable by its owner only.

    Raises:
        KeysError: The file exists: a key is never overwritten.
    """
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise KeysError(f"{path} exists; a key is never overwritten") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)


def _sign(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
    return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
