"""The signature of an update manifest: a compact JWS whose header carries the signing key.

The header's `sjwk` is itself a compact JWS, made by a root key over the signing key. This module
signs nothing: it says which bytes to sign and puts the parts together, so that a private key can
stay in a vault. It verifies in the order of the public agent, with that agent's error codes.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from .codes import Erc
from .encoding import b64, b64url, sha256_b64, unb64, unb64url
from .rootkeys import RootKeyError, RootKeyStore, is_signature, modulus_bytes, rsa_public_key
from .strictjson import dumps_compact, loads_object

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptography.hazmat.primitives.asymmetric import rsa

_ALGORITHM = "RS256"
_EXPONENT = 65537
_EXPONENT_TEXT = "AQAB"
_MAXIMUM_CHARACTERS = 64 * 1024
_FORBIDDEN_HEADERS = frozenset({"crit", "b64", "jwk", "jku", "x5u", "x5c"})


class SignatureError(Exception):
    """A manifest must not be trusted; `erc` is what a device reports."""

    def __init__(self, erc: int, message: str) -> None:
        super().__init__(message)
        self.erc = erc
        self.message = message


def signing_input(sjwk: str, manifest: str) -> bytes:
    """The bytes that the signing key signs (RSASSA-PKCS1-v1_5 with SHA-256) for a manifest."""
    header = {"alg": _ALGORITHM, "sjwk": sjwk}
    return _sections(header, {"sha256": sha256_b64(manifest.encode())})


def signing_key_input(public_key: rsa.RSAPublicKey, kid: str, root_kid: str) -> bytes:
    """The bytes that the root key `root_kid` signs to vouch for the signing key `kid`.

    Raises:
        ValueError: The key's public exponent is not 65537, the only one agents accept.
    """
    if public_key.public_numbers().e != _EXPONENT:
        raise ValueError("the public exponent of a signing key must be 65537")
    payload = {
        "kty": "RSA",
        "n": b64(modulus_bytes(public_key)),
        "e": _EXPONENT_TEXT,
        "alg": _ALGORITHM,
        "kid": kid,
    }
    return _sections({"alg": _ALGORITHM, "kid": root_kid}, payload)


def compose(signing_input: bytes, signature: bytes) -> str:
    """Join signed bytes and their signature into a compact JWS."""
    return f"{signing_input.decode('ascii')}.{b64url(signature)}"


def verify_update_manifest(manifest: str, signature: str, roots: RootKeyStore) -> None:
    """Accept a manifest's text only if a signing key vouched for by a root key signed it.

    Raises:
        SignatureError: Anything at all is wrong.
    """
    jws = _split(signature)
    header = _read(jws.header, Erc.JWS_HEADER_ENCODING, "the header of the signature")
    _refuse_forbidden(header)
    sjwk = header.get("sjwk")
    if not isinstance(sjwk, str) or not sjwk:
        _refuse(Erc.JWS_BAD_STRUCTURE, "the signature names no signing key")
    signing_key = verify_signing_key(sjwk, roots)
    _check_signature(jws, header, signing_key, "the manifest's signature")
    payload = _read(jws.payload, Erc.MANIFEST_HASH_WRONG, "the payload of the signature")
    signed_hash = payload.get("sha256")
    actual_hash = sha256_b64(manifest.encode(errors="surrogatepass"))
    if not isinstance(signed_hash, str) or not _equal(signed_hash, actual_hash):
        _refuse(Erc.MANIFEST_HASH_WRONG, "the update manifest is not the one that was signed")


def verify_signing_key(sjwk: str, roots: RootKeyStore) -> rsa.RSAPublicKey:
    """Return the signing key of an SJWK that a root key vouches for and that is not disabled.

    Raises:
        SignatureError: Anything at all is wrong.
    """
    jws = _split(sjwk)
    header = _read(jws.header, Erc.JWS_FAILED, "the header of the signing key")
    _refuse_forbidden(header)
    kid = header.get("kid")
    if not isinstance(kid, str) or not kid:
        _refuse(Erc.JWS_FAILED, "the signing key names no root key")
    _check_signature(jws, header, _root_key(kid, roots), "the signing key's signature")
    key = _signing_key(_read(jws.payload, Erc.JWS_SIGNING_KEY_INVALID, "the signing key"))
    if roots.is_signing_key_disabled(key):
        _refuse(Erc.SIGNING_KEY_DISABLED, "the signing key is disabled")
    return key


@dataclass(frozen=True)
class _Jws:
    header: str
    payload: str
    signature: str

    @property
    def signed(self) -> bytes:
        return f"{self.header}.{self.payload}".encode()


def _refuse(erc: Erc, message: str) -> NoReturn:
    raise SignatureError(erc, message)


def _sections(header: Mapping[str, Any], payload: Mapping[str, Any]) -> bytes:
    parts = (b64url(dumps_compact(part).encode()) for part in (header, payload))
    return ".".join(parts).encode("ascii")


def _split(text: str) -> _Jws:
    parts = text.split(".") if len(text) <= _MAXIMUM_CHARACTERS else []
    if len(parts) != 3 or not all(parts):
        _refuse(Erc.JWS_BAD_STRUCTURE, "a signature must have three parts")
    return _Jws(*parts)


def _read(section: str, erc: Erc, what: str) -> dict[str, Any]:
    try:
        return loads_object(unb64url(section))
    except ValueError as error:
        raise SignatureError(erc, f"{what} cannot be read: {error}") from None


def _refuse_forbidden(header: Mapping[str, Any]) -> None:
    for name in sorted(_FORBIDDEN_HEADERS & header.keys()):
        _refuse(Erc.JWS_BAD_STRUCTURE, f"the header {name} is not allowed")


def _check_signature(
    jws: _Jws, header: Mapping[str, Any], key: rsa.RSAPublicKey, what: str
) -> None:
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or not algorithm:
        _refuse(Erc.JWS_BAD_STRUCTURE, f"{what} names no algorithm")
    if algorithm != _ALGORITHM:
        _refuse(Erc.JWS_INVALID_SIGNATURE, f"{what} is not made with {_ALGORITHM}")
    try:
        is_right = is_signature(key, unb64url(jws.signature), jws.signed)
    except ValueError:
        is_right = False
    if not is_right:
        _refuse(Erc.JWS_INVALID_SIGNATURE, f"{what} is wrong")


def _root_key(kid: str, roots: RootKeyStore) -> rsa.RSAPublicKey:
    try:
        return roots.find(kid).public_key()
    except RootKeyError as error:
        raise SignatureError(error.erc, error.message) from None
    except ValueError:
        raise SignatureError(
            Erc.JWS_ROOT_KEYS_INVALID, f"root key {kid:.64} is not usable"
        ) from None


def _signing_key(payload: Mapping[str, Any]) -> rsa.RSAPublicKey:
    modulus = payload.get("n")
    if not isinstance(modulus, str) or not modulus or payload.get("e") != _EXPONENT_TEXT:
        _refuse(Erc.JWS_SIGNING_KEY_INVALID, "the signing key needs n, and AQAB as its e")
    try:
        number = unb64(modulus)
    except ValueError:
        raise SignatureError(
            Erc.JWS_BAD_STRUCTURE, "the signing key's n is not standard base64"
        ) from None
    try:
        return rsa_public_key(number, _EXPONENT)
    except ValueError as error:
        raise SignatureError(
            Erc.JWS_SIGNING_KEY_UNBUILDABLE, f"the signing key is unusable: {error}"
        ) from None


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
