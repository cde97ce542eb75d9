"""Base64 in its two alphabets, read strictly.

The contract mixes them: JWS sections and root key packages use the url-safe alphabet without
padding; file hashes, the manifest hash and the modulus of a signing key the standard one with
padding. Only the canonical text of some bytes is accepted, so that no byte of a signed document
can change unnoticed.
"""

from __future__ import annotations

import base64
import hashlib


def b64(data: bytes) -> str:
    """Encode in the standard alphabet, padded."""
    return base64.b64encode(data).decode("ascii")


def unb64(text: str) -> bytes:
    """Decode the canonical standard form.

    Raises:
        ValueError: Foreign characters, wrong padding or stray trailing bits.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise ValueError(f"not standard base64: {error}") from None
    if b64(data) != text:
        raise ValueError("not canonical standard base64")
    return data


def b64url(data: bytes) -> str:
    """Encode in the url-safe alphabet, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def unb64url(text: str) -> bytes:
    """Decode the canonical url-safe form.

    Raises:
        ValueError: Foreign characters, padding, an impossible length or stray trailing bits.
    """
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise ValueError(f"not url-safe base64: {error}") from None
    if b64url(data) != text:
        raise ValueError("not canonical url-safe base64")
    return data


def sha256_b64(data: bytes) -> str:
    """SHA-256 of some bytes as the manifest and its signature write it: standard base64."""
    return b64(hashlib.sha256(data).digest())
