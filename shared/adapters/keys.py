"""Keys of the service itself: signing keys in files, and the key that seals URLs."""

from __future__ import annotations

import asyncio
import stat
from base64 import urlsafe_b64decode, urlsafe_b64encode
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from shared.domain.errors import DependencyFailed

if TYPE_CHECKING:
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey


class FileSigner:
    """Implements `ports.Signer` with PEM files (PKCS 8, readable by their owner only).

    A key is named by its file name.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._keys: dict[str, RSAPrivateKey] = {}

    async def sign(self, key: str, digest: bytes) -> bytes:
        """See the port."""
        return await asyncio.to_thread(self._sign, key, digest)

    def _sign(self, key: str, digest: bytes) -> bytes:
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
        from cryptography.hazmat.primitives.hashes import SHA256

        if key not in self._keys:
            # only the name counts: the keyring must not lead out of the directory
            self._keys[key] = _read_key(self._directory / Path(key).name)
        return self._keys[key].sign(digest, PKCS1v15(), Prehashed(SHA256()))


def _read_key(path: Path) -> RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise DependencyFailed(
                f"'{path.name}' can be read by others than its owner; it will not be used.",
                retryable=False,
            )
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise DependencyFailed(
            f"The signing key '{path.name}' cannot be read.", retryable=False
        ) from error
    if not isinstance(key, RSAPrivateKey):
        raise DependencyFailed(f"'{path.name}' is not an RSA key.", retryable=False)
    return key


class FernetSealer:
    """Implements `ports.Sealer` with authenticated symmetric encryption."""

    def __init__(self, key: str) -> None:
        self._key = key

    @cached_property
    def _fernet(self) -> Fernet:
        from cryptography.fernet import Fernet

        return Fernet(self._key)

    def seal(self, text: str) -> str:
        """See the port."""
        return self._fernet.encrypt(text.encode()).decode()

    def unseal(self, sealed: str) -> str:
        """See the port."""
        from cryptography.fernet import InvalidToken

        try:
            text = self._fernet.decrypt(_canonical(sealed)).decode()
        except (InvalidToken, ValueError) as error:
            raise DependencyFailed(
                "What was sealed cannot be opened: it or the sealing key was changed.",
                retryable=False,
            ) from error
        return text


def _canonical(text: str) -> bytes:
    """Base64 as we write it; decoders overlook strange signs and the last bits.

    Raises:
        ValueError: It is none.
    """
    given = text.encode()
    if urlsafe_b64encode(urlsafe_b64decode(given)) != given:
        raise ValueError("other signs mean the same")
    return given
