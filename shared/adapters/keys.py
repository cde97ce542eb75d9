"""Keys on disk: the signing key with its proof, the root key package, and the key that seals
URLs.
"""

from __future__ import annotations

import asyncio
import stat
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from shared.domain.errors import DependencyFailed

if TYPE_CHECKING:
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey


class FileSigner:
    """Implements `ports.Signer` with a PEM file.

    The directory holds `signing.pem` (PKCS 8, readable by its owner only), `signing.sjwk` (the
    signing key as a JWS under a root key) and `rootkeys.json` (the root key package).
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def sjwk(self) -> str:
        """See the port."""
        return await asyncio.to_thread((self._directory / "signing.sjwk").read_text)

    async def sign(self, digest: bytes) -> bytes:
        """See the port."""
        return await asyncio.to_thread(self._sign, digest)

    async def root_key_package(self) -> bytes:
        """The root key package that devices fetch."""
        return await asyncio.to_thread((self._directory / "rootkeys.json").read_bytes)

    def _sign(self, digest: bytes) -> bytes:
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
        from cryptography.hazmat.primitives.hashes import SHA256

        return self._key.sign(digest, PKCS1v15(), Prehashed(SHA256()))

    @cached_property
    def _key(self) -> RSAPrivateKey:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        path = self._directory / "signing.pem"
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise DependencyFailed(
                f"'{path.name}' can be read by others than its owner; it will not be used.",
                retryable=False,
            )
        key = load_pem_private_key(path.read_bytes(), password=None)
        if not isinstance(key, RSAPrivateKey):
            raise DependencyFailed("The signing key is not an RSA key.", retryable=False)
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
            return self._fernet.decrypt(sealed.encode()).decode()
        except InvalidToken as error:
            raise DependencyFailed(
                "A sealed URL cannot be opened: the sealing key was changed.", retryable=False
            ) from error
