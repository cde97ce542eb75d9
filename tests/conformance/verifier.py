"""An agent's view of what it is told, written from the protocol alone: it shares no code with the
service or the agent.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import TYPE_CHECKING, Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey, RSAPublicNumbers

if TYPE_CHECKING:
    from collections.abc import Mapping

type Roots = Mapping[str, RSAPublicKey]


def b64url(text: str) -> bytes:
    assert "=" not in text
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def built_in_roots(text: str) -> Roots:
    """The root keys that agents are built with."""
    return {kid: _key(b64url(value["n"]), value["e"]) for kid, value in json.loads(text).items()}


def check_package(data: bytes, roots: Roots) -> dict[str, Any]:
    """The protected part of a root key package; every built-in root must have signed it."""
    document = json.loads(data)
    protected: dict[str, Any] = document["protected"]
    assert protected["isTest"] is False
    assert protected["version"] > 0
    assert protected["published"] > 0
    assert protected["disabledRootKeys"] == []
    assert protected["disabledSigningKeys"] == []
    signed = json.dumps(protected, separators=(",", ":")).replace("/", "\\/").encode()
    order = list(protected["rootKeys"])
    assert set(roots) <= set(order)
    for kid, key in roots.items():
        entry = document["signatures"][order.index(kid)]
        assert entry["alg"] == "RS256"
        _check(key, b64url(entry["sig"]), signed)
        member = protected["rootKeys"][kid]
        assert member["keyType"] == "RSA"
        assert _key(b64url(member["n"]), member["e"]).public_numbers() == key.public_numbers()
    return protected


def check_signature(manifest: str, signature: str, roots: Roots) -> RSAPublicKey:
    """Follow the chain from a root over the signing key to the manifest; the signing key."""
    header, payload = _parts(signature)
    assert header["alg"] == "RS256"
    outer, inner = _parts(header["sjwk"])
    assert outer["alg"] == "RS256"
    _verify(roots[outer["kid"]], header["sjwk"])
    assert inner["kty"] == "RSA"
    assert inner["e"] == "AQAB"
    assert len(inner["n"]) % 4 == 0
    # standard base64 here, not that of the JSON Web Key standard
    modulus = base64.b64decode(inner["n"], validate=True)
    signing_key = _key(modulus, 65537)
    _verify(signing_key, signature)
    digest = hashlib.sha256(manifest.encode()).digest()
    assert payload["sha256"] == base64.b64encode(digest).decode()
    return signing_key


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    header, payload, _ = token.split(".")
    return json.loads(b64url(header)), json.loads(b64url(payload))


def _verify(key: RSAPublicKey, token: str) -> None:
    signed, _, signature = token.rpartition(".")
    _check(key, b64url(signature), signed.encode())


def _check(key: RSAPublicKey, signature: bytes, signed: bytes) -> None:
    key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())


def _key(modulus: bytes, exponent: int) -> RSAPublicKey:
    return RSAPublicNumbers(exponent, int.from_bytes(modulus)).public_key()
