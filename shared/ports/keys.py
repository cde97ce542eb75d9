"""Private keys and sealed secrets."""

from __future__ import annotations

from typing import Protocol


class Signer(Protocol):
    """Private signing keys; they may be elsewhere."""

    async def sign(self, key: str, digest: bytes) -> bytes:
        """RSASSA-PKCS1-v1_5 over a SHA-256 digest.

        Args:
            key: Which key: see the keyring.
            digest: 32 bytes.

        Raises:
            DependencyFailed: There is no such key, it must not be used, or it is out of reach.
        """
        ...


class Sealer(Protocol):
    """Keeps secrets unreadable at rest."""

    def seal(self, text: str) -> str: ...

    def unseal(self, sealed: str) -> str: ...
