"""Root keys: the package that carries them, its checks, and the look-up of one.

A device is built with some root keys. A package, signed by every one of those, may add roots,
disable roots and disable signing keys. Moduli are url-safe base64 here, without padding.

Cryptography is imported where it is first used: it is most of an idle agent's memory.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from .codes import Erc
from .encoding import b64url, unb64url
from .strictjson import dumps_compact, loads_object

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cryptography.hazmat.primitives.asymmetric import rsa

_HASH_ALGORITHMS = ("SHA256", "SHA384", "SHA512")
_SIGNATURE_ALGORITHMS = ("RS256", "RS384", "RS512")
_MINIMUM_KEY_BITS = 2048
_MAXIMUM_KEY_BITS = 8192
EXPONENT = 65537
CLOCK_SKEW_SECONDS = 24 * 3600
_T = TypeVar("_T")


class RootKeyError(Exception):
    """A package or key cannot be trusted; `erc` is what a device reports."""

    def __init__(self, erc: int, message: str) -> None:
        super().__init__(message)
        self.erc = erc
        self.message = message


@dataclass(frozen=True)
class RootKey:
    """A root key: its id, modulus (big-endian, a leading zero allowed) and public exponent."""

    kid: str
    n: bytes
    e: int

    def public_key(self) -> rsa.RSAPublicKey:
        """The key itself.

        Raises:
            ValueError: The numbers make no usable RSA key.
        """
        return rsa_public_key(self.n, self.e)


@dataclass(frozen=True)
class DisabledSigningKey:
    """A signing key no longer to be trusted, named by a hash (see `signing_key_hash`)."""

    alg: str
    hash: str


@dataclass(frozen=True)
class RootKeyPackage:
    """A package as parsed; `signatures[i]` belongs to `root_keys[i]`.

    `published` and `expires` are in Unix seconds; `signed_bytes` are what the signatures cover.
    `expires` is an addition that other agents pass over; None is a package that is good for ever.
    """

    version: int
    published: int
    is_test: bool
    disabled_root_keys: tuple[str, ...]
    disabled_signing_keys: tuple[DisabledSigningKey, ...]
    root_keys: tuple[RootKey, ...]
    signatures: tuple[bytes, ...]
    signed_bytes: bytes
    expires: int | None = None


class RootKeyStore:
    """The root keys a device trusts: those it was built with and those of its package.

    Immutable; a new package makes a new store.
    """

    def __init__(
        self, hard_coded: Mapping[str, RootKey], package: RootKeyPackage | None = None
    ) -> None:
        self.hard_coded = dict(hard_coded)
        self.package = package

    def with_package(self, package: RootKeyPackage) -> RootKeyStore:
        """The same roots with another package, which must have been validated."""
        return RootKeyStore(self.hard_coded, package)

    def find(self, kid: str) -> RootKey:
        """Look up a root key that may vouch for a signing key.

        Raises:
            RootKeyError: No package, or the key is disabled or unknown.
        """
        if self.package is None:
            raise RootKeyError(Erc.JWS_ROOT_KEYS_INVALID, "there is no valid root key package")
        if kid in self.package.disabled_root_keys:
            raise RootKeyError(Erc.JWS_ROOT_KEY_DISABLED, f"root key {kid:.64} is disabled")
        if kid in self.hard_coded:
            return self.hard_coded[kid]
        for key in self.package.root_keys:
            if key.kid == kid:
                return key
        raise RootKeyError(Erc.JWS_ROOT_KEY_UNKNOWN, f"root key {kid:.64} is unknown")

    def is_signing_key_disabled(self, public_key: rsa.RSAPublicKey) -> bool:
        """Whether the package disables this signing key; only SHA-256 entries ever match."""
        if self.package is None:
            return False
        entry = DisabledSigningKey("SHA256", signing_key_hash(public_key))
        return entry in self.package.disabled_signing_keys


def rsa_public_key(n: bytes, e: int) -> rsa.RSAPublicKey:
    """Build a public key from its modulus and exponent.

    Raises:
        ValueError: Fewer than 2048 or more than 8192 bits, or another exponent than 65537.
    """
    from cryptography.hazmat.primitives.asymmetric import rsa

    check_rsa_numbers(n, e)
    return rsa.RSAPublicNumbers(e, int.from_bytes(n, "big")).public_key()


def check_rsa_numbers(n: bytes, e: int) -> None:
    """Check what can be checked of a public key without arithmetic.

    Raises:
        ValueError: A size or exponent that is not to be trusted.
    """
    bits = int.from_bytes(n, "big").bit_length()
    if not _MINIMUM_KEY_BITS <= bits <= _MAXIMUM_KEY_BITS:
        raise ValueError(f"RSA key of {bits} bits")
    if e != EXPONENT:
        raise ValueError(f"RSA key whose exponent is not {EXPONENT}")
    if not n[-1] & 1:
        raise ValueError("RSA key whose modulus is even")


def modulus_bytes(public_key: rsa.RSAPublicKey) -> bytes:
    """The modulus, big-endian, without leading zeros."""
    modulus = public_key.public_numbers().n
    return modulus.to_bytes((modulus.bit_length() + 7) // 8, "big")


def signing_key_hash(public_key: rsa.RSAPublicKey) -> str:
    """Name a signing key as `disabledSigningKeys` does: SHA-256 over its PKCS#1 DER, url-safe."""
    from cryptography.hazmat.primitives import serialization

    der = public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    return b64url(hashlib.sha256(der).digest())


def root_key_member(public_key: rsa.RSAPublicKey) -> dict[str, Any]:
    """A root key as a member of the package's `rootKeys`."""
    numbers = public_key.public_numbers()
    return {"keyType": "RSA", "n": b64url(modulus_bytes(public_key)), "e": numbers.e}


def package_signing_bytes(protected: Mapping[str, Any]) -> bytes:
    r"""The bytes to be signed: compact JSON, members in the order given, `/` written `\/`."""
    return dumps_compact(protected).replace("/", "\\/").encode()


def compose_root_key_package(protected: Mapping[str, Any], signatures: list[bytes]) -> bytes:
    """Write a package; `signatures` in the order of `protected["rootKeys"]`.

    Raises:
        ValueError: The counts differ.
    """
    if len(signatures) != len(protected["rootKeys"]):
        raise ValueError("a root key package needs one signature per root key")
    entries = [{"alg": "RS256", "sig": b64url(signature)} for signature in signatures]
    tail = f',"signatures":{dumps_compact(entries)}}}'
    return b'{"protected":' + package_signing_bytes(protected) + tail.encode()


def parse_root_key_package(data: bytes) -> RootKeyPackage:
    """Read a package without trusting it yet.

    Raises:
        RootKeyError: It is malformed.
    """
    try:
        document = loads_object(data)
        protected = document.get("protected")
        if not isinstance(protected, dict):
            raise _malformed(Erc.PACKAGE_PROTECTED, "protected")
        signed_bytes = package_signing_bytes(protected)
    except ValueError as error:
        raise RootKeyError(Erc.PACKAGE_NOT_JSON, f"root key package: {error}") from None
    is_test = protected.get("isTest", False)
    if not isinstance(is_test, bool):
        raise _malformed(Erc.PACKAGE_PROTECTED, "isTest")
    return RootKeyPackage(
        is_test=is_test,
        version=_positive(protected, "version", Erc.PACKAGE_VERSION),
        published=_positive(protected, "published", Erc.PACKAGE_PUBLISHED),
        disabled_root_keys=_disabled_root_keys(protected),
        disabled_signing_keys=_each(
            protected.get("disabledSigningKeys"),
            Erc.PACKAGE_DISABLED_SIGNING_KEYS,
            _disabled_signing_key,
        ),
        root_keys=_root_keys(protected.get("rootKeys")),
        signatures=_signatures(document.get("signatures")),
        signed_bytes=signed_bytes,
        expires=(
            _positive(protected, "expires", Erc.PACKAGE_PROTECTED)
            if "expires" in protected
            else None
        ),
    )


def validate(
    package: RootKeyPackage, hard_coded_roots: Mapping[str, RootKey], *, is_test_build: bool = False
) -> None:
    """Accept a package only if every hard-coded root signed it, and it is of the build's kind.

    Raises:
        RootKeyError: A root or signature is missing or wrong, or the package is of the other kind.
    """
    if not hard_coded_roots:
        raise RootKeyError(Erc.PACKAGE_ROOT_KEY_MISSING, "the device was built without root keys")
    positions = {key.kid: position for position, key in enumerate(package.root_keys)}
    for kid, root in hard_coded_roots.items():
        if kid not in positions:
            raise RootKeyError(
                Erc.PACKAGE_ROOT_KEY_MISSING, f"root key {kid} is not in the package"
            )
        if positions[kid] >= len(package.signatures):
            raise RootKeyError(Erc.PACKAGE_SIGNATURE_MISSING, f"no signature of root key {kid}")
        if not is_signed_by(root, package.signatures[positions[kid]], package.signed_bytes):
            raise RootKeyError(Erc.PACKAGE_SIGNATURE_WRONG, f"wrong signature of root key {kid}")
    if package.is_test and not is_test_build:
        raise RootKeyError(Erc.PACKAGE_IS_TEST, "a root key package for tests only")
    if is_test_build and not package.is_test:
        raise RootKeyError(Erc.PACKAGE_IS_PRODUCTION, "a production root key package")


def check_trustworthy(package: RootKeyPackage, hard_coded_roots: Mapping[str, RootKey]) -> None:
    """Refuse a package after which no root key could vouch for anything.

    Raises:
        RootKeyError: Every root key is disabled.
    """
    kids = {*hard_coded_roots, *(key.kid for key in package.root_keys)}
    if not kids - set(package.disabled_root_keys):
        raise RootKeyError(Erc.PACKAGE_DISABLES_ALL, "the root key package disables every root key")


def check_successor(package: RootKeyPackage, current: RootKeyPackage | None, now: float) -> None:
    """Refuse a package that must not replace the current one.

    Args:
        package: Validated.
        current: The one in force.
        now: In Unix seconds.

    Raises:
        RootKeyError: Expired, published later than a day from now, older than the current one, or
            of the same version with other content.
    """
    name = f"root key package {package.version}"
    if package.expires is not None and package.expires <= now:
        raise RootKeyError(Erc.PACKAGE_EXPIRED, f"{name} has expired")
    if package.published > now + CLOCK_SKEW_SECONDS:
        raise RootKeyError(
            Erc.PACKAGE_FROM_THE_FUTURE, f"{name} is of the future: is the device's clock right?"
        )
    if current is None:
        return
    if package.version < current.version:
        raise RootKeyError(Erc.PACKAGE_ROLLED_BACK, f"{name} is older than {current.version}")
    if package.version == current.version and package.signed_bytes != current.signed_bytes:
        raise RootKeyError(
            Erc.PACKAGE_CHANGED_IN_PLACE, f"{name} is not the one that this device has"
        )


def is_signed_by(key: RootKey, signature: bytes, data: bytes) -> bool:
    """Whether a key made this RSASSA-PKCS1-v1_5 SHA-256 signature; an unusable key did not."""
    try:
        return is_signature(key.public_key(), signature, data)
    except ValueError:
        return False


def is_signature(key: rsa.RSAPublicKey, signature: bytes, data: bytes) -> bool:
    """Whether it is the RSASSA-PKCS1-v1_5 SHA-256 signature of some bytes."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding

    try:
        key.verify(signature, data, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _malformed(erc: Erc, what: str) -> RootKeyError:
    return RootKeyError(erc, f"root key package: {what} is missing or malformed")


def _positive(members: Mapping[str, Any], name: str, erc: Erc) -> int:
    value = members.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise _malformed(erc, name)
    return value


def _disabled_root_keys(protected: Mapping[str, Any]) -> tuple[str, ...]:
    kids = protected.get("disabledRootKeys")
    if not isinstance(kids, list) or not all(isinstance(kid, str) for kid in kids):
        raise _malformed(Erc.PACKAGE_DISABLED_ROOT_KEYS, "disabledRootKeys")
    return tuple(kids)


def _each(values: Any, erc: Erc, read: Callable[[Mapping[str, Any]], _T]) -> tuple[_T, ...]:
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise _malformed(erc, "an array of objects")
    return tuple(read(value) for value in values)


def _disabled_signing_key(entry: Mapping[str, Any]) -> DisabledSigningKey:
    alg, digest = entry.get("alg"), entry.get("hash")
    if not isinstance(alg, str):
        raise _malformed(Erc.PACKAGE_HASH_ALG_MISSING, "alg of a disabled signing key")
    if alg not in _HASH_ALGORITHMS:
        raise _malformed(Erc.PACKAGE_HASH_ALG_UNSUPPORTED, "alg of a disabled signing key")
    if not isinstance(digest, str) or not _decodes(digest):
        raise _malformed(Erc.PACKAGE_HASH_MISSING, "hash of a disabled signing key")
    return DisabledSigningKey(alg, digest)


def _root_keys(values: Any) -> tuple[RootKey, ...]:
    if not isinstance(values, dict) or not values:
        raise _malformed(Erc.PACKAGE_ROOT_KEYS_EMPTY, "rootKeys")
    return tuple(_root_key(kid, value) for kid, value in values.items())


def _root_key(kid: str, value: Any) -> RootKey:
    members = value if isinstance(value, dict) else {}
    kind, modulus, exponent = members.get("keyType"), members.get("n"), members.get("e")
    if not isinstance(kind, str):
        raise _malformed(Erc.PACKAGE_KEY_TYPE_MISSING, f"keyType of {kid:.64}")
    if kind != "RSA":
        raise _malformed(Erc.PACKAGE_KEY_TYPE_UNSUPPORTED, f"keyType of {kid:.64}")
    if not isinstance(modulus, str):
        raise _malformed(Erc.PACKAGE_MODULUS_MISSING, f"n of {kid:.64}")
    if not modulus or not _decodes(modulus):
        raise _malformed(Erc.PACKAGE_MODULUS_MALFORMED, f"n of {kid:.64}")
    if exponent != EXPONENT or not isinstance(exponent, int):
        raise _malformed(Erc.PACKAGE_EXPONENT, f"e of {kid:.64}")
    return RootKey(kid, unb64url(modulus), exponent)


def _signatures(values: Any) -> tuple[bytes, ...]:
    if values == []:
        raise _malformed(Erc.PACKAGE_SIGNATURES_EMPTY, "signatures")
    return _each(values, Erc.PACKAGE_SIGNATURES, _signature)


def _signature(entry: Mapping[str, Any]) -> bytes:
    alg, signature = entry.get("alg"), entry.get("sig")
    if not isinstance(alg, str):
        raise _malformed(Erc.PACKAGE_SIGNATURE_ALG_MISSING, "alg of a signature")
    if alg not in _SIGNATURE_ALGORITHMS:
        raise _malformed(Erc.PACKAGE_SIGNATURE_ALG_UNSUPPORTED, "alg of a signature")
    if not isinstance(signature, str) or not _decodes(signature):
        raise _malformed(Erc.PACKAGE_SIGNATURES, "sig of a signature")
    return unb64url(signature)


def _decodes(text: str) -> bool:
    try:
        unb64url(text)
    except ValueError:
        return False
    return True
