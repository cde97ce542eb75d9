"""The key ceremony: two root keys, a signing key that one of them vouches for, and the package.

Done once, at the first start. In production the root keys stay offline; here they lie beside the
others, so that tests can play disabled keys and rollovers.
"""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from local.stack.state import write_private
from shared.contract.encoding import b64url
from shared.contract.rootkeys import (
    compose_root_key_package,
    modulus_bytes,
    package_signing_bytes,
    root_key_member,
)
from shared.contract.signature import compose, signing_key_input

if TYPE_CHECKING:
    from pathlib import Path

ROOT_KIDS = ("ODU.LOCAL.R1", "ODU.LOCAL.R2")
SIGNING_KID = "ODU.LOCAL.S1"
ROOT_KEY_BITS = 3072
SIGNING_KEY_BITS = 2048


def ensure_keys(directory: Path) -> None:
    """Hold the ceremony unless the directory shows that it was completed."""
    if directory.exists():
        return
    unfinished = directory.with_name(f"{directory.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700, parents=True)
    _hold_ceremony(unfinished)
    unfinished.rename(directory)


def _hold_ceremony(directory: Path) -> None:
    roots = {kid: rsa.generate_private_key(65537, ROOT_KEY_BITS) for kid in ROOT_KIDS}
    signing_key = rsa.generate_private_key(65537, SIGNING_KEY_BITS)
    for number, key in enumerate(roots.values(), 1):
        write_private(directory / f"root-{number}.pem", _private_pem(key))
    write_private(directory / "signing.pem", _private_pem(signing_key))

    voucher = ROOT_KIDS[0]
    signed = signing_key_input(signing_key.public_key(), SIGNING_KID, voucher)
    sjwk = compose(signed, _sign(roots[voucher], signed))
    write_private(directory / "signing.sjwk", sjwk.encode())
    write_private(directory / "rootkeys.json", _package(roots))
    write_private(directory / "roots.json", json.dumps(_built_in(roots), indent=2).encode())


def _package(roots: dict[str, rsa.RSAPrivateKey]) -> bytes:
    protected: dict[str, Any] = {
        "isTest": False,
        "version": 1,
        "published": int(time.time()),
        "disabledRootKeys": [],
        "disabledSigningKeys": [],
        "rootKeys": {kid: root_key_member(key.public_key()) for kid, key in roots.items()},
    }
    signed = package_signing_bytes(protected)
    return compose_root_key_package(protected, [_sign(key, signed) for key in roots.values()])


def _built_in(roots: dict[str, rsa.RSAPrivateKey]) -> dict[str, dict[str, Any]]:
    """Return the roots as agents are built with them: the modulus has a leading zero byte."""
    return {
        kid: {"kty": "RSA", "n": b64url(b"\0" + modulus_bytes(key.public_key())), "e": 65537}
        for kid, key in roots.items()
    }


def _sign(key: rsa.RSAPrivateKey, data: bytes) -> bytes:
    return key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def _private_pem(key: rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
