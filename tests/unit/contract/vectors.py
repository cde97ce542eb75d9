"""The public vectors of the agent's formats, and keys made for these tests."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from shared.contract.encoding import unb64url
from shared.contract.rootkeys import (
    RootKey,
    RootKeyPackage,
    RootKeyStore,
    compose_root_key_package,
    modulus_bytes,
    package_signing_bytes,
    parse_root_key_package,
    root_key_member,
)
from shared.contract.signature import compose, signing_input, signing_key_input

VECTORS = Path(__file__).parents[2] / "data" / "vectors"
ROOT_KIDS = ("root.1", "root.2")


def text(name: str) -> str:
    return (VECTORS / name).read_text()


def document(name: str) -> Any:
    return json.loads(text(name))


def package(name: str) -> RootKeyPackage:
    return parse_root_key_package((VECTORS / name).read_bytes())


def production_roots() -> dict[str, RootKey]:
    return roots_of("production")


def roots_of(build: str) -> dict[str, RootKey]:
    return {
        kid: RootKey(kid, unb64url(key["n_b64url"]), key["e"])
        for kid, key in document(f"hardcoded-roots.{build}.json").items()
    }


@cache
def private_key(name: str) -> rsa.RSAPrivateKey:
    """A key of its own for each name."""
    return rsa.generate_private_key(65537, 2048)


def sign(key_name: str, data: bytes) -> bytes:
    return private_key(key_name).sign(data, padding.PKCS1v15(), hashes.SHA256())


def hard_coded_roots() -> dict[str, RootKey]:
    keys = {kid: private_key(kid).public_key() for kid in ROOT_KIDS}
    return {kid: RootKey(kid, modulus_bytes(key), 65537) for kid, key in keys.items()}


def protected(**changes: Any) -> dict[str, Any]:
    members = {
        "isTest": False,
        "version": 1,
        "published": 1675972876,
        "disabledRootKeys": [],
        "disabledSigningKeys": [],
        "rootKeys": {kid: root_key_member(private_key(kid).public_key()) for kid in ROOT_KIDS},
    }
    return {**members, **changes}


def signed_package(**changes: Any) -> bytes:
    members = protected(**changes)
    data = package_signing_bytes(members)
    return compose_root_key_package(members, [sign(kid, data) for kid in members["rootKeys"]])


def store(**changes: Any) -> RootKeyStore:
    return RootKeyStore(hard_coded_roots(), parse_root_key_package(signed_package(**changes)))


def sjwk(signing_key: str = "signing.1", root: str = ROOT_KIDS[0]) -> str:
    data = signing_key_input(private_key(signing_key).public_key(), signing_key, root)
    return compose(data, sign(root, data))


def manifest_signature(
    manifest: str, signing_key: str = "signing.1", root: str = ROOT_KIDS[0]
) -> str:
    data = signing_input(sjwk(signing_key, root), manifest)
    return compose(data, sign(signing_key, data))
